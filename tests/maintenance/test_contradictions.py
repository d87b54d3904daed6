"""What no records can have led to is found, and what records led to is not."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.day_row import state_of_row
from tyk_endpoint_stats.core.fields import NAMES
from tyk_endpoint_stats.core.packed import unpack_quarter_hours
from tyk_endpoint_stats.core.record import Latency, Record
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.maintenance import contradictions
from tyk_endpoint_stats.maintenance.contradictions import (
    contradictions_in_counts,
    contradictions_in_state,
    differing_fields,
)
from tyk_endpoint_stats.testing import batch_of, hit, records

QUARTER = Bucket(Width.QUARTER_HOUR, 0)


def state(*hits: tuple[int, int | None]) -> EndpointStats:
    """Hits of (code, latency) in the first seconds of 1970."""
    given = [
        hit(
            0,
            second,
            code=code,
            request_time=7,
            latency=None if latency_ms is None else Latency(latency_ms, latency_ms // 2),
        )
        for second, (code, latency_ms) in enumerate(hits)
    ]
    return state_of_row(batch_of(given).rows[0])


MIXED = state((200, 10), (500, 0), (301, 90), (-3, 12))
ERRORS = state((500, 4), (404, 6))
FINE = state((200, 100), (204, 50))
ONE = state((200, 10))
UPSTREAM = [name for name in NAMES if "upstream" in name]
UNTIMED = state((200, None), (500, None))
HALF_TIMED = state((200, 8), (500, None), (204, None))


@given(st.lists(records(), max_size=30))
def test_no_state_that_records_led_to_is_impossible(given_records: Iterable[Record]) -> None:
    batch = batch_of(list(given_records))
    assert contradictions_in_counts(batch.counts) == []
    for row in (*batch.rows, *batch.totals):
        assert contradictions_in_state(state_of_row(row), Bucket(Width.DAY, row.day)) == []
        for number, stats in unpack_quarter_hours(row.quarter_hours, row.day).items():
            assert contradictions_in_state(stats, Bucket(Width.QUARTER_HOUR, row.day * 96 + number)) == []


@pytest.mark.parametrize("sound", [MIXED, ERRORS, FINE, ONE, UNTIMED, HALF_TIMED])
def test_these_are_sound(sound: EndpointStats) -> None:
    assert contradictions_in_state(sound, QUARTER) == []


@pytest.mark.parametrize(
    ("sound", "changed", "says"),
    [
        (FINE, {"hits": 3}, "codes counts 2 of 3"),
        (FINE, {"hits": 0}, "hits is 0"),
        (FINE, {"hits": -1}, "hits is -1"),
        (FINE, {"success": 1}, "success is 1, by codes 2"),
        (FINE, {"error": 1}, "error is 1, by codes 0"),
        (FINE, {"codes": {200: 3, 201: -1}}, "codes counts 2"),
        (FINE, {"codes": {}}, "codes counts 0"),
        (FINE, {"histogram": {}}, "histogram counts 0"),
        (FINE, {"histogram": {1: 1, 2: 1}}, "ends of histogram"),
        (FINE, {"total_request_time_ms": -1}, "total_request_time_ms is -1"),
        (FINE, {"total_latency_ms": 99}, "total_latency_ms is 99"),
        (FINE, {"total_latency_ms": 201}, "can't sum up to"),
        (FINE, {"total_upstream_latency_ms": 0}, "total_upstream_latency_ms is 0"),
        (FINE, {"max_latency_ms": 40}, "max_latency_ms is 40"),
        (FINE, {"max_latency_ms": None}, "max_latency_ms is missing"),
        (FINE, {"min_latency_all_ms": -5}, "min_latency_all_ms is -5"),
        (FINE, {"min_latency_non_error_ms": 60}, "no hit is an error"),
        (FINE, {"min_latency_non_error_ms": None}, "is None with 0 errors in 2"),
        (ERRORS, {"min_upstream_latency_non_error_ms": 3}, "is 3 with 2 errors in 2"),
        (MIXED, {"min_latency_non_error_ms": 91}, "outside of 0 to 90"),
        (state((200, 10)), {"total_latency_ms": 11, "max_latency_ms": 12}, "total_latency_ms is 11"),
        (state((200, 10)), {"last_hit_us": 1}, "of one hit"),
        (MIXED, {"total_latency_ms": 89}, "total_latency_ms is 89"),
        (UNTIMED, {"histogram": {5: 1}}, "histogram counts 1 of 0"),
        (UNTIMED, {"max_latency_ms": 5}, "max_latency_ms is there without a timed hit"),
        (UNTIMED, {"total_upstream_latency_ms": 5}, "total_upstream_latency_ms is there without a timed hit"),
        (UNTIMED, {"timed_hits": 1}, "is missing"),
        (HALF_TIMED, {"timed_hits": 4}, "timed_hits is 4 of 3 hits"),
        (HALF_TIMED, {"timed_hits": -1}, "timed_hits is -1 of 3 hits"),
        (HALF_TIMED, {"total_latency_ms": 16, "max_latency_ms": 9}, "total_latency_ms is 16"),
        (HALF_TIMED, {"histogram": {1: 3}}, "histogram counts 3 of 1"),
        (FINE, {"first_hit_us": None}, "first_hit_us is missing"),
        (FINE, {"first_hit_us": 2_000_000}, "after last_hit_us"),
        (FINE, {"last_hit_us": 900_000_000}, "outside of its quarter"),
        (FINE, {"first_hit_us": -1}, "outside of its quarter"),
        (ONE, {"total_request_time_ms": -1}, "total_request_time_ms is -1"),
        (ONE, dict.fromkeys(UPSTREAM, -1), "min_upstream_latency_all_ms is -1"),
        (ONE, {"first_hit_us": 900_000_000, "last_hit_us": 900_000_000}, "outside of its quarter"),
        (ONE, {"codes": {200: 2}}, "codes counts 2 of 1"),
    ],
)
def test_one_changed_field_is_found(sound: EndpointStats, changed: dict[str, object], says: str) -> None:
    found = contradictions_in_state(replace(sound, **changed), QUARTER)
    assert any(says in what for what in found), found


def test_the_twin_that_takes_any_single_hit_as_sound_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin looks at no value of a state of one hit."""
    wrong = replace(ONE, **dict.fromkeys(UPSTREAM, -1))
    assert contradictions_in_state(wrong)
    monkeypatch.setattr(contradictions, "is_one_hit", lambda stats: stats.hits == 1)
    assert not contradictions_in_state(wrong)


def test_without_a_bucket_instants_may_be_anywhere() -> None:
    assert contradictions_in_state(replace(FINE, last_hit_us=10**15)) == []


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (Counts(read=3, counted=2), "3 records were read, but 2 counted + 0 skipped + 0 malformed are 2"),
        (Counts(read=2, counted=1, skipped={"tcp": 1}, malformed={"timestamp": 1}), "are 3"),
        (Counts(read=1, counted=1, repaired=2), "2 records were repaired, but only 1 counted"),
        (Counts(read=0, counted=1, skipped={"tcp": -1}), "negative"),
    ],
)
def test_records_that_are_unaccounted_for_are_found(counts: Counts, says: str) -> None:
    assert any(says in what for what in contradictions_in_counts(counts))


def test_differing_fields_are_named() -> None:
    assert differing_fields(FINE, replace(FINE, hits=9, codes={1: 9})) == ["hits", "codes"]
    assert differing_fields(FINE, FINE.copy()) == []
