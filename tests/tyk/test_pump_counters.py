from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.tyk.pump_counters import PumpCounter, whole_number

maybe = st.none() | st.integers(-5, 5)
counters = st.builds(
    PumpCounter,
    *[st.integers(0, 9)] * 6,
    *[maybe] * 5,
    st.dictionaries(st.sampled_from((400, 404, 500)), st.integers(1, 3)),
)


def merged(*parts: PumpCounter) -> PumpCounter:
    total = PumpCounter()
    for part in parts:
        total.merge(part)
    return total


@given(counters, counters, counters)
def test_counters_merge_in_any_order_and_grouping(one, two, three):
    assert merged(one, two, three) == merged(three, one, two) == merged(merged(two, three), one)
    assert merged(one) == one


def test_a_minimum_that_one_part_lacks_is_the_others():
    error, good = PumpCounter(hits=1, error=1, max_latency_ms=7), PumpCounter(hits=1, min_latency_ms=3)
    assert merged(error, good).min_latency_ms == 3
    assert merged(error, good).max_latency_ms == 7
    assert merged(error).min_latency_ms is None


def test_a_state_says_what_pump_counted_and_nothing_else():
    counter = PumpCounter(3, 2, 1, 996, 995, 994, 748, 747, 248, 0, 1_602_580_731_000_000, {503: 1})
    stats = counter.stats()
    assert (stats.hits, stats.success, stats.error, stats.codes) == (3, 2, 1, {503: 1})
    assert (stats.request_time_ms, stats.latency_ms, stats.upstream_latency_ms) == (332, 995 / 3, 994 / 3)
    assert (stats.max_latency_ms, stats.max_upstream_latency_ms) == (748, 747)
    assert (stats.min_latency_ms, stats.min_upstream_latency_ms) == (248, 0)
    assert stats.last_hit_us == 1_602_580_731_000_000
    assert stats.first_hit_us is stats.min_latency_non_error_ms is stats.min_upstream_latency_non_error_ms is None
    assert stats.histogram == {}
    assert stats.latency_percentile_ms(95) is None


def test_codes_are_left_out_where_they_are_not_wanted_and_belong_to_the_state():
    counter = PumpCounter(hits=1, error_codes={500: 1})
    assert counter.stats(distributions=False).codes == {}
    counter.stats().codes[500] = 7
    assert counter.error_codes == {500: 1}


@pytest.mark.parametrize(("value", "number"), [(None, 0), (7, 7), (996.0, 996), (Decimal("2E+3"), 2000), (True, 1)])
def test_numbers_come_in_every_form_that_drivers_have(value, number):
    assert whole_number(value) == number


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), {}, "x"])
def test_what_is_no_number_is_an_error(value):
    with pytest.raises(ValueError):
        whole_number(value)
