"""The heart of the exam: whatever was merged, a store answers as the records themselves do."""

import tracemalloc
from contextlib import suppress
from itertools import chain, combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.maintenance.copy import copy
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.contract import Copyable
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    EVERYTHING,
    NewPlace,
    StoreExam,
    answer_of,
    check_answers,
    frozen,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, records, selections
from tyk_endpoint_stats.testing.plain import Hit, plain_answer, plain_hits
from tyk_endpoint_stats.testing.reading import SOME_RECORDS

__all__ = ["AnswersExam"]

_EVERY_GROUPING = [Selection(ALL_DAYS, frozenset(by)) for size in range(4) for by in combinations(Dimension, size)]
_BY_CONSUMER = frozenset({Dimension.CONSUMER})
_BY_ENDPOINT = frozenset({Dimension.ENDPOINT})


class AnswersExam(StoreExam):
    """``read`` after any sequence of merges."""

    def test_any_history_answers_as_its_records_do(self, new_place: NewPlace) -> None:
        """Random batches in random order, random questions: every grouping, filter and mix of widths."""

        @self.settings
        @given(
            batches=st.lists(st.lists(records(), max_size=10), max_size=4),
            questions=st.lists(selections(), min_size=1, max_size=8),
        )
        def history(batches: list[list[Record]], questions: list[Selection]) -> None:
            with self.open_store(new_place()) as store:
                for batch in batches:
                    assert store.merge(batch_of(batch))
                check_answers(store, plain_hits(chain.from_iterable(batches)), questions)

        history()

    def test_totals_are_exact_at_any_moment(self, new_place: NewPlace) -> None:
        """Of everyone, endpoints and consumers: after each merge, of late hits too, after a prune and in a copy."""

        @settings(self.settings, max_examples=2 + self.max_examples // 4)
        @given(st.lists(st.lists(records(), max_size=6), min_size=1, max_size=4), st.integers(0, 4))
        def history(batches: list[list[Record]], pruned_days: int) -> None:
            hits: list[Hit] = []
            with self.open_store(new_place()) as store:
                for number, batch in enumerate(batches):
                    store.merge(batch_of(batch))
                    hits += plain_hits(batch)
                    check_answers(store, hits, _EVERY_GROUPING)
                    if number == len(batches) // 2:
                        store.prune((FIRST_DAY + pruned_days) * DAY_US)
                        check_answers(store, hits, _EVERY_GROUPING)
                if isinstance(store, Copyable):
                    target = MemoryStore()
                    copy(store, target)
                    check_answers(target, hits, _EVERY_GROUPING)

        history()

    def test_a_merge_leaves_the_batch_as_it_is(self, new_place: NewPlace) -> None:
        """A store reads a batch's rows and changes none."""
        batches = [batch_of(SOME_RECORDS), batch_of(SOME_RECORDS[:30])]
        before = [frozen(batch) for batch in batches]
        with self.open_store(new_place()) as store:
            for batch in [*batches, *batches]:
                store.merge(batch)
            store.read(Selection(ALL_DAYS, EVERYTHING))
            assert [frozen(batch) for batch in batches] == before

    def test_of_two_names_the_newer_wins_in_any_order(self, new_place: NewPlace) -> None:
        """The newest instant wins; on a tie the greater text; an empty name was never seen."""
        seen = [
            hit(second=10, alias="Oldest", api_name="A"),
            hit(second=20, alias="Ann", api_name="B"),
            hit(second=20, alias="Zoe", api_name="C"),
            hit(second=30),
        ]
        for order in (seen, seen[::-1], [seen[2], seen[0], seen[3], seen[1]]):
            with self.open_store(new_place()) as store:
                for record in order:
                    store.merge(batch_of([record]))
                assert _alias(store) == "Zoe"
                assert _api_name(store) == "C"
                store.merge(batch_of([hit(FIRST_DAY - 5, alias="Zzz", api_name="Zzz")]))
                assert (_alias(store), _api_name(store)) == ("Zoe", "C")
                store.merge(batch_of([hit(FIRST_DAY + 5, alias="Aaa", api_name="Aaa")]))
                assert (_alias(store), _api_name(store)) == ("Aaa", "Aaa")

    def test_a_name_of_before_1970_is_a_name(self, new_place: NewPlace) -> None:
        """Instants may be negative, and zero is an instant like others."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(-3, 5, alias="Early", api_name="Early API")]))
            assert (_alias(store), _api_name(store)) == ("Early", "Early API")
            store.merge(batch_of([hit(0, 0, alias="Zero", api_name="Zero API")]))
            assert (_alias(store), _api_name(store)) == ("Zero", "Zero API")

    def test_names_stay_inside_their_organisation(self, new_place: NewPlace) -> None:
        """Who asks for one organisation learns no name of another's; who asks for all gets the newest."""
        with self.open_store(new_place()) as store:
            store.merge(
                batch_of(
                    [
                        hit(second=10, org_id="org-1", alias="Ann of 1", api_name="API of 1"),
                        hit(second=20, org_id="org-2", alias="Bob of 2", api_name="API of 2"),
                        hit(second=30, org_id="org-3"),
                    ]
                )
            )
            for org_id, alias, api_name in (
                ("org-1", "Ann of 1", "API of 1"),
                ("org-2", "Bob of 2", "API of 2"),
                ("org-3", "", ""),
                (None, "Bob of 2", "API of 2"),
            ):
                assert (_alias(store, org_id), _api_name(store, org_id)) == (alias, api_name)

    def test_the_busiest_are_those_of_the_whole_answer(self, new_place: NewPlace) -> None:
        """With their total; ties too, a consumer of two organisations, and days of another zone."""
        given = [
            hit(
                FIRST_DAY + number % 3,
                36_000 + number % 7 + 60 * day,
                api_key=f"k{number % 31}" if number % 5 else "",
                oauth_id=f"c{number % 29}" if number % 4 == 0 else "",
                path=f"/{number % 37}",
                org_id=f"org-{number % 2}",
                alias=f"Name of {number % 31}",
                code=500 if number % 11 == 0 else 200,
                latency_ms=number % 13,
            )
            for number in range(150)
            for day in range(1 + (number % 31 in (3, 4, 30)))
        ]
        edges = (
            Span(Width.QUARTER_HOUR, FIRST_DAY * 96 + 40, FIRST_DAY * 96 + 96),
            Span(Width.DAY, FIRST_DAY + 1, FIRST_DAY + 2),
        )
        with self.open_store(new_place()) as store:
            store.merge(batch_of(given[::2]))
            store.merge(batch_of(given[1::2]))
            hits = plain_hits(given)
            for by, filters, busiest in (
                (_BY_CONSUMER, {}, 1),
                (_BY_CONSUMER, {"distributions": False}, 2),
                (_BY_CONSUMER, {"org_id": "org-1", "kind": Kind.KEY}, 1),
                (_BY_CONSUMER, {"path": "/3"}, 1),
                (_BY_CONSUMER, {"consumer_id": "nobody"}, 3),
                (_BY_CONSUMER, {"spans": edges}, 1),
                (_BY_ENDPOINT, {}, 1),
                (_BY_ENDPOINT, {"org_id": "org-0", "distributions": False}, 1),
                (_BY_ENDPOINT, {"kind": Kind.KEY}, 1),
                (_BY_ENDPOINT, {"spans": edges}, 1),
                (_BY_CONSUMER | _BY_ENDPOINT, {}, 3),
                (_BY_CONSUMER, {}, 1_000),
            ):
                selection = replace(Selection(ALL_DAYS, by, busiest=busiest), **filters)
                _check_busiest(answer_of(store, selection), plain_answer(hits, selection), selection)

    def test_too_large_an_answer_is_never_in_memory(self, new_place: NewPlace) -> None:
        """A store stops as soon as there is a group too many, and does not look how many more there are."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(path=f"/{number}") for number in range(500)]))
            for distributions in (True, False):
                selection = Selection(ALL_DAYS, _BY_ENDPOINT, consumer_id="k1", distributions=distributions)
                refused, answered = (
                    _peak_bytes(store, replace(selection, max_groups=most, org_id="org-1")) for most in (10, 500)
                )
                assert refused < answered / 4


def _check_busiest(
    answer: dict[Group, EndpointStats], whole: dict[Group, EndpointStats], selection: Selection
) -> None:
    if all(group.groups is None for group in answer):
        assert answer == whole
        return
    sums = EndpointStats()
    for stats in whole.values():
        sums.merge(stats)
    if Dimension.CONSUMER in selection.group_by:
        sums.codes, sums.histogram = {}, {}
    first = sorted(whole, key=lambda group: (-whole[group].hits, -(whole[group].last_hit_us or 0), _ids(group)))
    expected = {group: whole[group] for group in first[: selection.busiest]}
    assert answer == {Group(groups=len(whole)): sums, **expected}, selection


def _ids(group: Group) -> tuple[object, ...]:
    consumer, endpoint = group.consumer, group.endpoint
    return (consumer and (consumer.kind, consumer.id), endpoint and (endpoint.api_id, endpoint.path))


def _peak_bytes(store: ReadableStore, selection: Selection) -> int:
    with suppress(AnswerTooLarge):
        store.read(replace(selection, consumer_id="nobody", max_groups=0))  # what is made once is made now
    tracemalloc.start()
    try:
        with suppress(AnswerTooLarge):
            store.read(selection)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _alias(store: ReadableStore, org_id: str | None = None) -> str:
    (group,) = answer_of(store, Selection(ALL_DAYS, _BY_CONSUMER, org_id=org_id))
    return group.alias


def _api_name(store: ReadableStore, org_id: str | None = None) -> str:
    (group,) = answer_of(store, Selection(ALL_DAYS, _BY_ENDPOINT, org_id=org_id))
    return group.api_name
