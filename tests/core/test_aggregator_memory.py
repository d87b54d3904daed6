"""A batch's memory grows with its states, not with its hits; and what a closed one took is free again."""

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from tyk_endpoint_stats import Aggregator
from tyk_endpoint_stats.core import aggregator as module
from tyk_endpoint_stats.testing.generators import FIRST_DAY, hit

RECORDS = [hit(FIRST_DAY, quarter * 900, path=f"/{path}") for quarter in range(20) for path in range(20)]
HOT = [hit(FIRST_DAY, second, latency_ms=second) for second in range(500)]
TIMES = 40


def bytes_held(run: Callable[[], object]) -> tuple[int, int]:
    """What is still held after ``run``, and the most that was."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run()
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
        return after - before, peak - before
    finally:
        tracemalloc.stop()


def test_batches_leave_nothing_behind() -> None:
    aggregator = Aggregator()

    def run() -> None:
        for _ in range(10):
            aggregator.add(RECORDS)
            aggregator.close()

    run()
    left, _ = bytes_held(run)
    assert left < 100_000


def max_bytes_of_hot_traffic() -> int:
    aggregator = Aggregator()

    def run() -> None:
        for _ in range(TIMES):
            aggregator.add(HOT)

    _, peak = bytes_held(run)
    assert aggregator.close().rows[0].hits == TIMES * len(HOT)
    return peak


def test_memory_grows_with_states_and_not_with_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_UNCOUNTED", 5_000)
    assert max_bytes_of_hot_traffic() < 500_000


def test_that_test_catches_cells_that_are_never_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin keeps every cell until the batch closes."""
    monkeypatch.setattr(module, "MAX_UNCOUNTED", 5_000)
    monkeypatch.setattr(module, "count_waiting_cells", lambda running: 0)
    assert max_bytes_of_hot_traffic() > 500_000
