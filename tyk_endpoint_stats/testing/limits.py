"""What is at the edge: ids of every ugly kind, sums of 63 bits, the ends of time, and a fork."""

import os
from typing import Any

import pytest

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, Kind
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, row_of_state
from tyk_endpoint_stats.core.fields import SUMS
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.testing.concurrency import check_refuses
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTER_HOURS,
    EVERYTHING,
    NewPlace,
    StoreExam,
    answer_of,
    check_answers,
    forked,
    snapshot,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, timestamp
from tyk_endpoint_stats.testing.plain import plain_hits
from tyk_endpoint_stats.testing.texts import UGLY_TEXTS

__all__ = ["LimitsExam"]

MOST = 2**63 - 1

PLAIN_KEY = "a-key-as-it-was-sent"


def _each(name: str) -> list[dict[str, Any]]:
    return [{name: text} for text in UGLY_TEXTS]


def _state(**fields: int) -> EndpointStats:
    # One hit as the aggregator would have it, but with sums that no test could reach record by record.
    plain: dict[str, Any] = {
        "hits": 1,
        "timed_hits": 1,
        "max_latency_ms": 1,
        "max_upstream_latency_ms": 1,
        "min_latency_all_ms": 1,
    }
    rest = {
        "min_upstream_latency_all_ms": 1,
        "min_latency_non_error_ms": 1,
        "min_upstream_latency_non_error_ms": 1,
        "first_hit_us": FIRST_DAY * 86_400_000_000,
        "last_hit_us": FIRST_DAY * 86_400_000_000,
    }
    state = EndpointStats(**(plain | rest | fields))
    state.codes = {200: state.hits}
    state.histogram = {1: state.timed_hits}
    return state


def _batch(states: dict[str, EndpointStats], **rest: str | None) -> Batch:
    """A batch of states by path, of one key; of its totals only one of one hit, which no test here asks for."""
    rows = [row_of_state(FIRST_DAY, 0, place, stats, {0: stats}) for place, stats in enumerate(states.values(), 1)]
    totals = [row_of_state(FIRST_DAY, 1, EVERY_ENDPOINT, _state(), {0: _state()})]
    consumers = [("org-1", Kind.KEY.value, PLAIN_KEY), ("org-1", EVERYONE, "")]
    return Batch(consumers, [("api-1", path) for path in states], rows, totals, **rest)  # type: ignore[arg-type]


