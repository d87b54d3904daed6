"""How much memory does an ingest take, from a pipe that nobody can seek in?"""

import pytest

from benchmarks import processes
from tyk_endpoint_stats import open_store

BOUND_MIB = 256


@pytest.mark.benchmark(group="memory of an ingest from a pipe")
def test_memory(benchmark, scale, tmp_path):
    database = tmp_path / "s.db"
    demo = (*processes.PROGRAM, "demo", "--records", str(scale))
    command = processes.ingest("-", database)
    peak_mib = benchmark.pedantic(processes.peak_mib, (command, demo), rounds=1)
    benchmark.extra_info["peak_mib"] = peak_mib
    assert peak_mib < BOUND_MIB
    with open_store(f"sqlite:///{database}") as store:
        assert sum(row.hits for row in store.consumers()) > scale * 0.9
