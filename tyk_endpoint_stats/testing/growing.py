"""Months that grew after they were closed: counted once, whoever merges, and kept until their days are dropped."""

from datetime import date, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.batch import Batch, Consumer
from tyk_endpoint_stats.core.months import Grown, Month, months_of
from tyk_endpoint_stats.stores.contract import Copyable, Retaining, Store
from tyk_endpoint_stats.testing.exam import NewPlace, StoreExam, run_together
from tyk_endpoint_stats.testing.generators import batch_of, hit

__all__ = ["GrowingExam", "merged_on"]

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)
_SEPTEMBER, _OCTOBER = (date(2020, 9, 1), date(2020, 10, 1))
_LATE = date(2020, 11, 20)


def merged_on(today: date, days: list[date], *, source: str | None = None, number: int = 0) -> Batch:
    """A batch of a hit on each of these days, as an ingest would merge it at noon of that day."""
    begins, ends = (None, None) if source is None else (str(number) if number else None, str(number + 1))
    batch = batch_of([hit(_number(day), second) for second, day in enumerate(days)], source, begins, ends)
    batch.months = months_of(batch.hits_by_day(), _noon(today))
    return batch


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _noon(day: date) -> int:
    return _number(day) * _DAY_US + _DAY_US // 2


def _month(since: date, *grown: tuple[date, int, date]) -> Month:
    return Month(_number(since), {_number(day): Grown(hits, _noon(last)) for day, hits, last in grown})


def _months(store: Store) -> dict[date, Month]:
    assert isinstance(store, Copyable)
    return {_EPOCH + timedelta(days=first): month for first, month in store.months().items()}


def _plain(merges: list[tuple[date, list[date]]]) -> dict[date, Month]:
    """The rule, word by word: closed from the second day of the next month, and from two days after the first merge."""
    since: dict[date, date] = {}
    grown: dict[date, dict[date, tuple[int, date]]] = {}
    for today, days in merges:
        for day in days:
            month = day.replace(day=1)
            since.setdefault(month, today)
            grown.setdefault(month, {})
            second = (month + timedelta(days=31)).replace(day=2)
            if today >= second and today >= since[month] + timedelta(days=2):
                grown[month][day] = (grown[month].get(day, (0, today))[0] + 1, today)
    return {month: _month(since[month], *((day, *of) for day, of in grown[month].items())) for month in grown}


class GrowingExam(StoreExam):
    """``months``, and what ``merge``, ``drop`` and ``forget`` make of it."""

    def test_any_history_tells_which_closed_months_grew(self, new_place: NewPlace) -> None:
        """New months, open ones, closed ones; a batch that is merged again adds nothing."""
        years = count(2000)  # each history has one to itself
        positions = count()
        days = st.integers(0, 40).map(lambda days: timedelta(days=days))
        todays = st.integers(3, 63).map(lambda days: timedelta(days=days))
        with self.open_store(new_place()) as store:

            @settings(self.settings, max_examples=2 + self.max_examples // 4)
            @given(st.lists(st.tuples(todays, st.lists(days, min_size=1, max_size=4)), max_size=6))
            def history(drawn: list[tuple[timedelta, list[timedelta]]]) -> None:
                start = date(next(years), 9, 27)
                merges = [(start + today, [start + day for day in days]) for today, days in sorted(drawn)]
                for today, days in merges:
                    batch = merged_on(today, days, source="s", number=next(positions))
                    assert [store.merge(batch), store.merge(batch)] == [True, False]
                known = {month: of for month, of in _months(store).items() if month.year == start.year}
                assert known == _plain(merges)

            history()

    def test_a_month_that_is_loaded_in_many_batches_has_not_grown(self, new_place: NewPlace) -> None:
        """Nor has one that the store learns nothing of; later it has, on a day without a hit before, too."""
        with self.open_store(new_place()) as store:
            for day in (1, 2, 2, 9):
                store.merge(merged_on(_LATE, [_SEPTEMBER.replace(day=day)]))
            store.merge(batch_of([hit(_number(_OCTOBER))]))
            assert _months(store) == {_SEPTEMBER: _month(_LATE)}
            late = [_SEPTEMBER, _SEPTEMBER, _SEPTEMBER.replace(day=30)]
            week = _LATE + timedelta(days=7)
            store.merge(merged_on(week, late))
            assert _months(store) == {_SEPTEMBER: _month(_LATE, (_SEPTEMBER, 2, week), (late[2], 1, week))}

    def test_writers_at_once_tell_of_every_hit_once(self, new_place: NewPlace) -> None:
        """Sources that meet in a month, new ones and one that is there."""
        with self.open_store(new_place()) as store:
            store.merge(merged_on(_SEPTEMBER, [_SEPTEMBER]))

            def write(writer: int) -> None:
                for number in range(5):
                    days = [_SEPTEMBER, _SEPTEMBER.replace(day=2 + writer), _OCTOBER]
                    store.merge(merged_on(_LATE, days, source=f"s{writer}", number=number))

            run_together(*[lambda writer=writer: write(writer) for writer in range(4)])
            grown = [(_SEPTEMBER.replace(day=2 + writer), 5, _LATE) for writer in range(4)]
            september = _month(_SEPTEMBER, (_SEPTEMBER, 20, _LATE), *grown)
            assert _months(store) == {_SEPTEMBER: september, _OCTOBER: _month(_LATE)}

    def test_growth_goes_with_its_days_and_not_with_a_consumer(self, new_place: NewPlace) -> None:
        """``prune`` and ``forget`` leave it: everyone's hits are there; ``drop`` takes that of the dropped days."""
        with self.open_store(new_place()) as store:
            late = [_SEPTEMBER.replace(day=30), _OCTOBER, _OCTOBER.replace(day=2)]
            store.merge(merged_on(_OCTOBER, late))
            store.merge(merged_on(_LATE, late))
            whole = {
                _SEPTEMBER: _month(_OCTOBER, (late[0], 1, _LATE)),
                _OCTOBER: _month(_OCTOBER, (late[1], 1, _LATE), (late[2], 1, _LATE)),
            }
            store.prune(_noon(_LATE))
            assert _months(store) == whole
            if isinstance(store, Retaining):
                store.forget(Consumer.key("k1"))
                assert _months(store) == whole
                store.drop(_noon(_OCTOBER.replace(day=2)))
                assert _months(store) == {_OCTOBER: _month(_OCTOBER, (late[2], 1, _LATE))}
