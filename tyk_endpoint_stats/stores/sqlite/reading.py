"""One question in SQL: seeks by bucket, sums in the database. All SQL is constant text and ``?``."""

from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection
from typing import Any

from msgspec import json

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.selection import Consumer, Dimension, Endpoint, Group, Kind, NameSeen, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import QuartersPruned
from tyk_endpoint_stats.stores.sqlite.schema import MAXIMA, MINIMA, STATE_COLUMNS, SUMS

__all__ = ["answer", "query_of"]

_TABLES = {Width.QUARTER: "quarters", Width.DAY: "days"}
_AGGREGATES = {
    **{column: f"sum(s.{column})" for column in SUMS},
    **{column: f"max(s.{column})" for column in MAXIMA},
    **{column: f"min(s.{column})" for column in MINIMA},
    # One JSON array a group, decoded at once: three times faster than an aggregate function in Python.
    "codes": "'[' || group_concat(s.codes) || ']'",
    "histogram": "'[' || group_concat(s.histogram) || ']'",
}
_PLAIN = len(STATE_COLUMNS) - 2  # without codes and histogram
_decode_counts = json.Decoder(list[dict[int, int]]).decode

# Which buckets of a span are stored at all: one seek each, however wide the span is.
_STORED = """
{alias}(bucket) AS (
    SELECT min(bucket) FROM {table} WHERE bucket >= ? AND bucket < ?
    UNION ALL
    SELECT (SELECT min(bucket) FROM {table} WHERE bucket > {alias}.bucket AND bucket < ?)
    FROM {alias} WHERE {alias}.bucket IS NOT NULL
)"""
# CROSS JOIN keeps SQLite to this order: bucket, then consumer, then the states of both.
_OF_ONE_CONSUMER = """
SELECT '{width}' AS width, states.* FROM {alias} CROSS JOIN asked
CROSS JOIN {table} AS states ON states.bucket = {alias}.bucket AND states.consumer = asked.number"""
_OF_ALL = """
SELECT '{width}' AS width, states.* FROM {table} AS states WHERE states.bucket >= ? AND states.bucket < ?"""


def query_of(selection: Selection) -> tuple[str, list[Any]]:
    """The SQL of a selection and its parameters. Rows: the columns that name the group, then the state's.

    States are grouped by numbers, and names are joined to what comes out: a join for every state that goes in
    would cost more than the sums.
    """
    ctes: list[str] = []
    cte_parameters: list[Any] = []
    parts: list[str] = []
    part_parameters: list[Any] = []
    one_consumer = selection.consumer_id is not None
    whose, whose_parameters = _where(
        ("id = ?", selection.consumer_id), ("kind = ?", selection.kind), ("org_id = ?", selection.org_id)
    )
    if one_consumer:
        ctes.append(f"asked(number) AS MATERIALIZED (SELECT number FROM consumers{whose})")
        cte_parameters += whose_parameters
    for number, span in enumerate(selection.spans):
        names = {"alias": f"stored_{number}", "table": _TABLES[span.width], "width": span.width}
        if one_consumer:
            ctes.append(_STORED.format(**names))
            cte_parameters += [span.first, span.end, span.end]
            parts.append(_OF_ONE_CONSUMER.format(**names))
        else:
            parts.append(_OF_ALL.format(**names))
            part_parameters += [span.first, span.end]
    filters = ""
    filter_parameters: list[Any] = []
    if not one_consumer and whose:
        filters = f" AND s.consumer IN (SELECT number FROM consumers{whose})"
        filter_parameters += whose_parameters
    which, which_parameters = _where(("api_id = ?", selection.api_id), ("path = ?", selection.path))
    if which:
        filters += f" AND s.endpoint IN (SELECT number FROM endpoints{which})"
        filter_parameters += which_parameters
    groups, names_of_groups, joins = [], [], ""
    if Dimension.CONSUMER in selection.group_by:
        groups.append("s.consumer")
        names_of_groups += ["c.kind", "c.id"]
        joins += "\nJOIN consumers AS c ON c.number = g.consumer"
    if Dimension.ENDPOINT in selection.group_by:
        groups.append("s.endpoint")
        names_of_groups += ["e.api_id", "e.path"]
        joins += "\nJOIN endpoints AS e ON e.number = g.endpoint"
    if Dimension.BUCKET in selection.group_by:
        groups += ["s.width", "s.bucket"]
        names_of_groups += ["g.width", "g.bucket"]
    columns = STATE_COLUMNS if selection.distributions else STATE_COLUMNS[:_PLAIN]
    states = ", ".join([*groups, *(f"{_AGGREGATES[column]} AS {column}" for column in columns)])
    outer = ", ".join([*names_of_groups, *(f"g.{column}" for column in columns)])
    grouping = f"GROUP BY {', '.join(groups)}" if groups else "HAVING sum(s.hits) > 0"
    sql = (
        (f"WITH RECURSIVE {','.join(ctes)}\n" if ctes else "")
        + f"SELECT {outer} FROM (\nSELECT {states} FROM ({' UNION ALL '.join(parts)}\n) AS s"
        + f"\nWHERE 1{filters}\n{grouping}\n) AS g{joins}"
    )
    return sql, [*cte_parameters, *part_parameters, *filter_parameters]


