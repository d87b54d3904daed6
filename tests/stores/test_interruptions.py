"""After an interruption at any line that a merge and a read run through, the next call works and closing ends."""

from threading import Lock
from typing import ClassVar

import pytest

from tests.stores import interruptions
from tests.stores.interruptions import SAMPLE, Open, assert_nothing_is_wrong, count_lines, wrong_after
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore

# An exception inside of a clean-up that nothing can raise out of: Python prints it and goes on, and so do we.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

STORES: dict[str, Open] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "stats.db"),
}


@pytest.mark.parametrize("store", STORES)
def test_an_interruption_anywhere_leaves_a_store_that_works(tmp_path, store):
    assert_nothing_is_wrong(STORES[store], tmp_path, SAMPLE)


@pytest.mark.torture
@pytest.mark.parametrize("store", STORES)
def test_an_interruption_at_every_line_leaves_a_store_that_works(tmp_path, store):
    assert_nothing_is_wrong(STORES[store], tmp_path, 10**9)


class Locked(MemoryStore):
    """The broken twin: a lock that stays where it is if an exception comes between taking and giving it back."""

    gates: ClassVar[dict[int, Lock]] = {}

    def merge(self, batch):
        gate = self.gates.setdefault(id(self), Lock())
        gate.acquire()
        merged = super().merge(batch)
        gate.release()
        return merged


class Half(MemoryStore):
    """The broken twin: it remembers the position, and then merges."""

    def merge(self, batch):
        self.stands = {**getattr(self, "stands", {}), batch.source: batch.ends}
        batch.source = None
        return super().merge(batch)

    def position(self, source):
        return getattr(self, "stands", {}).get(source)


@pytest.mark.parametrize(("twin", "says"), [(Locked, "it hangs"), (Half, "hits and not 3")])
def test_that_catches_a_store_that_can_not_be_interrupted(tmp_path, monkeypatch, twin, says):
    monkeypatch.setattr(interruptions, "WITHIN_S", 1.0)
    lines, _ = count_lines(lambda folder: twin(), tmp_path / "whole")
    found = (wrong_after(lambda folder: twin(), tmp_path / str(at), at) for at in range(lines, 0, -20))
    assert says in next(filter(None, found))
