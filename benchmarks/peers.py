"""What one would use otherwise, for the same question on the same records. Each side says how many hits it saw."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

_COLUMNS = """{
    org_id: 'VARCHAR', api_key: 'VARCHAR', oauth_id: 'VARCHAR', api_id: 'VARCHAR', path: 'VARCHAR',
    "timestamp": 'TIMESTAMPTZ', response_code: 'BIGINT', request_time: 'BIGINT',
    latency: 'STRUCT(total BIGINT, upstream BIGINT)',
    graphql_stats: 'STRUCT(IsGraphQL BOOLEAN)', mcp_stats: 'STRUCT(is_mcp BOOLEAN)'}"""
_COUNTED = """response_code <> -1 AND graphql_stats.IsGraphQL IS NOT TRUE AND mcp_stats.is_mcp IS NOT TRUE"""
_SUMS = """
    count(*) AS hits,
    count(*) FILTER (response_code BETWEEN 200 AND 299) AS success,
    count(*) FILTER (response_code >= 400) AS error,
    sum(request_time) AS request_time, sum(latency.total) AS latency, sum(latency.upstream) AS upstream,
    max(latency.total) AS max_latency, max(latency.upstream) AS max_upstream,
    min(latency.total) AS min_latency, min(latency.upstream) AS min_upstream,
    min("timestamp") AS first_hit, max("timestamp") AS last_hit"""
_DISTRIBUTIONS = """,
    histogram(response_code) AS codes,
    histogram(CASE WHEN latency.total > 0 THEN ceil(log2(latency.total) * 32)::INT + 1 ELSE 0 END) AS bins"""


def grouped(file: Path, distributions: bool) -> str:
    """DuckDB's SQL for the quarter states of a file, with or without codes and histogram."""
    return f"""
        SELECT org_id, api_key, oauth_id, api_id, path, epoch_us("timestamp") // 900000000 AS quarter,
            {_SUMS}{_DISTRIBUTIONS if distributions else ""}
        FROM read_json('{file}', format = 'newline_delimited', columns = {_COLUMNS})
        WHERE {_COUNTED} GROUP BY ALL"""


def duckdb_states(file: Path, threads: int, distributions: bool = False) -> int:
    """Quarter states in DuckDB's memory."""
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute(f"CREATE TABLE quarters AS {grouped(file, distributions)}")
        return _one(connection.execute("SELECT sum(hits) FROM quarters").fetchall())


def duckdb_count(file: Path) -> int:
    """How many of a file's records are hits: the second opinion of every benchmark."""
    with duckdb.connect() as connection:
        sql = f"SELECT count(*) FROM read_json('{file}', format = 'newline_delimited', columns = {_COLUMNS})"
        return _one(connection.execute(f"{sql} WHERE {_COUNTED}").fetchall())


def polars_states(file: Path) -> int:
    """Quarter states as a frame."""
    import polars

    latency = polars.Struct({"total": polars.Int64, "upstream": polars.Int64})
    schema = dict.fromkeys(("org_id", "api_key", "oauth_id", "api_id", "path", "timestamp"), polars.String) | {
        "response_code": polars.Int64,
        "request_time": polars.Int64,
        "latency": latency,
        "graphql_stats": polars.Struct({"IsGraphQL": polars.Boolean}),
        "mcp_stats": polars.Struct({"is_mcp": polars.Boolean}),
    }
    column = polars.col
    total, upstream = column("latency").struct["total"], column("latency").struct["upstream"]
    is_hit = (
        (column("response_code") != -1)
        & ~column("graphql_stats").struct["IsGraphQL"].fill_null(False)
        & ~column("mcp_stats").struct["is_mcp"].fill_null(False)
    )
    at = column("timestamp").str.to_datetime("%+", time_unit="us", time_zone="UTC")
    states = (
        polars.scan_ndjson(file, schema=schema)
        .filter(is_hit)
        .with_columns(at=at, moment=at)
        .group_by(
            "org_id", "api_key", "oauth_id", "api_id", "path", column("at").dt.truncate("15m").alias("quarter")
        )
        .agg(
            polars.len().alias("hits"),
            column("response_code").is_between(200, 299).sum().alias("success"),
            (column("response_code") >= 400).sum().alias("error"),
            column("request_time").sum(),
            total.sum().alias("total"),
            upstream.sum().alias("upstream"),
            total.max().alias("max_total"),
            upstream.max().alias("max_upstream"),
            total.min().alias("min_total"),
            upstream.min().alias("min_upstream"),
            column("moment").min().alias("first_hit"),
            column("moment").max().alias("last_hit"),
        )
        .collect()
    )
    return int(states["hits"].sum())


