"""An answer: which rows a selection needs, summed by SQLite; names are put to what comes out.

A join for every row that goes in would cost more than the sums. All SQL is constant text and ``?``.
"""

from collections.abc import Iterator, Sequence
from heapq import nlargest
from itertools import islice
from sqlite3 import Connection
from typing import Any

from tyk_endpoint_stats.core.batch import EVERYONE, Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.packed import unpack_distribution
from tyk_endpoint_stats.core.selection import Dimension, Group, RowKind, Selection, row_kind
from tyk_endpoint_stats.core.stats import EndpointStats, merged
from tyk_endpoint_stats.stores.busiest import Ranking, answer_busiest
from tyk_endpoint_stats.stores.rules import Answer, days_of, quarter_hours_in, refuse_pruned
from tyk_endpoint_stats.stores.sqlite.day_rows import BESIDE, DISTRIBUTION, QUARTER_HOURS
from tyk_endpoint_stats.stores.sqlite.names import (
    aliases,
    api_names,
    consumers_by_number,
    endpoints_by_number,
    same_consumers,
    where,
)
from tyk_endpoint_stats.stores.sqlite.schema import KINDS

__all__ = ["answer"]

_NOBODY = ("", "", "")
_STATES_AT_ONCE = 2_000
_SUMS = ", ".join(f"{field.merge.value}(r.{field.name})" for field in FIELDS)

Numbered = tuple[int | None, int | None, Bucket, EndpointStats]
"""A consumer's number, an endpoint's number, a bucket, a state."""


def answer(
    connection: Connection, selection: Selection, pruned_before_day: int | None
) -> Sequence[tuple[Group, EndpointStats]]:
    """The answer to a selection, in the caller's read transaction.

    Raises:
        QuarterHoursPruned, AnswerTooLarge: as the contract says.
        PackedError: a row can't be read.
    """
    refuse_pruned(selection.spans, pruned_before_day, lambda first, end: _has_rows(connection, first, end))
    if (wanted := selection.busiest) is not None:
        return answer_busiest(
            selection,
            lambda one: answer(connection, one, pruned_before_day),
            lambda one: _rank(connection, one, wanted),
        )
    found: list[Numbered] = []
    for span in selection.spans:
        found += (_days if span.width is Width.DAY else _quarter_hours)(connection, selection, span)
    by = selection.group_by
    consumers = consumers_by_number(connection, (number for number, *_ in found if number is not None))
    endpoints = endpoints_by_number(connection, (number for _, number, *_ in found if number is not None))
    groups = Answer(selection)
    for consumer, endpoint, bucket, stats in found:
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


def _rank(connection: Connection, selection: Selection, wanted: int) -> Ranking:
    """The ranking of a selection: whole days as SQLite adds them up, without a state for each group."""
    same = same_consumers(connection) if Dimension.CONSUMER in selection.group_by else {}
    busy: dict[tuple[int | None, int | None], tuple[int, int]] = {}
    total = EndpointStats()
    for span in selection.spans:
        how_busy = _busy_days if span.width is Width.DAY else _busy_quarter_hours
        for consumer, endpoint, hits, last_us in how_busy(connection, selection, span, total):
            group = same.get(consumer, consumer), endpoint
            if group in busy:
                hits, last_us = hits + busy[group][0], max(last_us, busy[group][1])
            busy[group] = hits, last_us
    if not busy:
        return Ranking(0, total, ())
    least = nlargest(wanted, busy.values())[-1]
    chosen = [(consumer, endpoint) for (consumer, endpoint), how_busy in busy.items() if how_busy >= least]
    consumers = consumers_by_number(connection, (number for number, _ in chosen if number is not None))
    endpoints = endpoints_by_number(connection, (number for _, number in chosen if number is not None))

    def group_of(consumer: int | None, endpoint: int | None) -> Group:
        _, kind, consumer_id = _NOBODY if consumer is None else consumers[consumer]
        return Group(
            None if consumer is None else Consumer(Kind(kind), consumer_id),
            None if endpoint is None else Endpoint(*endpoints[endpoint]),
        )

    return Ranking(len(busy), total, [(*busy[group], group_of(*group)) for group in chosen])


Busy = Iterator[tuple[Any, Any, int, int]]
"""A consumer's number, an endpoint's number, hits, last hit."""


def _busy_days(connection: Connection, selection: Selection, span: Span, total: EndpointStats) -> Busy:
    """How busy groups were in whole days; their sum goes into ``total``."""
    source, parameters = _source(selection, span)
    columns, groups = _groups(selection)
    sql = f"SELECT {columns}, sum(r.hits), max(r.last_hit_us){source}{groups}"
    for consumer, endpoint, _, hits, last_us in connection.execute(sql, parameters):
        yield consumer, endpoint, hits, last_us
    (sums,) = connection.execute(f"SELECT {_SUMS}{source}", parameters)
    if sums[0] is not None:
        total.merge(EndpointStats(*sums))


