"""The heart of the exam: whatever was merged, a store answers as the records themselves do."""

from itertools import chain, combinations, product

from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Consumer, Dimension, Kind, Selection
from tyk_endpoint_stats.stores.contract import ReadableStore
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTERS,
    EVERYTHING,
    NewPlace,
    StoreExam,
    answer_of,
    check_answers,
    frozen,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, records, selections
from tyk_endpoint_stats.testing.plain import plain_hits

__all__ = ["AnswersExam"]

_BY_CONSUMER = frozenset({Dimension.CONSUMER})
_BY_ENDPOINT = frozenset({Dimension.ENDPOINT})
_SOME_RECORDS = [
    hit(
        FIRST_DAY + number % 3,
        (number * 5_477) % 86_400,
        code=(200, 404, 301, 204)[number % 4],
        latency_ms=number,
        org_id=("org-1", "org-2", "")[number % 3],
        api_key=("k1", "k2", "")[number // 2 % 3],
        oauth_id=("", "c1", "k1")[number // 3 % 3],
        api_id=("api-1", "api-2")[number // 5 % 2],
        path=("/get", "/put", "/get/")[number // 7 % 3],
        alias=("Ann", "", "Bob")[number % 3],
        api_name=("", "One")[number % 2],
    )
    for number in range(60)
]


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

    def test_every_grouping_and_every_filter(self, new_place: NewPlace) -> None:
        """All groupings, times all filters alone and in pairs, times days, quarters and both."""
        filters: list[dict[str, object]] = [
            {"org_id": "org-1"},
            {"org_id": ""},
            {"kind": Kind.OAUTH},
            {"consumer_id": "k1"},
            {"api_id": "api-2"},
            {"path": "/get"},
        ]
        pairs = [one | other for one, other in combinations(filters, 2)]
        mixed = (
            Span(Width.QUARTER, FIRST_DAY * 96 + 50, FIRST_DAY * 96 + 96),
            Span(Width.DAY, FIRST_DAY + 1, 10**6),
        )
        groupings = [frozenset(by) for size in range(4) for by in combinations(Dimension, size)]
        questions = [
            Selection(spans, group_by, **given_filters, distributions=spans is not mixed)  # type: ignore[arg-type]
            for group_by, given_filters, spans in product(
                groupings, [{}, *filters, *pairs], [ALL_DAYS, ALL_QUARTERS, mixed]
            )
        ]
        with self.open_store(new_place()) as store:
            store.merge(batch_of(_SOME_RECORDS[::2]))
            store.merge(batch_of(_SOME_RECORDS[1::2]))
            check_answers(store, plain_hits(_SOME_RECORDS), questions)

    def test_what_is_not_there_is_no_group(self, new_place: NewPlace) -> None:
        """No spans, an empty time, an unknown consumer: no answer, rather than a group of no hits."""
        nothing: list[Selection] = [
            Selection(()),
            Selection((Span(Width.DAY, FIRST_DAY + 1, FIRST_DAY + 2),)),
            Selection((Span(Width.DAY, FIRST_DAY, FIRST_DAY),)),
            Selection(ALL_DAYS, consumer_id="nobody"),
            Selection(ALL_DAYS, consumer_id="k1", kind=Kind.OAUTH),
            Selection(ALL_DAYS, org_id="nowhere"),
            Selection(ALL_DAYS, path="/get/nothing"),
        ]
        with self.open_store(new_place()) as store:
            for selection in [*nothing, Selection(ALL_DAYS), Selection(ALL_QUARTERS, EVERYTHING)]:
                assert answer_of(store, selection) == {}
            store.merge(batch_of([hit()]))
            for selection in nothing:
                assert answer_of(store, selection) == {}, selection
            store.merge(batch_of([]))
            assert [stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()] == [1]

    def test_an_answer_belongs_to_the_caller(self, new_place: NewPlace) -> None:
        """Changing what was answered does not change the next answer."""
        selection = Selection(ALL_DAYS, EVERYTHING)
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit(), hit(code=404)]))
            before = {group: stats.copy() for group, stats in answer_of(store, selection).items()}
            for stats in answer_of(store, selection).values():
                stats.add(200, 1, 1, 1, 1)
            assert answer_of(store, selection) == before

    def test_a_merge_leaves_the_batch_as_it_is(self, new_place: NewPlace) -> None:
        """A batch's states may stand in two buckets at once; a store reads them and changes none."""
        batches = [batch_of(_SOME_RECORDS), batch_of(_SOME_RECORDS[:30])]
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

    def test_a_key_and_a_client_of_one_id_are_two_consumers(self, new_place: NewPlace) -> None:
        """Each with an alias of its own."""
        with self.open_store(new_place()) as store:
            store.merge(
                batch_of([hit(api_key="x", alias="Key"), hit(api_key="", oauth_id="x", alias="Client")] * 2)
            )
            answer = answer_of(store, Selection(ALL_DAYS, _BY_CONSUMER, consumer_id="x"))
            assert {(group.consumer, group.alias, stats.hits) for group, stats in answer.items()} == {
                (Consumer.key("x"), "Key", 2),
                (Consumer.oauth_client("x"), "Client", 2),
            }


def _alias(store: ReadableStore, org_id: str | None = None) -> str:
    (group,) = answer_of(store, Selection(ALL_DAYS, _BY_CONSUMER, org_id=org_id))
    return group.alias


def _api_name(store: ReadableStore, org_id: str | None = None) -> str:
    (group,) = answer_of(store, Selection(ALL_DAYS, _BY_ENDPOINT, org_id=org_id))
    return group.api_name