def plain_python(lines: bytes) -> int:
    """The script that one writes first: ``json``, a dict of dicts, ``min`` and ``max``."""
    states: dict[tuple[str, ...], dict[str, Any]] = {}
    for line in lines.splitlines():
        record = json.loads(line)
        code, latency = record["response_code"], record["latency"]
        if (
            code == -1
            or record.get("graphql_stats", {}).get("IsGraphQL")
            or record.get("mcp_stats", {}).get("is_mcp")
        ):
            continue
        timestamp = record["timestamp"]
        key = tuple(record.get(name, "") for name in ("org_id", "api_key", "oauth_id", "api_id", "path"))
        state = states.setdefault(
            (*key, timestamp[:13], str(int(timestamp[14:16]) // 15)),
            {"hits": 0, "success": 0, "error": 0, "request_time": 0, "total": 0, "upstream": 0, "max": 0}
            | {"max_upstream": 0, "min": 10**12, "min_upstream": 10**12, "last_hit": "", "codes": {}},
        )
        state["hits"] += 1
        state["success"] += 200 <= code <= 299
        state["error"] += code >= 400
        state["request_time"] += record["request_time"]
        state["total"] += latency["total"]
        state["upstream"] += latency["upstream"]
        state["max"] = max(state["max"], latency["total"])
        state["max_upstream"] = max(state["max_upstream"], latency["upstream"])
        state["min"] = min(state["min"], latency["total"])
        state["min_upstream"] = min(state["min_upstream"], latency["upstream"])
        state["last_hit"] = max(state["last_hit"], timestamp)
        state["codes"][code] = state["codes"].get(code, 0) + 1
    return sum(state["hits"] for state in states.values())


def go_program(folder: Path) -> Path | None:
    """The program of ``states.go``, built into a folder; ``None`` where there is no Go."""
    go = shutil.which("go")
    if go is None:
        return None
    program = folder / "states"
    subprocess.run([go, "build", "-o", program, Path(__file__).with_name("states.go")], check=True)
    return program


def go_states(program: Path, file: Path) -> int:
    """Quarter states in a process of their own; it starts in a few milliseconds."""
    return int(subprocess.run([program, file], check=True, capture_output=True).stdout)


_QUESTION = """
    SELECT api_id, path, count(*) AS hits,
        sum(CASE WHEN code BETWEEN 200 AND 299 THEN 1 ELSE 0 END), sum(CASE WHEN code >= 400 THEN 1 ELSE 0 END),
        avg(latency), avg(upstream), max(latency), max(upstream), min(latency), min(upstream), max(at_us)
    FROM requests WHERE api_key = ? AND at_us >= ? AND at_us < ?
    GROUP BY api_id, path ORDER BY hits DESC"""

Request = tuple[str, int, str, str, int, int, int]
"""Key, instant, API, path, code, latency, upstream latency."""


def sqlite_requests(path: Path, requests: Iterable[Request]) -> sqlite3.Connection:
    """Requests as rows, with the index that the question wants."""
    connection = sqlite3.connect(path)
    columns = "api_key TEXT, at_us INTEGER, api_id TEXT, path TEXT, code INTEGER, latency INTEGER, upstream INTEGER"
    connection.execute(f"CREATE TABLE requests ({columns})")
    connection.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)", requests)
    connection.execute("CREATE INDEX by_key ON requests (api_key, at_us)")
    connection.commit()
    return connection


def duckdb_requests(path: Path, rows: Path) -> duckdb.DuckDBPyConnection:
    """The same in DuckDB's columns, from a CSV file."""
    connection = duckdb.connect(str(path))
    names = "['api_key', 'at_us', 'api_id', 'path', 'code', 'latency', 'upstream']"
    connection.execute(f"CREATE TABLE requests AS FROM read_csv('{rows}', header = false, names = {names})")
    return connection


def ask(connection: Any, key: str, start_us: int, end_us: int) -> int:
    """The question over rows; all hits of its answer."""
    return sum(row[2] for row in connection.execute(_QUESTION, [key, start_us, end_us]).fetchall())


def _one(rows: list[Any]) -> int:
    ((value,),) = rows
    return int(value)
