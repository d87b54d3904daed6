"""The running batch: sums from the second hit on, and cells that are counted before they are many."""

from datetime import UTC, datetime

import pytest

from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.core.histogram import bin_of
from tyk_endpoint_stats.core.packed import BIN_BITS, UNTIMED
from tyk_endpoint_stats.core.running_batch import (
    ERROR,
    MAX_WAITING_CELLS,
    NO_MINIMUM,
    RunningBatch,
    Sums,
    count_waiting_cells,
    first_sums,
)
from tyk_endpoint_stats.testing import hit

NOON = datetime(2020, 10, 13, 12, tzinfo=UTC)


def running(code, latency, upstream, request_time):
    made = RunningBatch()
    made.moments, made.latencies, made.upstreams = [NOON], [latency], [upstream]
    made.request_times = [request_time]
    made.cells = [(code << BIN_BITS) + (UNTIMED if latency < 0 else bin_of(latency))]
    made.sums = [None]
    return made


@pytest.mark.parametrize(
    ("one", "numbers"),
    [
        ((200, 7, 5, 9), [7, 2, 5, 7, 5, 7, 5, NO_MINIMUM, NO_MINIMUM, 0]),
        ((399, 0, 0, 0), [0, 0, 0, 0, 0, 0, 0, NO_MINIMUM, NO_MINIMUM, 0]),
        ((400, 7, 5, 7), [7, 0, 5, 7, 5, NO_MINIMUM, NO_MINIMUM, 7, 5, 0]),
        ((200, -1, -1, 9), [0, 9, 0, -1, -1, NO_MINIMUM, NO_MINIMUM, NO_MINIMUM, NO_MINIMUM, 1]),
    ],
)
def test_the_sums_of_one_hit(one, numbers):
    made = running(*one)
    assert first_sums(made, 0) == Sums(NOON, NOON, numbers, made.cells, {})


def test_a_cell_holds_any_code_and_any_bin_and_errors_are_from_400_on():
    assert bin_of(10**12) < UNTIMED
    for code in (-(2**31), -1, 0, 200, 399, 400, 2**31 - 1):
        for latency_bin in (0, bin_of(10**12), UNTIMED):
            cell = (code << BIN_BITS) + latency_bin
            assert (cell >> BIN_BITS, cell & UNTIMED) == (code, latency_bin)
            assert (cell >= ERROR) == (code >= 400)


def test_cells_are_counted_where_there_are_many_of_them():
    aggregator = Aggregator()
    few, many = hit(path="/few"), hit(path="/many")
    aggregator.add([few, few, *[many] * 100])
    batch = aggregator._running
    by_place = [sums.cells for sums in batch.sums]
    assert [len(cells) for cells in by_place] == [2, 100]
    assert count_waiting_cells(batch) == 2 + 1
    assert [(len(sums.cells), sum(sums.counted.values())) for sums in batch.sums] == [(2, 0), (0, 100)]
    aggregator.add([many] * MAX_WAITING_CELLS)
    assert count_waiting_cells(batch) == 2 + 1 + MAX_WAITING_CELLS, "so few wait"
    assert {row.hits for row in aggregator.close().rows} == {2, 100 + MAX_WAITING_CELLS}
