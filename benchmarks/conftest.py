"""Inputs, made once outside of what is timed; tiny ones where nothing is timed."""

from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from benchmarks import ours, peers
from tyk_endpoint_stats.stores.base import Store


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """The versions on which figures depend."""
    import sqlite3

    import polars
    import pymongo

    machine_info |= {"sqlite": sqlite3.sqlite_version, "msgspec": msgspec.__version__}
    machine_info |= {"duckdb": duckdb.__version__, "polars": polars.__version__, "pymongo": pymongo.version}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each shape of file, full and lean; where only the results matter one of the two, in turns."""
    if "file" in metafunc.fixturenames:
        forms = [list(product([shape], ("full", "lean"))) for shape in ours.SHAPES]
        if _is_tiny(metafunc.config):
            forms = [[of_shape[number % 2]] for number, of_shape in enumerate(forms)]
        metafunc.parametrize("file", list(chain.from_iterable(forms)), indirect=True, scope="session")


def _is_tiny(config: pytest.Config) -> bool:
    return bool(config.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> int:
    """How many records; few where ``--benchmark-disable`` says that only the results matter."""
    return 2_000 if _is_tiny(request.config) else 100_000


@pytest.fixture(scope="session")
def file(request: pytest.FixtureRequest, scale: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a shape in a form."""
    shape, form = request.param
    return ours.write_records(tmp_path_factory.mktemp("records") / "records.jsonl", scale, shape, form == "full")


@pytest.fixture(scope="session")
def counted(file: Path, scale: int) -> int:
    """How many of the records are hits, by a second opinion."""
    count = peers.duckdb_count(file)
    assert 0 < count < scale
    return count


@pytest.fixture(scope="session", params=[30, 365], ids=["30 days", "a year"])
def asked(request: pytest.FixtureRequest, scale: int, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store, days to ask for, and the hits that the answer has to have."""
    days = request.param
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/asked.db"
    hits = sum(key == ours.KEY for key, *_ in ours.requests(scale, days))
    with ours.fill(url, scale, days) as store:
        yield store, days, hits


@pytest.fixture(scope="session")
def store_of_fifty(scale: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with ours.fill(f"sqlite:///{tmp_path_factory.mktemp('store')}/fifty.db", scale, 30, endpoints=50) as store:
        yield store
