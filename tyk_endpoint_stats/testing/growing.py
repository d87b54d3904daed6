"""Days that grew by late hits: added up once, whoever merges, and kept until the days are dropped."""

import time
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.batch import Batch, Consumer
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.ingest.growth import hits_by_day
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Copyable, Retaining
from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam, run_together
from tyk_endpoint_stats.testing.generators import FIRST_DAY, hit, numbered_batch

__all__ = ["GrowingExam", "late_batch"]

_DAY_US = 86_400_000_000
_LATE_US = 1_790_000_000_000_000


def late_batch(batch: Batch, at_us: int = _LATE_US) -> Batch:
    """The batch, as if the store had known all of its days long before."""
    batch.growth = {day: Grown(hits, at_us) for day, hits in hits_by_day(batch).items()}
    return batch


def _merged(store: Store, days: list[int], at_us: int, source: str, number: int) -> list[bool]:
    """A late hit on each of these days, merged twice."""
    records = [hit(day, second) for second, day in enumerate(days)]
    batch = late_batch(numbered_batch(records, source, number), at_us)
    return [store.merge(batch), store.merge(batch)]


def _growth(store: Store) -> dict[int, Grown]:
    assert isinstance(store, Copyable)
    return dict(store.growth())


class GrowingExam(StoreExam):
    """``growth``, and what ``ingest``, ``merge``, ``drop`` and ``forget`` make of it."""

    def test_growth_adds_up_and_its_last_moment_stays(self, new_place: NewPlace) -> None:
        """In any order of moments; a batch that is merged again adds nothing."""
        histories = count()
        late = st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 2**40))
        with self.open_store(new_place()) as store:

            @settings(self.settings, max_examples=2 + self.max_examples // 4)
            @given(st.lists(late, max_size=4))
            def history(merges: list[tuple[list[int], int]]) -> None:
                which = next(histories)
                first = FIRST_DAY + 10 * which
                expected: dict[int, tuple[int, int]] = {}
                for number, (days, at_us) in enumerate(merges):
                    merged = _merged(store, [first + day for day in days], at_us, f"s{which}", number)
                    assert merged == [True, False]
                    for day in days:
                        hits, last_us = expected.get(first + day, (0, 0))
                        expected[first + day] = (hits + 1, max(last_us, at_us))
                assert {day: tuple(grown) for day, grown in _growth(store).items() if day >= first} == expected

            history()

    def test_an_ingest_makes_days_grow_that_were_there_before_it(self, new_place: NewPlace) -> None:
        """Not those that it brings itself, nor yesterday and today."""
        today = time.time_ns() // 1000 // _DAY_US
        with self.open_store(new_place()) as store:
            first = [hit(FIRST_DAY), hit(FIRST_DAY + 1), hit(today - 1), hit(today)]
            assert store.ingest(first).growth == {}
            report = store.ingest([*first, hit(FIRST_DAY, oauth_id="client"), hit(FIRST_DAY + 2)])
            assert {day: grown.hits for day, grown in report.growth.items()} == {FIRST_DAY: 2, FIRST_DAY + 1: 1}
            assert _growth(store) == report.growth

    def test_writers_at_once_tell_of_every_late_hit_once(self, new_place: NewPlace) -> None:
        """Sources that meet in a day, each of them with one of its own."""
        with self.open_store(new_place()) as store:

            def write(writer: int) -> None:
                for number in range(5):
                    _merged(store, [FIRST_DAY, FIRST_DAY + 1 + writer], _LATE_US + writer, f"s{writer}", number)

            run_together(*[lambda writer=writer: write(writer) for writer in range(4)])
            own = {FIRST_DAY + 1 + writer: Grown(5, _LATE_US + writer) for writer in range(4)}
            assert _growth(store) == {FIRST_DAY: Grown(20, _LATE_US + 3), **own}

    def test_growth_goes_with_its_days_and_not_with_a_consumer(self, new_place: NewPlace) -> None:
        """``prune`` and ``forget`` leave it: everyone's hits are there; ``drop`` takes that of the dropped days."""
        with self.open_store(new_place()) as store:
            _merged(store, [FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 2], _LATE_US, "s", 0)
            whole = {FIRST_DAY + day: Grown(1, _LATE_US) for day in range(3)}
            store.prune(_LATE_US)
            assert _growth(store) == whole
            if isinstance(store, Retaining):
                store.forget(Consumer.key("k1"))
                assert _growth(store) == whole
                store.drop((FIRST_DAY + 1) * _DAY_US)
                assert _growth(store) == {FIRST_DAY + day: Grown(1, _LATE_US) for day in (1, 2)}