def _busy_quarter_hours(connection: Connection, selection: Selection, span: Span, total: EndpointStats) -> Busy:
    """The same of quarter hours, each by itself."""
    found = _quarter_hours(connection, selection, span)
    while states := list(islice(found, _STATES_AT_ONCE)):
        total.merge(merged([stats for *_, stats in states]))
        for consumer, endpoint, _, stats in states:
            yield consumer, endpoint, stats.hits, stats.last_hit_us or 0


def _has_rows(connection: Connection, first: int, end: int) -> bool:
    sql = "SELECT 1 FROM totals WHERE kind = 3 AND day >= ? AND day < ? LIMIT 1"
    return connection.execute(sql, (first, end)).fetchone() is not None


def _groups(selection: Selection) -> tuple[str, str]:
    """What is kept apart: consumer, endpoint and day as columns, NULL where they are not, and the GROUP BY."""
    kept = {
        "r.consumer": Dimension.CONSUMER in selection.group_by,
        "r.endpoint": Dimension.ENDPOINT in selection.group_by,
        "r.day": Dimension.BUCKET in selection.group_by,
    }
    groups = [column for column, is_kept in kept.items() if is_kept]
    columns = ", ".join(column if is_kept else "NULL" for column, is_kept in kept.items())
    return columns, f" GROUP BY {', '.join(groups)}" if groups else ""


def _days(connection: Connection, selection: Selection, span: Span) -> Iterator[Numbered]:
    columns, groups = _groups(selection)
    # Of blobs group_concat makes text, with all bytes as they were.
    joined = f"CAST(group_concat({DISTRIBUTION}, '') AS BLOB)" if selection.distributions else "NULL"
    source, parameters = _source(selection, span, BESIDE if selection.distributions else "")
    sql = f"SELECT {columns}, {_SUMS}, {joined}{source}{groups or ' HAVING sum(r.hits) > 0'}"
    if selection.max_groups is not None:
        sql += " LIMIT ?"
        parameters.append(selection.max_groups + 1)
    for consumer, endpoint, day, *plain, distribution in connection.execute(sql, parameters):
        stats = EndpointStats(*plain)
        if distribution is not None:
            stats.codes, stats.histogram = unpack_distribution(distribution)
        yield consumer, endpoint, Bucket(Width.DAY, day or 0), stats


def _quarter_hours(connection: Connection, selection: Selection, span: Span) -> Iterator[Numbered]:
    by = selection.group_by
    source, parameters = _source(selection, span, BESIDE)
    sql = f"SELECT r.consumer, r.endpoint, r.day, {QUARTER_HOURS}{source}"
    for consumer, endpoint, day, packed in connection.execute(sql, parameters):
        consumer = consumer if Dimension.CONSUMER in by else None
        endpoint = endpoint if Dimension.ENDPOINT in by else None
        for bucket, stats in quarter_hours_in(packed, day, span, selection.distributions):
            yield consumer, endpoint, bucket, stats


def _source(selection: Selection, span: Span, beside: str = "") -> tuple[str, list[Any]]:
    """From which rows: those of a few consumers by a seek in each day that is stored, those of many by a range.

    Args:
        selection: what is asked.
        span: of whole days, or of quarter hours.
        beside: ``BESIDE`` where packed values are needed, too.
    """
    kind = row_kind(selection, span.width)
    table, of_kind = (
        ("days", "") if kind is RowKind.ENDPOINT_OF_CONSUMER else ("totals", f" AND r.kind = {KINDS[kind]:d}")
    )
    of_everyone = kind in (RowKind.ENDPOINT, RowKind.EVERYTHING)
    whose, values = where(
        ("kind = ?", EVERYONE if of_everyone else selection.kind),
        ("id = ?", "" if of_everyone else selection.consumer_id),  # the index begins with it
        ("org_id = ?", selection.org_id),
    )
    if of_everyone or selection.consumer_id is not None:
        # CROSS JOIN keeps SQLite to this order.
        sql = " FROM (SELECT DISTINCT day FROM totals WHERE kind = 3 AND day >= ? AND day < ?) AS stored"
        sql += f" CROSS JOIN (SELECT number FROM consumers{whose}) AS asked"
        sql += f" CROSS JOIN {table} AS r ON r.day = stored.day AND r.consumer = asked.number{of_kind}"
        filters = []
    else:
        sql = f" FROM {table} AS r"
        filters = [f"r.day >= ? AND r.day < ?{of_kind}"]
        filters += [f"r.consumer IN (SELECT number FROM consumers{whose})"] if whose else []
    parameters = [*days_of(span), *values]
    which, values = where(("api_id = ?", selection.api_id), ("path = ?", selection.path))
    if which:
        filters.append(f"r.endpoint IN (SELECT number FROM endpoints{which})")
        parameters += values
    return sql + beside + (f" WHERE {' AND '.join(filters)}" if filters else ""), parameters