class LimitsExam(StoreExam):
    """Values a store must keep as they are, or refuse whole."""

    def test_ids_of_every_ugly_kind_are_kept_and_kept_apart(self, new_place: NewPlace) -> None:
        """As organisation, key, client, API, path and name; no case, form, space or sign is mended.

        Each of them as a filter is in ``ReadingExam``.
        """
        records = [hit(alias="-", api_name="-", path=text, latency_ms=n) for n, text in enumerate(UGLY_TEXTS)]
        for name in ("org_id", "api_key", "oauth_id", "api_id"):
            records += [hit(**fields) for fields in _each(name)]
        for n, text in enumerate(UGLY_TEXTS):
            names = (text.encode()[:256].decode(), text.encode()[:256].decode())
            records.append(hit(api_key=f"named {n}", api_id=f"named {n}", alias=names[0], api_name=names[1]))
        questions = [Selection(ALL_DAYS, EVERYTHING), Selection(ALL_QUARTER_HOURS, EVERYTHING)]
        with self.open_store(new_place()) as store:
            store.merge(batch_of(records[: len(records) // 2]))
            store.merge(batch_of(records[len(records) // 2 :]))
            check_answers(store, plain_hits(records), questions)

    def test_long_ids_and_paths_are_kept_whole(self, new_place: NewPlace) -> None:
        """The longest of each in one record, and two paths that differ behind the 2,048th byte alone."""
        longest: dict[str, Any] = {
            "org_id": "ö" * 256,
            "api_key": "😀" * 128,
            "oauth_id": "o" * 512,
            "api_id": "\0" * 512,
        }
        names: dict[str, Any] = {"alias": "ä" * 128, "api_name": "n" * 256}
        records = [hit(path="/" + "p" * 3000 + end, **longest, **names) for end in ("a", "b", "a")]
        records += [hit(path="/" + "p" * 2047), hit(path="😀" * 600)]
        with self.open_store(new_place()) as store:
            store.merge(batch_of(records))
            store.merge(batch_of(records[::-1]))
            check_answers(store, plain_hits(records * 2), [Selection(ALL_DAYS, EVERYTHING)])

    def test_extreme_values_are_kept(self, new_place: NewPlace) -> None:
        """The first and last day there are, days before 1970, odd response codes, the longest durations."""
        times = ["0001-01-02T00:00:00Z", "9999-12-30T23:59:59.999999Z", timestamp(-1), timestamp(0)]
        longest: dict[str, Any] = {"request_time": 10**12, "latency": Latency(10**12, 10**12)}
        records = [hit(timestamp=time) for time in times]
        records += [hit(code=code) for code in (-(2**31), -2, 0, 1, 99, 199, 300, 399, 600, 2**31 - 1)]
        records += [hit(**longest), hit(code=500, **longest), hit(code=500, path="/errors", **longest)]
        with self.open_store(new_place()) as store:
            for record in records:
                store.merge(batch_of([record]))
            check_answers(
                store,
                plain_hits(records),
                [Selection(ALL_DAYS, EVERYTHING), Selection(ALL_QUARTER_HOURS, EVERYTHING), Selection(ALL_DAYS)],
            )

    def test_sums_are_exact_up_to_63_bits(self, new_place: NewPlace) -> None:
        """No float comes between: 2**53 + 1 and 2**63 - 1 are what they are."""
        with self.open_store(new_place()) as store:
            for path, parts in (("/53", (2**53, 1)), ("/63", (MOST - 5, 5)), ("/whole", (MOST,))):
                for part in parts:
                    store.merge(_batch({path: _state(**dict.fromkeys(SUMS, part))}))
            for group, stats in answer_of(store, Selection(ALL_DAYS, EVERYTHING)).items():
                assert group.endpoint is not None
                expected = 2**53 + 1 if group.endpoint.path == "/53" else MOST
                assert {getattr(stats, name) for name in SUMS} == {expected}
                assert (stats.codes, stats.histogram) == ({200: expected}, {1: expected})

    @pytest.mark.parametrize("overflowing", SUMS)
    def test_a_sum_past_63_bits_refuses_the_batch_whole(self, new_place: NewPlace, overflowing: str) -> None:
        """Its other states, its names, its counts and its position too; the store works on."""
        full = _state(**(dict.fromkeys(SUMS, 7) | {overflowing: MOST}))
        with self.open_store(new_place()) as store:
            assert store.merge(_batch({"/full": full}, source="s", begins=None, ends="1"))
            before = snapshot(store)
            too_much = _batch({"/a": _state(), "/full": _state(**{overflowing: 1}), "/z": _state()})
            too_much.aliases = {("org-1", Kind.KEY, PLAIN_KEY): (1, "Zoe")}
            too_much.api_names = {("org-1", "api-1"): (1, "Zwei")}
            too_much.counts.read = 5
            for source, begins, ends in (("s", "1", "2"), (None, None, None)):
                too_much.source, too_much.begins, too_much.ends = source, begins, ends
                with pytest.raises(StoreError) as refused:
                    store.merge(too_much)
                assert PLAIN_KEY not in str(refused.value), "where keys are not hashed, it is one"
                assert snapshot(store) == before
            assert store.merge(_batch({"/a": _state()}, source="s", begins="1", ends="2"))
            assert store.position("s") == "2"

    def test_one_state_past_63_bits_is_refused(self, new_place: NewPlace) -> None:
        """Before it can turn into a float."""
        with self.open_store(new_place()) as store:
            before = snapshot(store)
            with pytest.raises(StoreError) as refused:
                store.merge(_batch({"/a": _state(), "/b": _state(total_latency_ms=MOST + 1)}))
            assert PLAIN_KEY not in str(refused.value)
            assert snapshot(store) == before

    def test_an_answer_past_63_bits_is_exact_or_an_error(self, new_place: NewPlace) -> None:
        """Never a float, never wrapped around."""
        with self.open_store(new_place()) as store:
            store.merge(_batch({path: _state(total_latency_ms=MOST - 1) for path in ("/a", "/b", "/c")}))
            try:
                selection = Selection(ALL_DAYS, consumer_id=PLAIN_KEY, api_id="api-1")
                (total,) = answer_of(store, selection).values()
            except StoreError:
                return
            assert repr(total.total_latency_ms) == repr(3 * (MOST - 1))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    def test_a_forked_child_is_told_to_open_its_own(self, new_place: NewPlace) -> None:
        """Every call of the child raises ``StoreClosed``; the parent's store works on."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit()]))
            before = snapshot(store)
            with forked(lambda: check_refuses(store)) as problem:
                assert problem == ""
            with forked(store.close) as problem:
                assert problem == "", "closing what is not its own does nothing"
            assert snapshot(store) == before
            assert store.merge(batch_of([hit()]))
