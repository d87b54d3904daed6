"""Copying: into the store and out of it, broken off anywhere, and going on where the other has grown."""

import pytest

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.maintenance.copy import copy
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Copyable
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam, snapshot
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, numbered_batch
from tyk_endpoint_stats.testing.growing import late_batch
from tyk_endpoint_stats.testing.positions import hits_of

__all__ = ["CopyingExam", "fill", "held_by"]

DAY_US = 86_400_000_000


def fill(store: Store, first: int = 0, end: int = 4) -> None:
    """Batches of two sources: several organisations, days, names, codes and skipped records; all but the first late."""
    for number in range(first, end):
        records = [
            hit(
                FIRST_DAY + (number + index) % 3,
                (index * 5_000 + number) % 86_400,
                code=(200, 404, 301)[index % 3],
                latency_ms=index + number,
                org_id=("org-1", "", "org-2")[index % 3],
                api_key=f"k{index % 2}",
                oauth_id=("", "c")[index % 2],
                path=f"/{index % 4}",
                alias=f"alias {number}",
                api_name=f"API {number}",
            )
            for index in range(12)
        ]
        for source in ("file:1", "file:2"):
            batch = numbered_batch([*records, hit(code=-1)], source, number)
            store.merge(late_batch(batch, (FIRST_DAY + 30 * number) * DAY_US) if number else batch)


def held_by(store: Store) -> object:
    """All that can be asked of a store, but for the mark of a copy."""
    *answers, sources, positions = snapshot(store)
    assert isinstance(sources, dict)
    assert isinstance(positions, dict)
    sources.pop("copy", None)
    positions.pop("copy", None)
    assert isinstance(store, Copyable)
    return answers, sources, positions, store.outline(), store.growth()


class Killed(BaseException):
    """What a kill looks like from inside."""


class _Mortal(MemoryStore):
    """Wraps the merges of another store; dies at one of them, before or after it."""

    def __init__(self, store: Store, merges: int, after: bool) -> None:
        super().__init__()
        self._store, self._left, self._after = store, merges, after
        self.position = store.position  # type: ignore[method-assign]
        self.sources = store.sources  # type: ignore[method-assign]
        self.read = store.read  # type: ignore[method-assign]
        self.prune = store.prune  # type: ignore[method-assign]
        assert isinstance(store, Copyable)
        self.day = store.day  # type: ignore[method-assign]
        self.growth = store.growth  # type: ignore[method-assign]

    def merge(self, batch: Batch) -> bool:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        merged = self._store.merge(batch)
        if self._left == 0:
            raise Killed
        return merged


def killed_at(origin: Store, target: Store, merges: int, after: bool) -> bool:
    """Copy until the ``merges``-th merge into the target; whether there was such a one."""
    mortal = _Mortal(target, merges, after)
    mortal.max_states_a_batch = 60
    try:
        copy(origin, mortal)
    except Killed:
        return True
    return False


def check_killed_copies(target: Store) -> int:
    """Kill the first copy at its first merge, the next at its second, and so on until one is through.

    The other store grows in between, in every day, so that every copy has something to do at each of its steps.

    Returns:
        How many copies it took.
    """
    origin = MemoryStore()
    fill(origin)
    for copies in range(1, 200):
        if not killed_at(origin, target, copies, after=bool(copies % 2)):
            assert held_by(target) == held_by(origin)
            return copies
        assert hits_of(target) <= hits_of(origin), "what was killed has brought too much"
        fill(origin, copies + 3, copies + 4)
    raise AssertionError("a copy has fewer than 200 merges")


class CopyingExam(StoreExam):
    """``copy`` with the store at either end."""

    def test_a_copy_into_the_store_holds_the_same(self, new_place: NewPlace) -> None:
        """States of every organisation, names with their instants, growth, positions, counts by reason."""
        origin = MemoryStore()
        fill(origin)
        with self.open_store(new_place()) as store:
            report = copy(origin, store)
            assert held_by(store) == held_by(origin)
            assert report.sources == 2
            assert copy(origin, store).rows == 0

    def test_a_copy_of_the_store_holds_the_same(self, new_place: NewPlace) -> None:
        """Pruned quarters are gone in the copy too."""
        target = MemoryStore()
        with self.open_store(new_place()) as store:
            fill(store)
            copy(store, target)
            assert held_by(target) == held_by(store)
            fill(store, 4, 6)
            store.prune((FIRST_DAY + 1) * DAY_US)
            copy(store, target)
            assert isinstance(store, Copyable)
            assert store.outline().pruned_before == target.outline().pruned_before == (FIRST_DAY + 1) * DAY_US
            assert target.sources()[1:] == store.sources()

    def test_a_copy_that_is_killed_and_run_again_holds_the_same(self, new_place: NewPlace) -> None:
        """At any of its merges, before or after it, and though the other store has grown in between."""
        with self.open_store(new_place()) as store:
            assert check_killed_copies(store) > 5

    def test_ingests_wait_for_a_copy_and_go_on_after_it(self, new_place: NewPlace) -> None:
        """A batch that the other store has merged is not merged again."""
        origin = MemoryStore()
        fill(origin)
        with self.open_store(new_place()) as store:
            assert killed_at(origin, store, 3, after=True)
            with pytest.raises(StoreError, match="not finished"):
                ingest(store, [hit()])
            copy(origin, store)
            before = held_by(store)
            assert store.merge(batch_of([hit()], "file:1", "3", "4")) is False
            assert held_by(store) == before
            fill(origin, 4, 5)
            fill(store, 4, 5)
            assert held_by(store) == held_by(origin)

    def test_a_store_that_somebody_has_written_to_is_no_target(self, new_place: NewPlace) -> None:
        """What is not the copy's can't be told from what is."""
        origin = MemoryStore()
        fill(origin)
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit()]))
            before = held_by(store)
            with pytest.raises(StoreError, match="has to be a new store"):
                copy(origin, store)
            assert held_by(store) == before
