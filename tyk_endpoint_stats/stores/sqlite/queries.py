"""The SQL of a selection: seeks by bucket, sums in the database. All of it is constant text and ``?``."""

from typing import Any

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.stores.sqlite.schema import AGGREGATES, PLAIN_COLUMNS

__all__ = ["Query", "consumers_where", "days_query", "endpoints_where", "quarters_query", "where"]

Query = tuple[str, list[Any]]
"""SQL, and its parameters."""

_COUNTS = {
    # One JSON array a group, decoded at once: three times faster than an aggregate function in Python.
    "codes": "'[' || group_concat(s.codes) || ']'",
    "histogram": "'[' || group_concat(s.histogram) || ']'",
}
_PLAIN = ", ".join(f"states.{column}" for column in PLAIN_COLUMNS)

# Which buckets of a span are stored at all: one seek each, however wide the span is.
_STORED = """
stored_{number}(bucket) AS (
    SELECT min(bucket) FROM days WHERE bucket >= ? AND bucket < ?
    UNION ALL
    SELECT (SELECT min(bucket) FROM days WHERE bucket > stored_{number}.bucket AND bucket < ?)
    FROM stored_{number} WHERE stored_{number}.bucket IS NOT NULL
)"""
# CROSS JOIN keeps SQLite to this order: bucket, then consumer, then the states of both.
_OF_ONE_CONSUMER = """
SELECT {columns} FROM stored_{number} CROSS JOIN asked
CROSS JOIN days AS states ON states.bucket = stored_{number}.bucket AND states.consumer = asked.number"""
_OF_ALL = """
SELECT {columns} FROM days AS states WHERE states.bucket >= ? AND states.bucket < ?"""


def where(*filters: tuple[str, Any]) -> Query:
    """The conditions whose value is not ``None``."""
    used = [(condition, value) for condition, value in filters if value is not None]
    if not used:
        return "", []
    return "\nWHERE " + " AND ".join(condition for condition, _ in used), [value for _, value in used]


def consumers_where(selection: Selection) -> Query:
    """Which consumers are selected."""
    return where(("id = ?", selection.consumer_id), ("kind = ?", selection.kind), ("org_id = ?", selection.org_id))


def endpoints_where(selection: Selection) -> Query:
    """Which endpoints are selected."""
    return where(("api_id = ?", selection.api_id), ("path = ?", selection.path))


def days_query(selection: Selection) -> Query:
    """The SQL for the days of a selection; ``""`` if it has none.

    Rows are a consumer's number, an endpoint's number and a day, each ``NULL`` where it is not kept apart, and then
    the state's columns. They are grouped by numbers, and whoever reads them puts names to what comes out: a join
    for every state that goes in would cost more than the sums.
    """
    ctes: list[str] = []
    cte_parameters: list[Any] = []
    parts: list[str] = []
    part_parameters: list[Any] = []
    one_consumer = selection.consumer_id is not None
    whose, whose_parameters = consumers_where(selection)
    if one_consumer:
        ctes.append(f"asked(number) AS MATERIALIZED (SELECT number FROM consumers{whose})")
        cte_parameters += whose_parameters
    columns = f"states.bucket, states.consumer, states.endpoint, {_PLAIN}"
    if selection.distributions:
        columns += ", states.codes, states.histogram"
    spans = [span for span in selection.spans if span.width is Width.DAY]
    for number, span in enumerate(spans):
        if one_consumer:
            ctes.append(_STORED.format(number=number))
            cte_parameters += [span.first, span.end, span.end]
            parts.append(_OF_ONE_CONSUMER.format(number=number, columns=columns))
        else:
            parts.append(_OF_ALL.format(columns=columns))
            part_parameters += [span.first, span.end]
    if not parts:
        return "", []
    filters = ""
    filter_parameters: list[Any] = []
    if not one_consumer and whose:
        filters = f" AND s.consumer IN (SELECT number FROM consumers{whose})"
        filter_parameters += whose_parameters
    which, which_parameters = endpoints_where(selection)
    if which:
        filters += f" AND s.endpoint IN (SELECT number FROM endpoints{which})"
        filter_parameters += which_parameters
    kept_apart = {Dimension.CONSUMER: "s.consumer", Dimension.ENDPOINT: "s.endpoint", Dimension.BUCKET: "s.bucket"}
    groups = [column if dimension in selection.group_by else "NULL" for dimension, column in kept_apart.items()]
    grouping = [group for group in groups if group != "NULL"]
    aggregates = [AGGREGATES[column] for column in PLAIN_COLUMNS]
    if selection.distributions:
        aggregates += _COUNTS.values()
    sql = (
        (f"WITH RECURSIVE {','.join(ctes)}\n" if ctes else "")
        + f"SELECT {', '.join([*groups, *aggregates])}\n"
        + f"FROM ({' UNION ALL '.join(parts)}\n) AS s\nWHERE 1{filters}\n"
        + (f"GROUP BY {', '.join(grouping)}" if grouping else "HAVING sum(s.hits) > 0")
    )
    return sql, [*cte_parameters, *part_parameters, *filter_parameters]


def quarters_query(selection: Selection, span: Span) -> Query:
    """The SQL for the parts that may hold a span of quarters; which endpoints is for whoever reads them."""
    whose, parameters = consumers_where(selection)
    cells = "cells" if selection.distributions else "NULL"
    sql = (
        f"SELECT day, consumer, endpoints, columns, {cells} FROM quarters"
        f" WHERE consumer IN (SELECT number FROM consumers{whose}) AND day >= ? AND day < ? ORDER BY consumer, day"
    )
    return sql, [*parameters, span.first // QUARTER_HOURS_PER_DAY, -(-span.end // QUARTER_HOURS_PER_DAY)]
