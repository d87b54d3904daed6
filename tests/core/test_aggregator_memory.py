"""What a closed batch took is free again: nothing holds its states but the batch."""

import gc
import tracemalloc

import pytest

from tyk_endpoint_stats import Aggregator
from tyk_endpoint_stats.core import aggregator as module
from tyk_endpoint_stats.core.running import Running
from tyk_endpoint_stats.testing.generators import FIRST_DAY, hit

RECORDS = [hit(FIRST_DAY, quarter * 900, path=f"/{path}") for quarter in range(20) for path in range(20)]


def bytes_left_by_batches(count: int) -> int:
    aggregator = Aggregator()

    def run() -> None:
        aggregator.add(RECORDS)
        aggregator.close()

    run()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(count):
            run()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_batches_leave_nothing_behind() -> None:
    assert bytes_left_by_batches(10) < 100_000


class HoldsItsList(Running, gc=False):
    """A state that can't be parted from the list of the earlier ones that it stands in."""

    def __setattr__(self, name: str, value: object) -> None:
        if name != "earlier":
            super().__setattr__(name, value)


def test_that_test_catches_states_that_hold_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: the collector knows nothing of these states, so it can't free their circles."""
    monkeypatch.setattr(module, "Running", HoldsItsList)
    assert bytes_left_by_batches(10) > 100_000
