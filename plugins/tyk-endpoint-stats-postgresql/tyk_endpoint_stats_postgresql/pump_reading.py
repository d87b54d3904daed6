"""A question about Tyk Pump's aggregates in SQL: which dimension has it, and the sums of its rows by bucket.

Rows of consumers are called ``owner.endpoint key``. Everyone's are in three dimensions: ``apiendpoints``, of
tracked hits alone like those of consumers; ``apiid`` and the total, of all hits.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.buckets import Width
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.selection import Dimension, RowKind, Selection, row_kind
from tyk_endpoint_stats.tyk.pump_buckets import TimeRange
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter, whole_number
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.pump_tables import Table

__all__ = ["PumpRow", "read_names", "read_rows"]

_DIMENSIONS = {Kind.KEY: "keyendpoints", Kind.OAUTH: "oauthendpoints"}
_KINDS = {dimension: kind for kind, dimension in _DIMENSIONS.items()}
_OWNER = r"regexp_replace(dimension_value, '\.[^.]*$', '')"
_KEY = r"substring(dimension_value from '[^.]*$')"
# Totals, not the means beside them. The minimum of error-only flushes is there, other than in MongoDB.
_SUMS = """
sum(counter_hits), sum(counter_success), sum(counter_error),
sum(counter_total_request_time), sum(counter_total_latency), sum(counter_total_upstream_latency),
max(counter_max_latency), max(counter_max_upstream_latency),
min(counter_min_latency), min(counter_min_upstream_latency),
coalesce(
    (extract(epoch FROM max(counter_last_time) FILTER (WHERE counter_last_time > '0001-01-02')) * 1000000)::bigint,
    max("timestamp") * 1000000
)"""
_CODES = (400, 401, 403, 404, 429, 500, 501, 502, 503, 504)
"""The codes that have a column of their own; Pump counts codes of errors alone, others by their first digit."""
_CODE_SUMS = "".join(f", sum(code_{code})" for code in _CODES)


class PumpRow(Struct):
    """A sum of Pump's rows.

    Attributes:
        consumer: ``None`` if they were not kept apart.
        key: the endpoint's, ``None`` if they were not kept apart.
        is_everyones: whether the key is one of ``apiendpoints``.
        start_us: where the bucket begins, ``None`` if they were not kept apart.
        divided_us: a bucket that an edge of the question would divide, ``None`` if there is none.
        counter: the sums.
    """

    consumer: Consumer | None
    key: str | None
    is_everyones: bool
    start_us: Instant | None
    divided_us: Instant | None
    counter: PumpCounter


def read_rows(
    connection: Connection,
    tables: Sequence[Table],
    ranges: Iterable[TimeRange],
    length_us: int,
    selection: Selection,
) -> Iterator[PumpRow]:
    """The sums of a question, with one row for each owner, key and bucket that it keeps apart.

    Args:
        connection: in a transaction that sees one snapshot.
        tables: all there are.
        ranges: what is asked for.
        length_us: how long Pump's buckets are.
        selection: what else is asked for. Its API and path are not looked at, but the keys are kept apart then.
    """
    filters, parameters = _filters(selection)
    parts: list[str] = []
    part_parameters: list[Any] = []
    length_s = length_us // 1_000_000
    for start_s, end_s, table in _scans(tables, ranges, length_s):
        parts.append(
            'SELECT *, "timestamp" < %s OR "timestamp" + %s > %s AS divided'
            f' FROM {table.name} WHERE "timestamp" > %s AND "timestamp" < %s{filters}'
        )
        part_parameters += [start_s, length_s, end_s, start_s - length_s, end_s, *parameters]
    if not parts:
        return
    by = selection.group_by
    is_everyones = _is_everyones(selection)
    key = "NULL" if not _keeps_keys(selection) else "dimension_value" if is_everyones else _KEY
    columns = [
        f"dimension, {_OWNER}" if Dimension.CONSUMER in by else "NULL, NULL",
        key,
        '"timestamp"' if Dimension.BUCKET in by else "NULL",
    ]
    codes = _CODE_SUMS if selection.distributions else ""
    sql = (
        f'SELECT {", ".join(columns)}, min("timestamp") FILTER (WHERE divided), {_SUMS}{codes}'
        f" FROM ({' UNION ALL '.join(parts)}) AS rows GROUP BY 1, 2, 3, 4 HAVING sum(counter_hits) > 0"
    )
    # From a cursor in the server: whoever has got enough takes no more.
    with connection.cursor("rows") as rows:
        for row in rows.execute(sql, part_parameters):
            yield _row(row, is_everyones)


def _is_everyones(selection: Selection) -> bool:
    return row_kind(selection, Width.QUARTER_HOUR) is not RowKind.ENDPOINT_OF_CONSUMER


def _keeps_keys(selection: Selection) -> bool:
    """Whether the endpoints have to be told apart."""
    if Dimension.ENDPOINT in selection.group_by or selection.path is not None:
        return True
    return selection.api_id is not None and not _is_everyones(selection)


def read_names(
    connection: Connection,
    tables: Sequence[Table],
    ranges: Iterable[TimeRange],
    dimension: str,
    selection: Selection,
) -> dict[str, str]:
    """The newest readable names of a dimension's values in the time asked for.

    Args:
        connection: as for ``read_rows``.
        tables: as for ``read_rows``.
        ranges: as for ``read_rows``.
        dimension: ``apikeys`` (the names are aliases) or ``apiid`` (the names of APIs).
        selection: whose organisation, and whose key or API, is asked for.
    """
    value = selection.consumer_id if dimension == "apikeys" else selection.api_id
    filters, parameters = _where(("dimension", dimension), ("dimension_value", value), ("org_id", selection.org_id))
    parts: list[str] = []
    part_parameters: list[Any] = []
    for start_s, end_s, table in _scans(tables, ranges, 0):
        parts.append(
            'SELECT dimension_value, counter_human_identifier AS name, "timestamp" AS at'
            f' FROM {table.name} WHERE "timestamp" >= %s AND "timestamp" < %s{filters}'
        )
        part_parameters += [start_s, end_s, *parameters]
    if not parts:
        return {}
    sql = (
        f"SELECT DISTINCT ON (dimension_value) dimension_value, name FROM ({' UNION ALL '.join(parts)}) AS rows"
        " WHERE name <> '' ORDER BY dimension_value, at DESC, name COLLATE \"C\" DESC"
    )
    return dict(connection.execute(sql, part_parameters).fetchall())


def _filters(selection: Selection) -> tuple[str, list[Any]]:
    if _is_everyones(selection):
        if _keeps_keys(selection):
            return _where(("org_id", selection.org_id), ("dimension", "apiendpoints"))
        if selection.api_id is not None:
            api = (("dimension", "apiid"), ("dimension_value", selection.api_id))
            return _where(("org_id", selection.org_id), *api)
        return _where(("org_id", selection.org_id), ("dimension", ""), ("dimension_value", "total"))
    dimensions = list(_KINDS) if selection.kind is None else [_DIMENSIONS[selection.kind]]
    filters, parameters = _where(("org_id", selection.org_id))
    filters += " AND dimension = ANY(%s)"
    parameters.append(dimensions)
    owner = selection.consumer_id
    if owner is not None:
        # Not LIKE, whose signs keys may hold; and no dot behind the owner's, or owner k1 would find those of k1.x.
        filters += (
            " AND left(dimension_value, length(%s) + 1) = %s"
            " AND position('.' IN substr(dimension_value, length(%s) + 2)) = 0"
        )
        parameters += [owner, f"{owner}.", owner]
    return filters, parameters


def _where(*filters: tuple[str, str | None]) -> tuple[str, list[Any]]:
    used = [(column, value) for column, value in filters if value is not None]
    return "".join(f" AND {column} = %s" for column, _ in used), [value for _, value in used]


def _scans(tables: Sequence[Table], ranges: Iterable[TimeRange], before_s: int) -> Iterable[tuple[int, int, Table]]:
    for one in ranges:
        start_s, end_s = one.start_us // 1_000_000, one.end_us // 1_000_000
        first, last = _utc_day(start_s - before_s), _utc_day(end_s)
        for table in tables:
            if table.may_hold(first, last):
                yield start_s, end_s, table


def _utc_day(second: int) -> date:
    days = min(max(second // 86_400, (date.min - date(1970, 1, 1)).days), (date.max - date(1970, 1, 1)).days)
    return date(1970, 1, 1) + timedelta(days=days)


def _row(columns: tuple[Any, ...], is_everyones: bool) -> PumpRow:
    dimension, owner, key, start_s, divided_s, hits, success, error, *rest = columns
    request_time, latency, upstream, most, most_upstream, least, least_upstream, last_us, *codes = rest
    counter = PumpCounter(
        hits=whole_number(hits),
        success=whole_number(success),
        error=whole_number(error),
        total_request_time_ms=whole_number(request_time),
        total_latency_ms=whole_number(latency),
        total_upstream_latency_ms=whole_number(upstream),
        max_latency_ms=most,
        max_upstream_latency_ms=most_upstream,
        min_latency_ms=least,
        min_upstream_latency_ms=least_upstream,
        last_hit_us=last_us,
        error_codes={code: whole_number(count) for code, count in zip(_CODES, codes, strict=False) if count},
    )
    return PumpRow(
        None if owner is None else Consumer(_KINDS[dimension], owner),
        key,
        is_everyones,
        None if start_s is None else start_s * 1_000_000,
        None if divided_s is None else divided_s * 1_000_000,
        counter,
    )
