"""What a store says of itself is so, and damage in it is named by ``verify``."""

from enum import StrEnum
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Inspectable
from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam, run_together
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, numbered_batch, records

__all__ = ["Damage", "InspectionExam"]

_DAY_US = 86_400_000_000


class Damage(StrEnum):
    """What is planted in a store, and by which words ``verify`` names it.

    The store holds hits of keys ``k1`` and ``k2`` and of client ``c``, all of API ``api-1``, at the paths ``/get``
    and ``/put``, in two quarter hours of day ``FIRST_DAY`` and of the two after it, from source ``file:a``. Each
    quarter hour came in a batch of its own.
    """

    CHANGED_ROW = "by quarter hours"
    """Of one or more rows of an endpoint of a consumer, ``hits`` is one more."""
    LOST_ROW = "by rows of endpoints"
    """One or more such rows are gone, but not all of the consumer's."""
    LOST_TOTAL = "rows of endpoints have it, the total has not"
    """The total of a consumer is gone, of one day or of all."""
    LESS_OF_EVERYONE = "everyone has fewer hits"
    """Of everyone's row of an endpoint, ``hits`` is 0 or less."""
    LOST_QUARTER_HOURS = "no quarter hour has"
    """One or more such rows have no quarter hours."""
    IMPOSSIBLE_STATE = "is after last_hit_us"
    """A row's last hit is a microsecond before its first one."""
    LOST_ROWS = "were counted, but there are 0 hits"
    """All rows and totals are gone; the sources stay."""
    UNACCOUNTED = "records were read"
    """The source has counted one record less."""
    UNREADABLE = "packed value of version 9"
    """The distribution of one or more rows begins with the byte 9."""
    NO_KIND = "of no kind"
    """A consumer is neither a key nor a client, but a ``lamp``."""


class InspectionExam(StoreExam):
    """``facts``, ``damage`` and what ``verify`` makes of them. Subclasses give ``plant``."""

    def plant(self, place: Path, damage: Damage) -> None:
        """Damage the store of a place, by whatever writes to it but the store. No handle is open meanwhile."""
        raise NotImplementedError("an exam needs plant(self, place, damage)")

    @pytest.mark.parametrize("damage", Damage, ids=lambda damage: damage.name)
    def test_damage_is_named(self, new_place: NewPlace, damage: Damage) -> None:
        """And a store without it is sound."""
        place = new_place()
        with self.open_store(place) as store:
            _fill(store)
            sound = verify(store)
            assert (sound.problems, sound.structure, sound.sources, sound.days) == ([], True, 1, 3)
        self.plant(place, damage)
        with self.open_store(place) as store:
            found = [f"{problem.where}: {problem.what}" for problem in verify(store).problems]
        assert any(damage.value in problem for problem in found), found

    def test_facts_are_so(self, new_place: NewPlace) -> None:
        """Whatever the store can tell; ``None`` is that it can't."""
        with self.open_store(new_place()) as store:
            assert isinstance(store, Inspectable)
            empty = store.facts()
            _fill(store)
            filled = store.facts()
            gone = store.prune((FIRST_DAY + 1) * _DAY_US).rows
            pruned = store.facts()
        assert empty.schema == filled.schema
        assert filled.schema
        assert {empty.consumers, empty.endpoints, empty.day_rows, empty.total_rows} <= {0, None}
        assert filled.consumers in (3, None)
        assert filled.endpoints in (2, None)
        assert filled.day_rows in (18, None)
        assert filled.total_rows in (9 + 6 + 3, None)
        assert filled.size_bytes is None or filled.size_bytes > 0
        assert filled.pruned_before is empty.pruned_before is None
        assert (gone, pruned.pruned_before) == (6, (FIRST_DAY + 1) * _DAY_US)
        assert pruned.day_rows in (18, None)

    def test_whatever_was_merged_is_sound(self, new_place: NewPlace) -> None:
        """Any records, in any order, before and after quarters were pruned."""

        # Each asks hundreds of questions.
        @settings(self.settings, max_examples=2 + self.max_examples // 8)
        @given(st.lists(st.lists(records(), max_size=8), min_size=1, max_size=4), st.integers(0, 3))
        def history(batches: list[list[Record]], prune_before: int) -> None:
            with self.open_store(new_place()) as store:
                for number, batch in enumerate(chain(batches, batches)):
                    if number == len(batches):
                        assert verify(store).problems == []
                        store.prune((FIRST_DAY + prune_before) * _DAY_US)
                    store.merge(numbered_batch(batch, "s", number))
                assert verify(store).problems == []

        history()

    def test_a_store_that_is_written_to_is_not_damaged(self, new_place: NewPlace) -> None:
        """Nor does the look keep writers from merging."""
        with self.open_store(new_place()) as store:
            assert isinstance(store, Inspectable)
            inspected = store
            found: list[str] = []
            ended: list[bool] = []

            def write() -> None:
                try:
                    for number in range(self.merges // 2):
                        batch = batch_of([hit(second=900 * number), hit(path=f"/{number}", api_key=f"k{number}")])
                        store.merge(batch)
                finally:
                    ended.append(True)

            def look() -> None:
                while len(ended) < 2:
                    found.extend(inspected.damage())

            run_together(write, write, look)
            assert found == []
            assert verify(store).problems == []


def _fill(store: Store) -> None:
    """Two batches a day, each of one quarter."""
    for number in range(6):
        day, quarter = divmod(number, 2)
        hits = [
            hit(FIRST_DAY + day, 900 * quarter, path=path, api_key=key, oauth_id="c" * (key == "k1"), alias=key)
            for path in ("/get", "/put")
            for key in ("k1", "k2")
        ]
        batch = numbered_batch(hits, "file:a", number)
        batch.counts.read += 1
        batch.counts.skipped["tcp"] = 1
        store.merge(batch)
