"""How fast does a file get into a store, durably? Beside DuckDB, which keeps less and forgets where it was."""

from itertools import count
from pathlib import Path

import duckdb
import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.ingest import IngestReport
from tyk_endpoint_stats.parallel import ingest_all
from tyk_endpoint_stats.sources.files import open_files

ROUNDS = 3


@pytest.fixture
def new_path(tmp_path):
    numbers = count()
    return lambda: tmp_path / f"{next(numbers)}.db"


@pytest.mark.benchmark(group="file into store, durable")
@pytest.mark.parametrize("jobs", [1, 2])
def test_sqlite(benchmark, file, counted, new_path, jobs):
    def ingest(path: Path) -> tuple[IngestReport, Path]:
        with open_store(f"sqlite:///{path}") as store:
            ((report, problem),) = ingest_all(store, open_files(str(file)), jobs=jobs)
            assert problem is None
        return report, path

    report, path = benchmark.pedantic(ingest, setup=lambda: ((new_path(),), {}), rounds=ROUNDS)
    assert report.counts.counted == counted
    with open_store(f"sqlite:///{path}") as store:
        assert sum(row.hits for row in store.consumers(kind="key")) == counted


@pytest.mark.benchmark(group="file into store, durable")
def test_duckdb(benchmark, file, counted, new_path):
    def ingest(path: Path) -> Path:
        connection = duckdb.connect(str(path))
        connection.execute(GROUPED, [str(file)])
        connection.close()
        return path

    path = benchmark.pedantic(ingest, setup=lambda: ((new_path(),), {}), rounds=ROUNDS)
    connection = duckdb.connect(str(path))
    assert connection.execute("SELECT sum(hits) FROM quarters").fetchone() == (counted,)
    connection.close()


GROUPED = """
CREATE TABLE quarters AS
SELECT org_id, api_key, oauth_id, api_id, path,
       epoch_us("timestamp") // 900000000 AS quarter,
       count(*) AS hits,
       count(*) FILTER (response_code BETWEEN 200 AND 299) AS success,
       count(*) FILTER (response_code >= 400) AS error,
       sum(request_time) AS request_time, sum(latency.total) AS latency, sum(latency.upstream) AS upstream,
       max(latency.total) AS max_latency, max(latency.upstream) AS max_upstream,
       min(latency.total) AS min_latency, min(latency.upstream) AS min_upstream,
       min("timestamp") AS first_hit, max("timestamp") AS last_hit
FROM read_json(?, format = 'newline_delimited', columns = {
    org_id: 'VARCHAR', api_key: 'VARCHAR', oauth_id: 'VARCHAR', api_id: 'VARCHAR', path: 'VARCHAR',
    "timestamp": 'TIMESTAMPTZ', response_code: 'BIGINT', request_time: 'BIGINT',
    latency: 'STRUCT(total BIGINT, upstream BIGINT)',
    graphql_stats: 'STRUCT(IsGraphQL BOOLEAN)', mcp_stats: 'STRUCT(is_mcp BOOLEAN)'})
WHERE response_code <> -1 AND NOT graphql_stats.IsGraphQL AND NOT mcp_stats.is_mcp
  AND (api_key <> '' OR oauth_id <> '')
GROUP BY ALL
"""