def _where(*filters: tuple[str, Any]) -> tuple[str, list[Any]]:
    used = [(condition, value) for condition, value in filters if value is not None]
    if not used:
        return "", []
    return "\nWHERE " + " AND ".join(condition for condition, _ in used), [value for _, value in used]


def answer(connection: Connection, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
    """The groups and states of a selection, read inside the caller's transaction.

    Raises:
        QuartersPruned: a span needs quarters of a day that has states but whose quarters were pruned.
    """
    if not selection.spans:
        return []
    _refuse_pruned(connection, selection.spans)
    sql, parameters = query_of(selection)
    rows = connection.execute(sql, parameters).fetchall()
    by = selection.group_by
    aliases = _aliases(connection, selection) if Dimension.CONSUMER in by else {}
    api_names = _api_names(connection, selection, rows) if Dimension.ENDPOINT in by else {}
    merged: dict[Group, EndpointStats] = {}
    for row in rows:
        columns = iter(row)
        consumer = Consumer(Kind(next(columns)), next(columns)) if Dimension.CONSUMER in by else None
        endpoint = Endpoint(next(columns), next(columns)) if Dimension.ENDPOINT in by else None
        bucket = Bucket(Width(next(columns)), next(columns)) if Dimension.BUCKET in by else None
        alias = aliases[consumer.kind, consumer.id][1] if consumer else ""
        api_name = api_names.get(endpoint.api_id, (0, ""))[1] if endpoint else ""
        group, state = Group(consumer, endpoint, bucket, alias, api_name), _state(tuple(columns))
        if group in merged:  # a consumer that occurs in several organisations has a number in each
            merged[group].merge(state)
        else:
            merged[group] = state
    return list(merged.items())


def _state(columns: tuple[Any, ...]) -> EndpointStats:
    plain, counts = columns[:_PLAIN], columns[_PLAIN:]
    codes, histogram = map(_sum_counts, counts) if counts else ({}, {})
    make: Callable[..., EndpointStats] = EndpointStats
    return make(*plain, codes, histogram)


def _sum_counts(encoded: str) -> dict[int, int]:
    total: dict[int, int] = {}
    for counts in _decode_counts(encoded):
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def _refuse_pruned(connection: Connection, spans: Iterable[Span]) -> None:
    (before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchone()
    for span in spans:
        if before is None or span.width is not Width.QUARTER:
            continue
        first, end = span.first // QUARTERS_PER_DAY, -(-span.end // QUARTERS_PER_DAY)
        sql = "SELECT 1 FROM days WHERE bucket >= ? AND bucket < ? LIMIT 1"
        if connection.execute(sql, (first, min(end, before))).fetchone():
            raise QuartersPruned(
                "the range has an edge inside a UTC day whose quarter hours were pruned; "
                "ask for whole UTC days of that time"
            )


def _aliases(connection: Connection, selection: Selection) -> dict[tuple[str, str], NameSeen]:
    where, parameters = _where(
        ("id = ?", selection.consumer_id), ("kind = ?", selection.kind), ("org_id = ?", selection.org_id)
    )
    newest: dict[tuple[str, str], NameSeen] = {}
    sql = f"SELECT kind, id, ifnull(alias_seen_us, -9223372036854775808), alias FROM consumers{where}"
    for kind, consumer_id, seen_us, alias in connection.execute(sql, parameters):
        key, seen = (kind, consumer_id), (seen_us, alias)
        newest[key] = max(seen, newest.get(key, seen))
    return newest


def _api_names(connection: Connection, selection: Selection, rows: Sequence[Any]) -> dict[str, NameSeen]:
    column = 2 if Dimension.CONSUMER in selection.group_by else 0
    newest: dict[str, NameSeen] = {}
    where, parameters = _where(("org_id = ?", selection.org_id))
    sql = "SELECT name_seen_us, name FROM apis WHERE api_id = ?" + where.replace("\nWHERE", " AND")
    for api_id in {row[column] for row in rows}:
        names = connection.execute(sql, [api_id, *parameters]).fetchall()
        if names:
            newest[api_id] = max(names)
    return newest
