"""A plain Pump: rows of ``tyk_aggregated`` as it leaves them if each record comes in a flush of its own, in order.

Then its known faults show least: a flush is one record, so it is in its own hour, and the last one is the last hit.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg

from tyk_endpoint_stats.core.batch import EVERYONE, Endpoint, Kind
from tyk_endpoint_stats.testing import Hit
from tyk_endpoint_stats.testing.pump import in_pumps_order
from tyk_endpoint_stats.tyk.endpoint_key import encode_endpoint_key

__all__ = ["EXACT_CODES", "VECTORS", "create_table", "insert", "rows_of"]

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"
STORES = json.loads((VECTORS / "stores.json").read_bytes())
EXACT_CODES = {400, 401, 403, 404, 429, 500, 501, 502, 503, 504}
DIMENSIONS = {Kind.KEY: "keyendpoints", Kind.OAUTH: "oauthendpoints"}

Row = dict[str, Any]


def create_table(url: str, kind: str, name: str) -> None:
    """One of Pump's tables, ``raw`` or ``aggregate``, with every column it has."""
    columns = ", ".join(f'"{column}" {type_}' for column, type_ in STORES["sql"][kind]["columns"].items())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {name} ({columns})")


def insert(url: str, table: str, rows: Iterable[Row]) -> None:
    """Insert rows; each may have columns of its own."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for names, alike in groupby(rows, key=tuple):
            columns = ", ".join(f'"{name}"' for name in names)
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in alike]
            )


def rows_of(hits: Iterable[Hit], length_s: int = 3600) -> list[Row]:
    """The rows of endpoints, of keys, of APIs and of all."""
    rows: dict[Any, Row] = {}
    for hit in in_pumps_order(hits):
        bucket = hit.at_us // 1_000_000 // length_s * length_s
        if hit.kind == EVERYONE:
            key = f"{hit.api_id}:v{hit.at_us % 2}:{hit.path}".encode().hex()
            _count(rows, hit, bucket, "apiendpoints", key)
            if hit.api_id:
                _count(rows, hit, bucket, "apiid", hit.api_id, hit.api_name)
            _count(rows, hit, bucket, "", "total")
            continue
        value = f"{hit.consumer_id}.{encode_endpoint_key(Endpoint(hit.api_id, hit.path))}"
        _count(rows, hit, bucket, DIMENSIONS[Kind(hit.kind)], value)
        if hit.kind == Kind.KEY:
            _count(rows, hit, bucket, "apikeys", hit.consumer_id, hit.alias)
    return list(rows.values())


def _count(
    rows: dict[tuple[Any, ...], Row], hit: Hit, bucket: int, dimension: str, value: str, name: str = ""
) -> None:
    latency_ms, upstream_ms = hit.latency_ms or 0, hit.upstream_latency_ms or 0
    key = (hit.org_id, bucket, dimension, value)
    row = rows.setdefault(
        key,
        {
            "id": "".join(map(str, key)).replace("\0", "").encode().hex(),
            "timestamp": bucket,
            "org_id": hit.org_id,
            "dimension": dimension,
            "dimension_value": value,
            "counter_identifier": value,
            "counter_human_identifier": "",
            "counter_hits": 0,
            "counter_success": 0,
            "counter_error": 0,
            "counter_total_request_time": 0,
            "counter_total_latency": 0,
            "counter_total_upstream_latency": 0,
            "counter_max_latency": 0,
            "counter_max_upstream_latency": 0,
            "counter_min_latency": latency_ms,
            "counter_min_upstream_latency": upstream_ms,
            # Means that nobody may read: they are rounded in the real tables.
            "counter_request_time": 12345,
            "counter_latency": 12345,
            "counter_upstream_latency": 12345,
            "code_200": 0,
            "code_4x": 0,
            "code_5x": 0,
            **{f"code_{code}": 0 for code in EXACT_CODES},
        },
    )
    row["counter_hits"] += 1
    row["counter_success"] += 200 <= hit.code < 300
    row["counter_error"] += hit.code >= 400
    row["counter_total_request_time"] += hit.request_time_ms
    row["counter_total_latency"] += latency_ms
    row["counter_total_upstream_latency"] += upstream_ms
    row["counter_max_latency"] = max(row["counter_max_latency"], latency_ms)
    row["counter_max_upstream_latency"] = max(row["counter_max_upstream_latency"], upstream_ms)
    row["counter_min_latency"] = min(row["counter_min_latency"], latency_ms)
    row["counter_min_upstream_latency"] = min(row["counter_min_upstream_latency"], upstream_ms)
    row["counter_last_time"] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=hit.at_us)
    row["counter_human_identifier"] = name or row["counter_human_identifier"]
    if hit.code in EXACT_CODES:
        row[f"code_{hit.code}"] += 1
    elif 400 <= hit.code < 600:
        row[f"code_{hit.code // 100}x"] += 1
