"""The span planner: exactly the range asked for, in the fewest buckets."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.buckets import (
    QUARTER_HOURS_PER_DAY,
    Bucket,
    Span,
    Width,
    bucket_start,
    plan_spans,
)
from tyk_endpoint_stats.core.instants import DAY_US, QUARTER_HOUR_US

QUARTERS = st.integers(-400, 400)


def quarters_of(spans):
    """Every quarter that the spans cover, in order."""
    covered = []
    for span in spans:
        width = QUARTER_HOURS_PER_DAY if span.width is Width.DAY else 1
        covered += range(span.first * width, span.end * width)
    return covered


@given(QUARTERS, QUARTERS)
def test_a_plan_covers_the_range_and_nothing_twice(first, end):
    spans = plan_spans(first * QUARTER_HOUR_US, end * QUARTER_HOUR_US)
    assert quarters_of(spans) == list(range(first, end))
    assert all(span.first < span.end for span in spans)


@given(QUARTERS, QUARTERS)
def test_a_plan_has_as_many_days_as_fit(first, end):
    spans = plan_spans(first * QUARTER_HOUR_US, end * QUARTER_HOUR_US)
    days = {day for span in spans if span.width is Width.DAY for day in range(span.first, span.end)}
    assert days == {day for day in range(-5, 6) if first <= day * 96 and day * 96 + 96 <= end}
    quarters = [span for span in spans if span.width is Width.QUARTER_HOUR]
    assert len(quarters) <= 2
    if days:
        assert all(span.end - span.first < QUARTER_HOURS_PER_DAY for span in quarters)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=3, max_size=6))
def test_ranges_that_touch_neither_overlap_nor_leave_a_gap(instants):
    # Also where their edges are no quarters, as before 1980 in a few zones.
    instants.sort()
    pieces = [plan_spans(start, end) for start, end in pairwise(instants)]
    whole = plan_spans(instants[0], instants[-1])
    assert [quarter for piece in pieces for quarter in quarters_of(piece)] == quarters_of(whole)


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        (0, 0, ()),
        (5, 5, ()),
        (QUARTER_HOUR_US, 0, ()),
        (0, DAY_US, (Span(Width.DAY, 0, 1),)),
        (-DAY_US, 2 * DAY_US, (Span(Width.DAY, -1, 2),)),
        (0, DAY_US - QUARTER_HOUR_US, (Span(Width.QUARTER_HOUR, 0, 95),)),
        (QUARTER_HOUR_US, DAY_US, (Span(Width.QUARTER_HOUR, 1, 96),)),
        (
            -QUARTER_HOUR_US,
            DAY_US + QUARTER_HOUR_US,
            (Span(Width.QUARTER_HOUR, -1, 0), Span(Width.DAY, 0, 1), Span(Width.QUARTER_HOUR, 96, 97)),
        ),
        (
            QUARTER_HOUR_US,
            DAY_US + QUARTER_HOUR_US,
            (Span(Width.QUARTER_HOUR, 1, 96), Span(Width.QUARTER_HOUR, 96, 97)),
        ),
    ],
)
def test_examples(start, end, spans):
    assert quarters_of(plan_spans(start, end)) == quarters_of(spans)
    assert {span for span in plan_spans(start, end) if span.width is Width.DAY} == {
        span for span in spans if span.width is Width.DAY
    }


def test_a_month_in_utc_is_days_alone_and_elsewhere_has_at_most_95_quarters_at_each_edge():
    assert plan_spans(0, 30 * DAY_US) == (Span(Width.DAY, 0, 30),)
    first, middle, last = plan_spans(QUARTER_HOUR_US, 30 * DAY_US + 95 * QUARTER_HOUR_US)
    assert (first.end - first.first, middle.end - middle.first, last.end - last.first) == (95, 29, 95)


@given(st.sampled_from(Width), st.integers(-(10**6), 10**6))
def test_a_bucket_begins_where_the_one_before_it_ends(width, number):
    at_us = bucket_start(Bucket(width, number))
    assert at_us == number * (DAY_US if width is Width.DAY else QUARTER_HOUR_US)
