"""How fast does a file get into a store, durably and with its position, in whole processes?"""

from itertools import count

import duckdb
import pytest

from benchmarks import processes
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.questions.period import EVER
from tyk_endpoint_stats.questions.totals import totals

pytestmark = pytest.mark.benchmark(group="file into a database, whole processes")
ROUNDS = 3


@pytest.fixture
def new_path(tmp_path):
    numbers = count()
    return lambda: ((tmp_path / f"{next(numbers)}.db",), {})


@pytest.mark.parametrize("jobs", [1, 2])
def test_ours(benchmark, file, counted, new_path, jobs):
    paths = []

    def ingest(path):
        processes.seconds(processes.ingest(file, path, "--jobs", str(jobs)))
        paths.append(path)

    benchmark.pedantic(ingest, setup=new_path, rounds=ROUNDS)
    with open_store(f"sqlite:///{paths[-1]}") as store:
        (source,) = store.sources()
        assert source.counts.counted == counted
        assert totals(store, EVER).hits == counted


@pytest.mark.parametrize("contents", ["sums alone", "the same contents"])
def test_duckdb(benchmark, file, counted, new_path, contents):
    paths = []

    def into_table(path):
        processes.seconds(processes.duckdb_into_table(file, path, contents == "the same contents"))
        paths.append(path)

    benchmark.pedantic(into_table, setup=new_path, rounds=ROUNDS)
    with duckdb.connect(str(paths[-1])) as connection:
        assert connection.execute("SELECT sum(hits) FROM quarters").fetchone() == (counted,)
