"""One question in SQL: range scans by consumer and bucket, sums in the database. All SQL is constants, ``%s``."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec import json

from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind, NameSeen
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import QuarterHoursPruned
from tyk_endpoint_stats.stores.contract import Outline
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.schema import MAXIMA, MINIMA, STATE_COLUMNS, SUMS
from tyk_endpoint_stats_postgresql.texts import plain, stored

__all__ = ["answer", "outline"]

_TABLES = {Width.QUARTER_HOUR: "quarters", Width.DAY: "days"}
_PLAIN = len(STATE_COLUMNS) - 2  # without codes and histogram
_AGGREGATES = {
    # A sum of bigints is a numeric, as long as it needs; past 63 bits the cast is an error, never a float.
    **{column: f"sum(s.{column})::bigint" for column in SUMS},
    **{column: f"max(s.{column})" for column in MAXIMA},
    **{column: f"min(s.{column})" for column in MINIMA},
    "codes": "'[' || string_agg(s.codes::text, ',') || ']'",
    "histogram": "'[' || string_agg(s.histogram::text, ',') || ']'",
}
_decode_counts = json.Decoder(list[dict[int, int]]).decode
_UNSEEN = -(2**63)


def answer(connection: Connection, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
    """The groups and states of a selection, read inside the caller's transaction.

    Raises:
        QuarterHoursPruned: a span needs quarters of a day that has states but whose quarters were pruned.
        AnswerTooLarge: there are more groups than are wanted.
    """
    if not selection.spans:
        return []
    _refuse_pruned(connection, selection.spans)
    consumers = None
    if selection.consumer_id is not None:
        # A few keys, looked up first: with them every table of states is a range scan of its primary key.
        where, parameters = _of_consumer(selection)
        found = connection.execute(f"SELECT consumer FROM consumers{where}", parameters)
        consumers = [key for (key,) in found.fetchall()]
        if not consumers:
            return []
    sql, parameters = _statement(selection, consumers)
    rows = connection.execute(sql, parameters).fetchall()
    selection.check_groups(len(rows))
    by = selection.group_by
    aliases = _aliases(connection, selection) if Dimension.CONSUMER in by else {}
    api_names = _api_names(connection, selection) if Dimension.ENDPOINT in by and rows else {}
    merged: dict[Group, EndpointStats] = {}
    for row in rows:
        columns = iter(row)
        consumer = Consumer(Kind(next(columns)), plain(next(columns))) if Dimension.CONSUMER in by else None
        endpoint = Endpoint(plain(next(columns)), plain(next(columns))) if Dimension.ENDPOINT in by else None
        bucket = Bucket(Width(next(columns)), next(columns)) if Dimension.BUCKET in by else None
        alias = aliases[consumer.kind, consumer.id][1] if consumer else ""
        api_name = api_names.get(endpoint.api_id, (0, ""))[1] if endpoint else ""
        group, state = Group(consumer, endpoint, bucket, alias, api_name), _state(tuple(columns))
        if group in merged:  # a consumer that occurs in several organisations has a key in each
            merged[group].merge(state)
        else:
            merged[group] = state
    return list(merged.items())


def _statement(selection: Selection, consumers: list[UUID] | None) -> tuple[str, list[Any]]:
    """The SQL of a selection and its parameters. Rows: the columns that name the group, then the state's.

    States are grouped by keys, and names are joined to what comes out.
    """
    filters = ""
    filter_parameters: list[Any] = []
    whose, whose_parameters = _of_consumer(selection)
    if consumers is not None:
        filters, filter_parameters = " AND consumer = ANY(%s)", [consumers]
    elif whose:
        filters = f" AND consumer IN (SELECT consumer FROM consumers{whose})"
        filter_parameters = [*whose_parameters]
    which, which_parameters = _where(("api_id", selection.api_id), ("path", selection.path))
    if which:
        filters += f" AND endpoint IN (SELECT endpoint FROM endpoints{which})"
        filter_parameters += which_parameters
    parts: list[str] = []
    parameters: list[Any] = []
    for span in selection.spans:
        parts.append(
            f"SELECT '{span.width}' AS width, * FROM {_TABLES[span.width]}"
            f" WHERE bucket >= %s AND bucket < %s{filters}"
        )
        parameters += [span.first, span.end, *filter_parameters]
    groups, names, joins = [], [], ""
    if Dimension.CONSUMER in selection.group_by:
        groups.append("s.consumer")
        names += ["c.kind", "c.id"]
        joins += " JOIN consumers AS c ON c.consumer = g.consumer"
    if Dimension.ENDPOINT in selection.group_by:
        groups.append("s.endpoint")
        names += ["e.api_id", "e.path"]
        joins += " JOIN endpoints AS e ON e.endpoint = g.endpoint"
    if Dimension.BUCKET in selection.group_by:
        groups += ["s.width", "s.bucket"]
        names += ["g.width", "g.bucket"]
    columns = STATE_COLUMNS if selection.distributions else STATE_COLUMNS[:_PLAIN]
    sums = ", ".join([*groups, *(f"{_AGGREGATES[column]} AS {column}" for column in columns)])
    group_by = f" GROUP BY {', '.join(groups)}" if groups else ""
    sql = (
        f"SELECT {', '.join([*names, *(f'g.{column}' for column in columns)])}"
        f" FROM (SELECT {sums} FROM ({' UNION ALL '.join(parts)}) AS s{group_by} HAVING count(*) > 0"
        f"{_limit(selection)}) AS g{joins}"
    )
    return sql, parameters


def _limit(selection: Selection) -> str:
    """One group more than are wanted is enough to know that there are too many."""
    return "" if selection.max_groups is None else f" LIMIT {selection.max_groups + 1:d}"


def _where(*filters: tuple[str, str | None]) -> tuple[str, list[str]]:
    used = [(column, stored(str(value))) for column, value in filters if value is not None]
    if not used:
        return "", []
    return " WHERE " + " AND ".join(f"{column} = %s" for column, _ in used), [value for _, value in used]


def _of_consumer(selection: Selection) -> tuple[str, list[str]]:
    return _where(("id", selection.consumer_id), ("kind", selection.kind), ("org_id", selection.org_id))


def _state(columns: tuple[Any, ...]) -> EndpointStats:
    numbers, counts = columns[:_PLAIN], columns[_PLAIN:]
    codes, histogram = map(_sum_counts, counts) if counts else ({}, {})
    make: Callable[..., EndpointStats] = EndpointStats
    return make(*numbers, codes, histogram)


def _sum_counts(encoded: str) -> dict[int, int]:
    total: dict[int, int] = {}
    for counts in _decode_counts(encoded):
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _refuse_pruned(connection: Connection, spans: Iterable[Span]) -> None:
    quarters = [span for span in spans if span.width is Width.QUARTER_HOUR]
    if not quarters:
        return
    (before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchall()[0]
    if before is None:
        return
    for span in quarters:
        first, end = span.first // QUARTER_HOURS_PER_DAY, -(-span.end // QUARTER_HOURS_PER_DAY)
        sql = "SELECT 1 FROM days WHERE bucket >= %s AND bucket < %s LIMIT 1"
        if connection.execute(sql, (first, min(end, before))).fetchone():
            raise QuarterHoursPruned(
                "the range has an edge inside a UTC day whose quarter hours were pruned; "
                "ask for whole UTC days of that time"
            )


def _aliases(connection: Connection, selection: Selection) -> dict[tuple[str, str], NameSeen]:
    where, parameters = _of_consumer(selection)
    newest: dict[tuple[str, str], NameSeen] = {}
    sql = f"SELECT kind, id, alias_seen_us, alias FROM consumers{where}"
    for kind, consumer_id, seen_us, alias in connection.execute(sql, parameters):
        key, seen = (kind, plain(consumer_id)), (_UNSEEN if seen_us is None else seen_us, plain(alias))
        newest[key] = max(seen, newest.get(key, seen))
    return newest


def _api_names(connection: Connection, selection: Selection) -> dict[str, NameSeen]:
    where, parameters = _where(("api_id", selection.api_id), ("org_id", selection.org_id))
    newest: dict[str, NameSeen] = {}
    sql = f"SELECT api_id, name_seen_us, name FROM apis{where}"
    for api_id, seen_us, name in connection.execute(sql, parameters):
        key, seen = plain(api_id), (seen_us, plain(name))
        newest[key] = max(seen, newest.get(key, seen))
    return newest


def outline(connection: Connection) -> Outline:
    """What a copy needs to know beyond answers, inside the caller's transaction."""
    (before_day,) = connection.execute("SELECT max(before_day) FROM pruned").fetchall()[0]
    names = connection.execute("SELECT org_id, api_id, name_seen_us, name FROM apis")
    aliases = connection.execute(
        "SELECT org_id, kind, id, alias_seen_us, alias FROM consumers WHERE alias_seen_us IS NOT NULL"
    )
    organisations = connection.execute("SELECT DISTINCT org_id FROM consumers")
    return Outline(
        sorted(plain(org_id) for (org_id,) in organisations),
        {(plain(org_id), plain(api_id)): (seen_us, plain(name)) for org_id, api_id, seen_us, name in names},
        {
            (plain(org_id), kind, plain(one)): (seen_us, plain(alias))
            for org_id, kind, one, seen_us, alias in aliases
        },
        None if before_day is None else before_day * DAY_US,
    )
