"""How fast do lines become states, beside decoding alone, and beside other tools?"""

import pytest

from benchmarks import ours, peers

pytestmark = pytest.mark.benchmark(group="lines into states")


def test_decoding_alone(benchmark, file, scale):
    assert benchmark(ours.decode_alone, ours.blocks_of(file.read_bytes())) == scale


def test_ours(benchmark, file, counted):
    assert benchmark(ours.decode_and_aggregate, ours.blocks_of(file.read_bytes())) == counted


def test_ours_in_two_processes(benchmark, file, counted):
    assert benchmark.pedantic(ours.two_processes, (file,), rounds=3) == counted


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("contents", ["sums alone", "the same contents"])
def test_duckdb(benchmark, file, counted, threads, contents):
    assert benchmark(peers.duckdb_states, file, threads, contents == "the same contents") == counted


def test_polars(benchmark, file, counted):
    assert benchmark(peers.polars_states, file) == counted


def test_plain_python(benchmark, file, counted):
    assert benchmark.pedantic(peers.plain_python, (file.read_bytes(),), rounds=3) == counted
