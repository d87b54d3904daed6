"""Positions: compared and set with the states, so that every batch of a source counts exactly once."""

from itertools import pairwise

import pytest

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import PositionConflict
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.testing.exam import ALL_DAYS, NewPlace, StoreExam, answer_of, snapshot
from tyk_endpoint_stats.testing.generators import batch_of, hit

__all__ = ["PositionsExam"]


def hits_of(store: Store) -> int:
    """All hits of all days."""
    return sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values())


class PositionsExam(StoreExam):
    """``merge`` with a source, ``position`` and ``sources``."""

    def test_a_source_never_met_has_no_position(self, new_place: NewPlace) -> None:
        """Nor is it among the sources."""
        with self.open_store(new_place()) as store:
            assert store.position("file:1") is None
            assert list(store.sources()) == []

    def test_a_batch_that_was_merged_is_not_merged_again(self, new_place: NewPlace) -> None:
        """The same batch again is ``False``, and nothing changes; one after the other both are merged."""
        first = batch_of([hit(alias="Ann")], "file:1", None, "100")
        second = batch_of([hit(), hit(code=500)], "file:1", "100", "250")
        with self.open_store(new_place()) as store:
            assert store.merge(first) is True
            before = snapshot(store)
            assert store.merge(first) is False
            assert snapshot(store) == before
            assert store.merge(second) is True
            assert store.position("file:1") == "250"
            before = snapshot(store)
            assert store.merge(second) is False
            assert snapshot(store) == before
            assert hits_of(store) == 3

    @pytest.mark.parametrize(
        ("begins", "ends"), [(None, "50"), ("0", "100x"), ("100x", "300"), ("", "1"), (None, "1000")]
    )
    def test_a_batch_that_begins_elsewhere_conflicts(
        self, new_place: NewPlace, begins: str | None, ends: str
    ) -> None:
        """The error says where the source stands; states, names, counts and position are as before."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(alias="Ann", api_name="One")], "file:1", None, "100"))
            before = snapshot(store)
            later = hit(FIRST_LATER_DAY, alias="Zoe", api_name="Zwei", path="/new")
            with pytest.raises(PositionConflict) as caught:
                store.merge(batch_of([later], "file:1", begins, ends))
            assert caught.value.stored == "100"
            assert snapshot(store) == before

    def test_a_batch_that_does_not_begin_at_the_beginning_conflicts_in_a_new_store(
        self, new_place: NewPlace
    ) -> None:
        """The error says ``None``, and the source stays unknown."""
        with self.open_store(new_place()) as store:
            with pytest.raises(PositionConflict) as caught:
                store.merge(batch_of([hit()], "file:1", "100", "200"))
            assert caught.value.stored is None
            assert store.position("file:1") is None
            assert list(store.sources()) == []
            assert hits_of(store) == 0

    def test_positions_are_compared_for_equality_alone(self, new_place: NewPlace) -> None:
        """They are opaque text: the empty one is one, "9" comes before "10", and no form is mended.

        Each stands beside those that it could be taken for.
        """
        positions = [
            *(None, "", "a\0b", "a", "A\u0308", "Ä", "$a.b", "'; --"),
            *("9", "10", "2", "02", "2.0", "x" * 1000),
        ]
        with self.open_store(new_place()) as store:
            for number, (begins, ends) in enumerate(pairwise(positions)):
                for wrong in {None, *positions[max(number - 2, 0) : number + 4]} - {begins, ends}:
                    with pytest.raises(PositionConflict):
                        store.merge(batch_of([hit()], "s", wrong, f"beyond {ends}"))
                assert store.merge(batch_of([hit()], "s", begins, ends)) is True
                assert store.position("s") == ends
                assert store.merge(batch_of([hit()], "s", begins, ends)) is False
            assert hits_of(store) == len(positions) - 1

    def test_sources_do_not_know_of_each_other(self, new_place: NewPlace) -> None:
        """Whatever their names have in common."""
        names = ["s", "S", "s ", " s", "s\0", "s~1", "s.t", "$s", "ſ", "file:/a/b", "x" * 600, "%", "_", "s'"]
        with self.open_store(new_place()) as store:
            for number, name in enumerate(names):
                assert store.merge(batch_of([hit()] * (number + 1), name, None, f"end of {number}"))
            assert [store.position(name) for name in names] == [f"end of {number}" for number in range(len(names))]
            met = store.sources()
            assert [one.source for one in met] == sorted(names), "sources come by name"
            assert {one.source: one.counts.read for one in met} == {
                name: number + 1 for number, name in enumerate(names)
            }

    def test_a_batch_without_a_source_counts_every_time(self, new_place: NewPlace) -> None:
        """Nobody can tell whether it was merged before, and it leaves no position."""
        batch = batch_of([hit()])
        with self.open_store(new_place()) as store:
            assert [store.merge(batch) for _ in range(3)] == [True] * 3
            assert hits_of(store) == 3
            assert list(store.sources()) == []

    def test_a_batch_without_a_state_moves_the_position(self, new_place: NewPlace) -> None:
        """A source may hold nothing but what is skipped."""
        batch = batch_of([hit(code=-1)], "file:1", None, "100")
        with self.open_store(new_place()) as store:
            assert store.merge(batch)
            (progress,) = store.sources()
            assert (progress.position, progress.counts.skipped) == ("100", {"tcp": 1})
            assert store.merge(batch) is False
            assert store.sources()[0].counts.read == 1

    def test_counts_are_sums_by_reason(self, new_place: NewPlace) -> None:
        """Over the batches of a source that were merged; reasons may be any text."""
        ugly = {"timestamp": 1, "$.latency.total": 2, "a.b": 3, "": 4, "\0": 5, "org_id over 512 bytes": 6}
        first = batch_of([], "file:1", None, "1")
        first.counts = Counts(31, 7, 2, {"tcp": 3}, dict(ugly))
        second = batch_of([], "file:1", "1", "2")
        second.counts = Counts(42, 8, 1, {"tcp": 1, "graphql": 12}, dict(ugly))
        with self.open_store(new_place()) as store:
            for batch in (first, second, second):
                store.merge(batch)
            (progress,) = store.sources()
            assert progress.counts == Counts(
                73, 15, 3, {"tcp": 4, "graphql": 12}, {reason: 2 * count for reason, count in ugly.items()}
            )
            progress.counts.read = 0
            assert store.sources()[0].counts.read == 73, "what was handed out belongs to the caller"


FIRST_LATER_DAY = 19_000
