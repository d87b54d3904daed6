"""Retention: whole days can be dropped, and a consumer be forgotten, exactly."""

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import EVERYONE, Consumer, Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import QuarterHoursPruned, StoreClosed
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Retaining
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTER_HOURS,
    EVERYTHING,
    NewPlace,
    StoreExam,
    answer_of,
    check_answers,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, numbered_batch, records, selections
from tyk_endpoint_stats.testing.plain import Hit, plain_answer, plain_hits

__all__ = ["RetainingExam"]

_DAY_US = 86_400_000_000
_GROUPINGS = [frozenset[Dimension](), frozenset({Dimension.ENDPOINT}), frozenset({Dimension.CONSUMER}), EVERYTHING]
_EACH_WIDTH = [Selection(spans, by) for spans, by in product((ALL_DAYS, ALL_QUARTER_HOURS), _GROUPINGS)]
_EACH_DAY = [Selection(ALL_DAYS, by) for by in _GROUPINGS]


def _retaining(store: Store) -> Retaining:
    assert isinstance(store, Retaining)
    return store


def _check_but_for_names(store: Store, hits: list[Hit], questions: list[Selection]) -> None:
    """Names outlive the days that they were seen on."""
    for selection in questions:
        answers = (answer_of(store, selection), plain_answer(hits, selection))
        answer, expected = ({replace(g, alias="", api_name=""): s for g, s in one.items()} for one in answers)
        assert answer == expected, selection


def _rows(hits: list[Hit]) -> int:
    """How many rows these hits have: of each consumer and endpoint, and the three kinds of totals."""
    days = [(hit.at_us // _DAY_US, hit.org_id, hit.kind, hit.consumer_id) for hit in hits]
    return len(set(days)) + len({(*day, hit.api_id, hit.path) for day, hit in zip(days, hits, strict=True)})


class RetainingExam(StoreExam):
    """``drop`` and ``forget``, and ``read``, ``merge`` and ``verify`` afterwards."""

    def test_dropped_days_are_gone_and_the_others_as_they_were(self, new_place: NewPlace) -> None:
        """Any records, any day; totals too; and ``verify`` has nothing to say."""

        @settings(self.settings, max_examples=2 + self.max_examples // 4)
        @given(st.lists(st.lists(records(), max_size=8), max_size=3), st.integers(0, 3), st.lists(selections()))
        def history(batches: list[list[Record]], days: int, questions: list[Selection]) -> None:
            before_us = (FIRST_DAY + days) * _DAY_US
            hits = plain_hits(record for batch in batches for record in batch)
            kept = [hit for hit in hits if hit.at_us >= before_us]
            with self.open_store(new_place()) as store:
                for number, batch in enumerate(batches):
                    store.merge(numbered_batch(batch, "s", number))
                assert _retaining(store).drop(before_us) == _rows(hits) - _rows(kept)
                assert _retaining(store).drop(before_us) == 0
                _check_but_for_names(store, kept, [*_EACH_WIDTH, *questions])
                assert verify(store).problems == []
                assert store.position("s") == (str(len(batches)) if batches else None), "nothing is read again"

        history()

    def test_a_day_is_dropped_when_it_has_ended(self, new_place: NewPlace) -> None:
        """An instant inside a day leaves that day."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(FIRST_DAY)]))
            assert _retaining(store).drop((FIRST_DAY + 1) * _DAY_US - 1) == 0
            check_answers(store, plain_hits([hit(FIRST_DAY)]), _EACH_WIDTH)
            assert _retaining(store).drop((FIRST_DAY + 1) * _DAY_US) == 4
            assert answer_of(store, Selection(ALL_DAYS)) == {}

    def test_late_records_of_dropped_time_are_merged_into_days(self, new_place: NewPlace) -> None:
        """As after ``prune``: they count, and their quarter hours can't be asked for."""
        late = [hit(FIRST_DAY, oauth_id="c1"), hit(FIRST_DAY + 1)]
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(FIRST_DAY), hit(FIRST_DAY + 1)]))
            _retaining(store).drop((FIRST_DAY + 1) * _DAY_US)
            store.merge(batch_of(late))
            check_answers(store, plain_hits([hit(FIRST_DAY + 1), *late]), _EACH_DAY)
            with pytest.raises(QuarterHoursPruned):
                store.read(Selection((Span(Width.QUARTER_HOUR, FIRST_DAY * 96, FIRST_DAY * 96 + 1),)))
            assert verify(store).problems == []

    def test_a_forgotten_consumer_is_gone_and_everyone_stays(self, new_place: NewPlace) -> None:
        """Any records: rows, totals and alias of one consumer, in one organisation or in all."""

        @settings(self.settings, max_examples=2 + self.max_examples // 4)
        @given(
            st.lists(st.lists(records(), max_size=8), max_size=3),
            st.builds(Consumer, st.sampled_from(Kind), st.sampled_from(("k1", "k2", "c1", "nobody"))),
            st.sampled_from((None, "", "org-1")),
            st.lists(selections()),
        )
        @example([[hit(), hit(org_id="org-2")]], Consumer.key("k1"), "org-1", [])  # the same key elsewhere stays
        def history(
            batches: list[list[Record]], consumer: Consumer, org_id: str | None, questions: list[Selection]
        ) -> None:
            hits = plain_hits(record for batch in batches for record in batch)
            kept = [hit for hit in hits if not _is_of(hit, consumer, org_id)]
            with self.open_store(new_place()) as store:
                for number, batch in enumerate(batches):
                    store.merge(numbered_batch(batch, "s", number))
                assert _retaining(store).forget(consumer, org_id) == _rows(hits) - _rows(kept)
                assert _retaining(store).forget(consumer, org_id) == 0
                check_answers(store, kept, [*_EACH_WIDTH, *questions])
                assert verify(store).problems == []

        history()

    def test_who_was_forgotten_can_come_again(self, new_place: NewPlace) -> None:
        """As somebody new, without the old alias; also through a handle that had met the old one."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(alias="Ann"), hit(api_key="k2")]))
            assert _retaining(store).forget(Consumer.key("k1")) == 2
            store.merge(batch_of([hit(second=5)]))
            (group,) = answer_of(store, Selection(ALL_DAYS, frozenset({Dimension.CONSUMER}), consumer_id="k1"))
            assert group.alias == ""
            assert [stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()] == [3]
            assert [stats.hits for stats in answer_of(store, Selection(ALL_DAYS, consumer_id="k1")).values()] == [1]
            assert verify(store).problems == []

    def test_a_closed_store_drops_and_forgets_nothing(self, new_place: NewPlace) -> None:
        """Both calls say so."""
        store = self.open_store(new_place())
        store.close()
        with pytest.raises(StoreClosed):
            _retaining(store).drop(0)
        with pytest.raises(StoreClosed):
            _retaining(store).forget(Consumer.key("k1"))


def _is_of(hit: Hit, consumer: Consumer, org_id: str | None) -> bool:
    assert consumer.kind != EVERYONE
    return (hit.kind, hit.consumer_id) == (consumer.kind, consumer.id) and org_id in (None, hit.org_id)
