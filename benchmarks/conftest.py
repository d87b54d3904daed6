"""Inputs, made once outside of what is timed; tiny ones where nothing is timed."""

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from tyk_endpoint_stats import Kind, open_store
from tyk_endpoint_stats.demo import Traffic


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """The versions on which figures depend."""
    import sqlite3

    machine_info |= {"sqlite": sqlite3.sqlite_version, "msgspec": msgspec.__version__, "duckdb": duckdb.__version__}


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> int:
    """How many records; few where ``--benchmark-disable`` says that only the results matter."""
    return 2_000 if request.config.getoption("benchmark_disable") else 100_000


@pytest.fixture(scope="session", params=["sparse", "dense"])
def traffic(request: pytest.FixtureRequest, scale: int) -> Traffic:
    """Full records over 30 days, where nearly every one is a state of its own, or within one hour."""
    return Traffic(records=scale, days=30 if request.param == "sparse" else 1 / 24)


@pytest.fixture(scope="session")
def file(traffic: Traffic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "records.jsonl"
    with path.open("wb") as out:
        traffic.write(out)
    return path


@pytest.fixture(scope="session")
def counted(file: Path, scale: int) -> int:
    """How many of the records are hits of a consumer, by a second opinion."""
    query = f"""
        SELECT count(*) FROM read_json('{file}', format = 'newline_delimited', columns = {{
            response_code: 'BIGINT', api_key: 'VARCHAR', oauth_id: 'VARCHAR',
            graphql_stats: 'STRUCT(IsGraphQL BOOLEAN)', mcp_stats: 'STRUCT(is_mcp BOOLEAN)'}})
        WHERE response_code <> -1 AND NOT graphql_stats.IsGraphQL AND NOT mcp_stats.is_mcp
          AND (api_key <> '' OR oauth_id <> '')"""
    with duckdb.connect() as connection:
        ((count,),) = connection.execute(query).fetchall()
    assert 0 < count < scale
    return count


@pytest.fixture(scope="session", params=["month", "year"])
def busy_store(request: pytest.FixtureRequest, scale: int, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A SQLite store, and the consumer in it that calls the most endpoints the most often."""
    days = 30 if request.param == "month" else 365
    traffic = Traffic(
        records=scale * (1 if days == 30 else 4), days=days, keys=20, clients=2, endpoints=250, full=False
    )
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/busy.db"
    with open_store(url) as store:
        store.ingest(traffic.decoded())
        yield store, traffic.busiest(Kind.KEY), days
