"""The whole way, from a file to the answer over HTTP and on the command line, beside a count by DuckDB."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from urllib.parse import quote
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tyk_endpoint_stats import Kind, open_store
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef0123"
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
FIRST, LAST = date(2026, 10, 9), date(2026, 10, 27)

HITS = """
CREATE TABLE hits AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = {
    api_id: 'VARCHAR', path: 'VARCHAR', api_key: 'VARCHAR', oauth_id: 'VARCHAR', "timestamp": 'VARCHAR',
    response_code: 'BIGINT', request_time: 'BIGINT', latency: 'STRUCT(total BIGINT, upstream BIGINT)',
    graphql_stats: 'STRUCT(IsGraphQL BOOLEAN)', mcp_stats: 'STRUCT(is_mcp BOOLEAN)'})
WHERE response_code <> -1 AND NOT coalesce(graphql_stats.IsGraphQL, false) AND NOT coalesce(mcp_stats.is_mcp, false)
"""
# What is beyond the sixth digit of a second is cut, where DuckDB would round.
INSTANT = """epoch_us((regexp_replace("timestamp", '(\\.\\d{6})\\d+', '\\1'))::TIMESTAMPTZ)"""
ANSWER = f"""
SELECT api_id, path, count(*) AS hits,
       count(*) FILTER (response_code BETWEEN 200 AND 299) AS success,
       count(*) FILTER (response_code >= 400) AS error,
       max({INSTANT}) AS last_hit,
       sum(request_time) AS request_time, sum(latency.total) AS latency, sum(latency.upstream) AS upstream_latency,
       max(latency.upstream) AS max_upstream_latency,
       coalesce(min(latency.upstream) FILTER (response_code < 400), min(latency.upstream)) AS min_upstream_latency,
       max(latency.total) AS max_latency,
       coalesce(min(latency.total) FILTER (response_code < 400), min(latency.total)) AS min_latency
FROM hits WHERE $column = ? AND {INSTANT} >= ? AND {INSTANT} < ?
GROUP BY api_id, path ORDER BY hits DESC, last_hit DESC, api_id, path
"""


def microseconds(day: date, zone: str) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def expected(connection, kind, consumer_id, zone):
    query = ANSWER.replace("$column", "api_key" if kind is Kind.KEY else "oauth_id")
    bounds = [microseconds(FIRST, zone), microseconds(LAST + timedelta(days=1), zone)]
    cursor = connection.execute(query, [consumer_id, *bounds])
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        for name in ("request_time", "latency", "upstream_latency"):
            row[name] = int(row[name]) / row["hits"]
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["last_hit"])
        row["last_hit"] = moment.astimezone(ZoneInfo(zone))
    return rows


def flat(answer):
    return [
        {name: value for name, value in row.items() if name != "id"}
        | {"api_id": row["id"]["api_id"], "path": row["id"]["path"]}
        | {"last_hit": datetime.fromisoformat(row["last_hit"])}
        for row in answer["data"]
    ]


@pytest.fixture(
    scope="module",
    params=[20_000, pytest.param(1_000_000, marks=pytest.mark.torture)],
    ids=lambda count: f"{count}-records",
)
def whole(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "demo.jsonl"
    with path.open("wb") as file:
        Traffic(records=request.param, full=False, seed=7).write(file)
    ingest = [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", "sqlite:///whole.db", path.name]
    done = subprocess.run(ingest, cwd=folder, capture_output=True, text=True, check=True)
    assert f"demo.jsonl: {request.param:,} read" in done.stdout
    connection = duckdb.connect()
    connection.execute(HITS, [str(path)])
    yield folder, connection
    connection.close()


@pytest.fixture(scope="module")
def consumers(whole):
    """Twenty: the busiest, some in the middle, and the rarest."""
    folder, connection = whole
    with open_store(f"sqlite:///{folder}/whole.db") as store:
        seen = store.consumers()
    keys, clients = ([row for row in seen if row.kind == kind] for kind in Kind)
    # Every one that DuckDB has is there, and no other.
    for rows, column in ((keys, "api_key"), (clients, "oauth_id")):
        counts = connection.execute(
            f"SELECT {column}, count(*) FROM hits WHERE {column} <> '' GROUP BY 1"
        ).fetchall()
        assert dict(counts) == {row.id: row.hits for row in rows}
    return [*keys[:6], *keys[60:64], *keys[-4:], *clients[:4], *clients[-2:]]


@pytest.mark.parametrize("zone", ZONES)
def test_over_http_it_is_what_duckdb_counts(whole, consumers, zone):
    folder, connection = whole
    assert len(consumers) == 20
    total = 0
    with open_store(f"sqlite:///{folder}/whole.db") as store:
        settings = Settings(tokens=Tokens([TOKEN]), zone=find_zone(zone))
        with make_server(store, settings=settings, port=0) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            for consumer in consumers:
                # Each its own: on a busy machine DuckDB's answer takes longer than the server waits for a question.
                client = HTTPConnection(*server.server_address[:2], timeout=60)
                route = "keys" if consumer.kind is Kind.KEY else "oauthid"
                target = f"/api/activity/{route}/endpoint/{quote(consumer.id, safe='')}/9/10/2026/27/10/2026"
                client.request("GET", target, headers={"authorization": TOKEN})
                rows = flat(json.loads(client.getresponse().read()))
                client.close()
                assert rows == expected(connection, consumer.kind, consumer.id, zone)
                total += sum(row["hits"] for row in rows)
            server.shutdown()
    assert total > 5_000


@pytest.mark.parametrize("zone", ZONES)
def test_on_the_command_line_it_is_what_duckdb_counts(whole, consumers, zone):
    from click.testing import CliRunner

    from tyk_endpoint_stats.cli.program import program

    folder, connection = whole
    for consumer in consumers:
        option = "--key" if consumer.kind is Kind.KEY else "--oauth-client"
        result = CliRunner().invoke(
            program,
            [
                *("endpoints", "--store", f"sqlite:///{Path(folder)}/whole.db", option, consumer.id),
                *("--from", str(FIRST), "--to", str(LAST), "--timezone", zone, "--format", "tyk"),
            ],
        )
        assert flat(json.loads(result.stdout)) == expected(connection, consumer.kind, consumer.id, zone)
