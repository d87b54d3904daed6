"""An answer: which rows a selection needs, summed by the server; names are put to what comes out.

A join for every row that goes in would cost more than the sums. All SQL is constant text and ``%s``.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from tyk_endpoint_stats.core.batch import EVERYONE
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.core.fields import FIELDS, Field, Merge
from tyk_endpoint_stats.core.packed import unpack_distribution
from tyk_endpoint_stats.core.selection import Dimension, Group, RowKind, Selection, row_kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.busiest import answer_busiest
from tyk_endpoint_stats.stores.rules import Answer, days_of, quarter_hours_in, refuse_pruned
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.names import aliases, api_names, consumers_by_key, endpoints_by_key, where
from tyk_endpoint_stats_postgresql.schema import KINDS

__all__ = ["answer"]

_NOBODY = ("", "", "")
_STATES_AT_ONCE = 2_000


def _summed(field: Field) -> str:
    # A sum of bigints is a numeric, as long as it needs; past 63 bits the cast is an error, never a float.
    return f"sum({field.name})::bigint" if field.merge is Merge.SUM else f"{field.merge.value}({field.name})"


_SUMS = ", ".join(map(_summed, FIELDS))

Keyed = tuple[UUID | None, UUID | None, Bucket, EndpointStats]
"""A consumer's key, an endpoint's key, a bucket, a state."""


def answer(
    connection: Connection, selection: Selection, pruned_before_day: int | None
) -> Sequence[tuple[Group, EndpointStats]]:
    """The answer to a selection, in the caller's read transaction.

    Raises:
        QuarterHoursPruned, AnswerTooLarge: as the contract says.
        PackedError: a row can't be read.
        StoreError: a row is of a consumer or an endpoint that does not exist.
    """
    if selection.busiest is not None:
        return answer_busiest(selection, lambda one: answer(connection, one, pruned_before_day))
    refuse_pruned(selection.spans, pruned_before_day, lambda first, end: bool(_stored_days(connection, first, end)))
    by = selection.group_by
    groups = Answer(selection)
    for span in selection.spans:
        found = (_days if span.width is Width.DAY else _quarter_hours)(connection, selection, span)
        while states := list(islice(found, _STATES_AT_ONCE)):
            consumers = consumers_by_key(connection, (key for key, *_ in states if key is not None))
            endpoints = endpoints_by_key(connection, (key for _, key, *_ in states if key is not None))
            for consumer, endpoint, bucket, stats in states:
                groups.add(
                    _NOBODY if consumer is None else consumers[consumer],
                    None if endpoint is None else endpoints[endpoint],
                    bucket,
                    stats,
                )
    return groups.groups(
        aliases(connection, selection) if Dimension.CONSUMER in by else {},
        api_names(connection, selection) if Dimension.ENDPOINT in by else {},
    )


def _stored_days(connection: Connection, first: int, end: int) -> list[int]:
    sql = "SELECT DISTINCT day FROM totals WHERE kind = %s AND day >= %s AND day < %s"
    return [day for (day,) in connection.execute(sql, (KINDS[RowKind.EVERYTHING], first, end))]


def _days(connection: Connection, selection: Selection, span: Span) -> Iterator[Keyed]:
    by = selection.group_by
    kept = {
        "consumer": Dimension.CONSUMER in by,
        "endpoint": Dimension.ENDPOINT in by,
        "day": Dimension.BUCKET in by,
    }
    groups = [column for column, is_kept in kept.items() if is_kept]
    columns = [column if is_kept else "NULL" for column, is_kept in kept.items()]
    joined = "string_agg(distribution, '')" if selection.distributions else "NULL"
    source, parameters = _source(connection, selection, span)
    sql = f"SELECT {', '.join(columns)}, {_SUMS}, {joined}{source}"
    sql += f" GROUP BY {', '.join(groups)}" if groups else " HAVING count(*) > 0"
    if selection.max_groups is not None:  # one more is enough to know that there are too many
        sql += f" LIMIT {selection.max_groups + 1:d}"
    for consumer, endpoint, day, *plain, distribution in connection.execute(sql, parameters):
        stats = EndpointStats(*plain)
        if distribution is not None:
            stats.codes, stats.histogram = unpack_distribution(distribution)
        yield consumer, endpoint, Bucket(Width.DAY, day or 0), stats


def _quarter_hours(connection: Connection, selection: Selection, span: Span) -> Iterator[Keyed]:
    by = selection.group_by
    source, parameters = _source(connection, selection, span)
    with connection.cursor("rows") as rows:  # in the server: not all of them are in memory
        rows.itersize = _STATES_AT_ONCE
        for consumer, endpoint, day, packed in rows.execute(
            f"SELECT consumer, endpoint, day, quarter_hours{source}", parameters
        ):
            consumer = consumer if Dimension.CONSUMER in by else None
            endpoint = endpoint if Dimension.ENDPOINT in by else None
            for bucket, stats in quarter_hours_in(packed, day, span, selection.distributions):
                yield consumer, endpoint, bucket, stats


def _source(connection: Connection, selection: Selection, span: Span) -> tuple[str, list[Any]]:
    """From which rows: a seek in the primary key for each stored day, and for each consumer if one is asked for."""
    kind = row_kind(selection, span.width)
    conditions = ["day = ANY(%s)"]
    parameters: list[Any] = [_stored_days(connection, *days_of(span))]
    of_everyone = kind in (RowKind.ENDPOINT, RowKind.EVERYTHING)
    whose, texts = where(
        ("kind", EVERYONE if of_everyone else selection.kind),
        ("id", selection.consumer_id),
        ("org_id", selection.org_id),
    )
    if selection.consumer_id is not None:
        # A few keys, looked up first: with them every day is a range of the primary key.
        found = connection.execute(f"SELECT consumer FROM consumers{whose}", texts).fetchall()
        conditions.append("consumer = ANY(%s)")
        parameters.append([key for (key,) in found])
    elif selection.org_id is not None or selection.kind is not None:
        conditions.append(f"consumer IN (SELECT consumer FROM consumers{whose})")
        parameters += texts
    which, texts = where(("api_id", selection.api_id), ("path", selection.path))
    if which:
        conditions.append(f"endpoint IN (SELECT endpoint FROM endpoints{which})")
        parameters += texts
    if kind is RowKind.ENDPOINT_OF_CONSUMER:
        return f" FROM days WHERE {' AND '.join(conditions)}", parameters
    return f" FROM totals WHERE kind = {KINDS[kind]:d} AND {' AND '.join(conditions)}", parameters
