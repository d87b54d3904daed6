"""How fast is an answer for the busiest key, by range, zone and size; beside rows with an index?"""

import pytest

from benchmarks import ours, peers

pytestmark = pytest.mark.benchmark(group="busiest key, 250 endpoints")
_MONTH_US = 30 * 86_400_000_000


@pytest.mark.parametrize("zone", ["UTC", "Asia/Karachi"])
def test_ours(benchmark, asked, zone):
    store, days, hits = asked
    found = benchmark(ours.ask, store, days, zone)
    assert found == hits if zone == "UTC" else hits * 0.9 < found <= hits  # days begin at another moment


@pytest.mark.parametrize("times", [1, 4])
def test_ours_by_size(benchmark, scale, tmp_path, times):
    with ours.fill(f"sqlite:///{tmp_path}/s.db", scale * times, 30) as store:
        assert benchmark(ours.ask, store, 30) == hits_of(scale * times)


def test_sqlite_rows(benchmark, scale, tmp_path):
    connection = peers.sqlite_requests(tmp_path / "rows.db", ours.requests(scale, 30))
    start_us = ours.START_US + 335 * 86_400_000_000
    assert benchmark(peers.ask, connection, ours.KEY, start_us, start_us + _MONTH_US) == hits_of(scale)
    connection.close()


def test_duckdb_columns(benchmark, scale, tmp_path):
    rows = ours.write_requests(tmp_path / "rows.csv", scale, 30)
    connection = peers.duckdb_requests(tmp_path / "rows.duckdb", rows)
    start_us = ours.START_US + 335 * 86_400_000_000
    assert benchmark(peers.ask, connection, ours.KEY, start_us, start_us + _MONTH_US) == hits_of(scale)
    connection.close()


def hits_of(count):
    return sum(key == ours.KEY for key, *_ in ours.requests(count, 30))
