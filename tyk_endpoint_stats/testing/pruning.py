"""Pruning: quarters go, days stay, and a question that needs what is gone is an error, never a smaller number."""

import pytest

from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import QuarterHoursPruned
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, NewPlace, StoreExam, answer_of, check_answers
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit
from tyk_endpoint_stats.testing.plain import plain_hits

__all__ = ["PruningExam"]

DAY_US = 86_400_000_000


def _quarters(day: int, first: int = 0, end: int = 96) -> Selection:
    return Selection((Span(Width.QUARTER_HOUR, day * 96 + first, day * 96 + end),), EVERYTHING)


def _hits(*days: int) -> list[Record]:
    return [hit(day, second, alias="Ann") for day in days for second in (0, 5, 43_200, 86_399)]


class PruningExam(StoreExam):
    """``prune``, and ``read`` and ``merge`` afterwards. Day 3 of these is empty."""

    days = (FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 3, FIRST_DAY + 4)

    def test_days_stay_and_quarters_are_counted(self, new_place: NewPlace) -> None:
        """``rows`` says of how many rows the quarter hours went; totals do not count. Then there is nothing to do."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of(_hits(*self.days)))
            assert store.prune((FIRST_DAY + 2) * DAY_US).rows == 2
            assert store.prune((FIRST_DAY + 2) * DAY_US).rows == 0
            assert store.prune(FIRST_DAY * DAY_US).rows == 0
            check_answers(store, plain_hits(_hits(*self.days)), [Selection(ALL_DAYS, EVERYTHING)])

    def test_a_question_that_needs_pruned_quarters_is_an_error(self, new_place: NewPlace) -> None:
        """Even where the asked part of that day was empty; a day without a state has no quarter to miss."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of(_hits(*self.days)))
            store.prune((FIRST_DAY + 3) * DAY_US)
            for selection in (
                _quarters(FIRST_DAY),
                _quarters(FIRST_DAY, 95),
                _quarters(FIRST_DAY, 1, 2),
                _quarters(FIRST_DAY + 1, 0, 1),
                Selection((Span(Width.QUARTER_HOUR, FIRST_DAY * 96 + 190, (FIRST_DAY + 5) * 96),)),
                Selection((Span(Width.DAY, FIRST_DAY + 3, FIRST_DAY + 9), _quarters(FIRST_DAY + 1, 90).spans[0])),
            ):
                with pytest.raises(QuarterHoursPruned):
                    store.read(selection)
            assert answer_of(store, _quarters(FIRST_DAY + 2)) == {}
            assert answer_of(store, _quarters(FIRST_DAY - 1)) == {}
            kept = [_quarters(FIRST_DAY + 3), _quarters(FIRST_DAY + 4, 40, 50)]
            edge = Selection((Span(Width.DAY, FIRST_DAY, FIRST_DAY + 3), *kept[0].spans), EVERYTHING)
            check_answers(store, plain_hits(_hits(*self.days)), [*kept, edge])

    def test_a_day_is_pruned_when_it_has_ended(self, new_place: NewPlace) -> None:
        """An instant inside a day leaves that day's quarters."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of(_hits(*self.days)))
            store.prune((FIRST_DAY + 1) * DAY_US - 1)
            check_answers(store, plain_hits(_hits(*self.days)), [_quarters(FIRST_DAY), _quarters(FIRST_DAY + 1)])
            store.prune((FIRST_DAY + 1) * DAY_US)
            with pytest.raises(QuarterHoursPruned):
                store.read(_quarters(FIRST_DAY))
            check_answers(store, plain_hits(_hits(*self.days)), [_quarters(FIRST_DAY + 1)])

    def test_late_records_of_pruned_time_are_merged_into_days(self, new_place: NewPlace) -> None:
        """Also into a day that was empty, which then has quarters that nobody can ask for."""
        late = _hits(FIRST_DAY, FIRST_DAY + 2, FIRST_DAY + 4)
        with self.open_store(new_place()) as store:
            store.merge(batch_of(_hits(*self.days)))
            store.prune((FIRST_DAY + 3) * DAY_US)
            assert store.merge(batch_of(late, "s", None, "1"))
            everything = plain_hits(_hits(*self.days) + late)
            check_answers(store, everything, [Selection(ALL_DAYS, EVERYTHING), _quarters(FIRST_DAY + 4)])
            for day in (FIRST_DAY, FIRST_DAY + 2):
                with pytest.raises(QuarterHoursPruned):
                    store.read(_quarters(day))
            assert store.prune((FIRST_DAY + 3) * DAY_US).rows == 0, "late quarters are not kept"

    def test_pruning_goes_forward_only(self, new_place: NewPlace) -> None:
        """An earlier instant brings nothing back, on both sides of 1970."""
        for first, later in ((-2, 0), (0, 2), (-5, -3)):
            with self.open_store(new_place()) as store:
                store.merge(batch_of(_hits(first, later - 1)))
                store.prune(later * DAY_US)
                store.prune((first - 1) * DAY_US)
                for day in (first, later - 1):
                    with pytest.raises(QuarterHoursPruned):
                        store.read(_quarters(day))

    def test_a_source_can_go_on_after_pruning(self, new_place: NewPlace) -> None:
        """A position that could come back is not pruned: what was merged is not merged again."""
        batch = batch_of(_hits(*self.days), "s", None, "1")
        with self.open_store(new_place()) as store:
            store.merge(batch)
            store.prune(10**17)
            assert store.merge(batch) is False
            assert store.merge(batch_of(_hits(FIRST_DAY), "s", "1", "2")) is True
