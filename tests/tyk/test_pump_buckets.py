from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.buckets import Bucket, Span, Width, plan_spans
from tyk_endpoint_stats.core.instants import DAY_US, QUARTER_HOUR_US, day_bounds
from tyk_endpoint_stats.errors import EdgeInsideBucket
from tyk_endpoint_stats.tyk.pump_buckets import HOUR_US, TimeRange, bucket_of, is_covered, time_ranges

DAY = 18548  # 2020-10-13
KOLKATA = plan_spans(*day_bounds(date(2020, 10, 13), date(2020, 10, 13), ZoneInfo("Asia/Kolkata")))
UTC_DAY = plan_spans(*day_bounds(date(2020, 10, 13), date(2020, 10, 13)))


def test_spans_that_touch_are_one_range():
    assert len(KOLKATA) == 1
    spans = (Span(Width.DAY, DAY, DAY + 2), Span(Width.QUARTER_HOUR, DAY * 96 - 2, DAY * 96), Span(Width.DAY, 5, 5))
    assert time_ranges(spans) == (TimeRange(DAY * DAY_US - 2 * QUARTER_HOUR_US, (DAY + 2) * DAY_US),)
    assert time_ranges((Span(Width.DAY, 9, 10), Span(Width.DAY, 5, 6))) == (
        TimeRange(5 * DAY_US, 6 * DAY_US),
        TimeRange(9 * DAY_US, 10 * DAY_US),
    )


def test_an_hour_of_a_whole_utc_day_is_covered():
    ranges = time_ranges(UTC_DAY)
    inside = [is_covered(DAY * DAY_US + hour * HOUR_US, HOUR_US, ranges) for hour in range(-2, 26)]
    assert inside == [False] * 2 + [True] * 24 + [False] * 2


def test_an_hour_of_utc_at_the_edge_of_a_day_in_kolkata_is_an_error():
    ranges = time_ranges(KOLKATA)
    with pytest.raises(EdgeInsideBucket, match="60 minutes from 2020-10-12T18:00:00Z"):
        is_covered(DAY * DAY_US - 6 * HOUR_US, HOUR_US, ranges)
    assert is_covered(DAY * DAY_US - 5 * HOUR_US, HOUR_US, ranges)
    assert not is_covered(DAY * DAY_US - 7 * HOUR_US, HOUR_US, ranges)


def test_a_pump_in_kolkata_answers_for_kolkata_and_not_for_utc():
    half_past = DAY * DAY_US - HOUR_US // 2
    assert is_covered(half_past, HOUR_US, time_ranges(KOLKATA))
    with pytest.raises(EdgeInsideBucket):
        is_covered(half_past, HOUR_US, time_ranges(UTC_DAY))


def test_hours_lie_in_days_and_not_in_quarters():
    days, quarters = (Span(Width.DAY, DAY, DAY + 2),), (Span(Width.QUARTER_HOUR, DAY * 96, DAY * 96 + 8),)
    assert bucket_of(DAY * DAY_US + 23 * HOUR_US, HOUR_US, days) == Bucket(Width.DAY, DAY)
    assert bucket_of((DAY - 1) * DAY_US, HOUR_US, days) is None
    for start_us, spans in ((DAY * DAY_US, quarters), (DAY * DAY_US + 47 * HOUR_US // 2, days)):
        with pytest.raises(EdgeInsideBucket):
            bucket_of(start_us, HOUR_US, spans)
    assert bucket_of(DAY * DAY_US + 16 * 60_000_000, 60_000_000, quarters) == Bucket(
        Width.QUARTER_HOUR, DAY * 96 + 1
    )


quarter_spans = st.lists(st.tuples(st.integers(-8, 8), st.integers(0, 4)), max_size=3)


@given(quarter_spans, st.integers(-10, 10), st.sampled_from((1, 2, 4)))
def test_a_bucket_is_covered_if_all_of_it_is(pairs, start, length):
    spans = [Span(Width.QUARTER_HOUR, first, first + size) for first, size in pairs]
    asked = {quarter for span in spans for quarter in range(span.first, span.end)}
    if len(asked) < sum(size for _, size in pairs):
        return  # a question's spans do not overlap
    own = set(range(start, start + length))
    try:
        covered = is_covered(start * QUARTER_HOUR_US, length * QUARTER_HOUR_US, time_ranges(spans))
    except EdgeInsideBucket:
        assert own & asked
        assert own - asked
    else:
        assert covered == (own <= asked) == bool(own & asked)
