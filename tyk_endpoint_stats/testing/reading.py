"""What every store that can be asked has to show, whoever wrote its data."""

import os
from collections.abc import Callable, Sequence
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import AnswerTooLarge, StoreClosed
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTER_HOURS,
    EVERYTHING,
    NewPlace,
    ReadableExam,
    answer_of,
    forked,
    run_together,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, hit, records, selections
from tyk_endpoint_stats.testing.plain import plain_hits
from tyk_endpoint_stats.testing.texts import UGLY_TEXTS

__all__ = ["SOME_RECORDS", "ReadingExam"]

SOME_RECORDS = [
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


class ReadingExam(ReadableExam):
    """``read`` and ``close``. Where the data can't say something, ``expected`` leaves it out."""

    ugly_texts: Sequence[str] = UGLY_TEXTS
    """Ids and paths to try; fewer where the data can't hold some of them, or holds them in another form."""

    every_combination = True
    """Whether each grouping with each filter is asked of days, of quarter hours and of both.

    Else of one of them in turn, for where a question takes a server some time.
    """

    def test_any_records_answer_any_question(self, new_place: NewPlace) -> None:
        """Random records, random questions: every grouping, filter and mix of widths."""

        @self.settings
        @given(given_records=st.lists(records(), max_size=25), questions=st.lists(selections(), max_size=8))
        def answers(given_records: list[Record], questions: list[Selection]) -> None:
            with self.open_filled(new_place(), given_records) as store:
                self.check_filled(store, given_records, questions)

        answers()

    def test_every_grouping_and_every_filter(self, new_place: NewPlace) -> None:
        """All groupings, times all filters alone and in pairs, times (or in turn) days, quarter hours and both."""
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
            Span(Width.QUARTER_HOUR, FIRST_DAY * 96 + 50, FIRST_DAY * 96 + 96),
            Span(Width.DAY, FIRST_DAY + 1, 10**6),
        )
        groupings = [frozenset(by) for size in range(4) for by in combinations(Dimension, size)]
        widths = [ALL_DAYS, ALL_QUARTER_HOURS, mixed]
        questions = [
            Selection(spans, group_by, **given_filters, distributions=spans is not mixed)  # type: ignore[arg-type]
            for place, group_by in enumerate(groupings)
            for number, given_filters in enumerate([{}, *filters, *pairs], place)
            for spans in (widths if self.every_combination else [widths[number % 3]])
        ]
        with self.open_filled(new_place(), SOME_RECORDS) as store:
            self.check_filled(store, SOME_RECORDS, questions)

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
        with self.open_filled(new_place(), []) as store:
            for selection in [*nothing, Selection(ALL_DAYS), Selection(ALL_QUARTER_HOURS, EVERYTHING)]:
                assert answer_of(store, selection) == {}
        with self.open_filled(new_place(), [hit()]) as store:
            for selection in nothing:
                assert answer_of(store, selection) == {}, selection
            assert [stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()] == [1]

    def test_an_answer_of_more_groups_than_are_wanted_is_refused(self, new_place: NewPlace) -> None:
        """One too many is an error, never a shorter answer; so many are answered whole."""
        given_records = [
            hit(FIRST_DAY + number % 2, 3_600 * (number % 5), path=f"/{number % 7}", api_id=f"api-{number % 3}")
            for number in range(90)
        ]
        first = FIRST_DAY * 96
        spans = (
            ALL_DAYS,
            ALL_QUARTER_HOURS,
            (Span(Width.QUARTER_HOUR, first, first + 96), Span(Width.DAY, FIRST_DAY + 1, FIRST_DAY + 2)),
        )
        by_endpoint, by_bucket = frozenset({Dimension.ENDPOINT}), frozenset({Dimension.BUCKET})
        questions = [
            Selection(asked, group_by, consumer_id="k1", api_id=api_id, distributions=api_id is None)
            for asked, group_by, api_id in product(spans, (by_endpoint, by_bucket, EVERYTHING), (None, "api-1"))
        ]
        hits = plain_hits(given_records)
        with self.open_filled(new_place(), given_records) as store:
            for selection in questions:
                expected = self.expected(hits, selection)
                if expected is None:  # the data can't say it
                    continue
                assert answer_of(store, replace(selection, max_groups=len(expected))) == expected, selection
                for fewer in {len(expected) - 1, 0}:
                    with pytest.raises(AnswerTooLarge, match=f"more than {fewer} rows"):
                        store.read(replace(selection, max_groups=fewer))
                assert answer_of(store, selection) == expected, selection

    def test_an_answer_belongs_to_the_caller(self, new_place: NewPlace) -> None:
        """Changing what was answered does not change the next answer."""
        selection = Selection(ALL_DAYS, EVERYTHING)
        with self.open_filled(new_place(), [hit(), hit(code=404)]) as store:
            before = {group: stats.copy() for group, stats in answer_of(store, selection).items()}
            for stats in answer_of(store, selection).values():
                stats.hits += 1
                stats.codes[200] = stats.histogram[1] = 7
            assert answer_of(store, selection) == before

    def test_a_key_and_a_client_of_one_id_are_two_consumers(self, new_place: NewPlace) -> None:
        """Each with an alias of its own."""
        given_records = [hit(api_key="x", alias="Key"), hit(api_key="", oauth_id="x", alias="Client")] * 2
        with self.open_filled(new_place(), given_records) as store:
            selection = Selection(ALL_DAYS, frozenset({Dimension.CONSUMER}), consumer_id="x")
            assert len(answer_of(store, selection)) == 2
            self.check_filled(store, given_records, [selection])

    def test_ids_of_every_ugly_kind_are_found_and_kept_apart(self, new_place: NewPlace) -> None:
        """As organisation, key, client, API and path; no question for one of them finds another."""
        given_records = [hit(path=text, latency_ms=number) for number, text in enumerate(self.ugly_texts)]
        for name in ("org_id", "api_key", "oauth_id", "api_id"):
            given_records += [hit(**{name: text}) for text in self.ugly_texts]  # type: ignore[arg-type]
        questions = [Selection(ALL_DAYS, EVERYTHING)]
        for name in ("org_id", "consumer_id", "api_id", "path"):
            questions += [
                Selection(ALL_DAYS, distributions=False, **{name: text})  # type: ignore[arg-type]
                for text in self.ugly_texts
            ]
        with self.open_filled(new_place(), given_records) as store:
            self.check_filled(store, given_records, questions)

    def test_threads_are_answered_side_by_side(self, new_place: NewPlace) -> None:
        """Eight of them, each as if it were alone."""
        questions = [
            Selection(ALL_DAYS, frozenset({dimension}), distributions=distributions)
            for dimension in Dimension
            for distributions in (True, False)
        ]
        with self.open_filled(new_place(), SOME_RECORDS) as store:
            run_together(*[lambda: self.check_filled(store, SOME_RECORDS, questions)] * 8)

    def test_closing_twice_does_nothing_and_a_closed_store_says_so(self, new_place: NewPlace) -> None:
        """Nor does leaving the ``with`` block of a closed store."""
        with self.open_filled(new_place(), [hit()]) as store:
            store.close()
            store.close()
            with pytest.raises(StoreClosed):
                store.read(Selection(ALL_DAYS))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    def test_a_question_in_a_forked_child_says_so(self, new_place: NewPlace) -> None:
        """A child's question raises ``StoreClosed``, its ``close`` does nothing; the parent's store works on."""
        selection = Selection(ALL_DAYS, EVERYTHING)
        with self.open_filled(new_place(), [hit()]) as store:
            before = answer_of(store, selection)

            def ask() -> None:
                with pytest.raises(StoreClosed):
                    store.read(selection)

            calls: list[Callable[[], object]] = [ask, store.close]
            for call in calls:
                with forked(call) as problem:
                    assert problem == ""
            assert answer_of(store, selection) == before
