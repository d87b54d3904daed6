"""Stores that outlive their process: what was merged is there after reopening, for every handle."""

from collections.abc import Callable
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.testing.concurrency import WRITERS, check_writers
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    EVERYTHING,
    NewPlace,
    StoreExam,
    check_answers,
    run_together,
    snapshot,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, numbered_batch, records, selections
from tyk_endpoint_stats.testing.plain import plain_hits

__all__ = ["DurabilityExam"]


class DurabilityExam(StoreExam):
    """``open_store`` of one place, again and at the same time."""

    def test_reopening_keeps_everything(self, new_place: NewPlace) -> None:
        """States, names, positions and counts."""

        @self.settings
        @given(
            batches=st.lists(st.lists(records(), max_size=8), min_size=1, max_size=3),
            questions=st.lists(selections(), min_size=1, max_size=4),
        )
        def history(batches: list[list[Record]], questions: list[Selection]) -> None:
            place = new_place()
            before: object = None
            for number, batch in enumerate(batches):
                with self.open_store(place) as store:
                    assert number == 0 or snapshot(store) == before
                    assert store.merge(numbered_batch(batch, "s", number))
                    before = snapshot(store)
            with self.open_store(place) as store:
                assert snapshot(store) == before
                check_answers(store, plain_hits(chain.from_iterable(batches)), questions)

        history()

    def test_a_second_handle_sees_what_the_first_has_merged(self, new_place: NewPlace) -> None:
        """At once: ``merge`` is durable when it returns, and new ids mean the same to both."""
        place = new_place()
        given_records: list[Record] = []
        with self.open_store(place) as one, self.open_store(place) as other:
            for number in range(6):
                new = [
                    hit(FIRST_DAY, path=f"/{number}"),
                    hit(FIRST_DAY, api_key=f"k{number % 2}", alias=f"{number}"),
                ]
                given_records += new
                writer = (one, other)[number % 2]
                batch = numbered_batch(new, "s", number)
                assert writer.merge(batch)
                assert snapshot(one) == snapshot(other)
                assert (one, other)[1 - number % 2].merge(batch) is False

    def test_eight_writers_on_handles_of_their_own(self, new_place: NewPlace) -> None:
        """Four of them read one source."""
        place = new_place()
        opened = [self.open_store(place) for _ in range(WRITERS)]
        try:
            check_writers(opened, self.merges // 4)
        finally:
            for store in opened:
                store.close()

    def test_eight_that_open_a_new_store_at_once(self, new_place: NewPlace) -> None:
        """All get the same store, whoever makes it."""
        place = new_place()

        def open_and_merge(number: int) -> None:
            with self.open_store(place) as store:
                store.merge(batch_of([hit(), hit(api_key=f"k{number}")]))

        jobs: list[Callable[[], object]] = [
            lambda number=number: open_and_merge(number)  # type: ignore[misc]
            for number in range(WRITERS)
        ]
        run_together(*jobs)
        with self.open_store(place) as store:
            expected = [record for number in range(WRITERS) for record in (hit(), hit(api_key=f"k{number}"))]
            check_answers(store, plain_hits(expected), [Selection(ALL_DAYS, EVERYTHING)])
