"""The histogram: exactly OpenTelemetry's bins, percentiles within about 1 %, merges that lose nothing."""

from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.histogram import BINS_PER_DOUBLING, SMALL_BINS, bin_edges, bin_of, percentile
from tyk_endpoint_stats.testing.plain import plain_bin

LARGEST_MS = 10**12
ALL_BINS = range(1, bin_of(LARGEST_MS) + 1)


def test_the_scale_is_opentelemetrys_5():
    assert BINS_PER_DOUBLING == 2**5
    assert bin_of(0) == 0
    assert bin_of(1) == 1
    assert [bin_of(2**power) for power in range(5)] == [1, 33, 65, 97, 129]


@pytest.mark.parametrize("number", [1, 2, 3, 54, 55, 56, 57, 1023, 1024, 1025, 4095, 4096, 4097, 10**6, LARGEST_MS])
def test_a_bin_is_opentelemetrys_index_and_two(number):
    # Index i counts base**i < x <= base**(i + 1) with base = 2**(1/32): to the 32nd power these are whole numbers.
    index = bin_of(number) - 2
    assert number**32 <= 2 ** (index + 1)
    assert index == -1 or number**32 > 2**index


def test_every_edge_is_exact():
    for number in ALL_BINS:
        low, high = bin_edges(number)
        if low > high:
            continue  # so narrow that no whole number lies in it
        assert plain_bin(low) == bin_of(low) == number
        assert plain_bin(high) == bin_of(high) == number
        assert bin_of(high + 1) > number
    assert bin_edges(0) == (0, 0)


def test_the_bins_leave_no_gap():
    above = 1
    for number in ALL_BINS:
        low, high = bin_edges(number)
        assert low == above
        above = high + 1
    assert above > LARGEST_MS


def test_the_table_of_small_bins_is_the_function():
    assert list(SMALL_BINS) == [plain_bin(duration) for duration in range(len(SMALL_BINS))]


@given(st.integers(0, LARGEST_MS))
def test_any_duration_is_in_the_bin_of_its_definition(duration):
    assert bin_of(duration) == plain_bin(duration)


def histogram_of(durations):
    return dict(Counter(map(bin_of, durations)))


def nearest_rank(durations, percent):
    return sorted(durations)[max(ceil(len(durations) * percent / 100), 1) - 1]


DURATIONS = st.lists(st.integers(0, 3_000) | st.integers(0, LARGEST_MS), min_size=1, max_size=40)


@given(DURATIONS, st.sampled_from((0, 1, 25, 50, 90, 95, 99, 100)))
def test_a_percentile_is_good_for_one_percent(durations, percent):
    found, true = percentile(histogram_of(durations), percent), nearest_rank(durations, percent)
    # Half the width of a bin is 1.1 % of its lower edge; edges are whole numbers.
    assert abs(found - true) <= max(true * 0.011, 0.5)
    if true < 55:
        assert found == true


def test_a_coarser_scale_would_be_noticed():
    coarse = {(number - 1) // 4 * 4 + 1: count for number, count in histogram_of([10_000]).items()}
    assert abs(percentile(coarse, 50) - 10_000) > 110


@given(DURATIONS, DURATIONS)
def test_merging_is_adding_and_loses_nothing(mine, theirs):
    added = Counter(histogram_of(mine)) + Counter(histogram_of(theirs))
    assert added == histogram_of(mine + theirs)
    for percent in (50, 95, 99):
        assert percentile(added, percent) == percentile(histogram_of(mine + theirs), percent)


def test_of_nothing_there_is_no_percentile():
    assert percentile({}, 50) is None


@pytest.mark.parametrize("total", [2**53 + 1, 2**63 - 1])
def test_the_last_rank_of_very_many_hits_is_a_hit(total):
    # A float can't tell such totals apart: a rank of one more than there are hits must not come out.
    assert percentile({1: total}, 100.0) == 1
    assert percentile({1: total - 1, 33: 1}, 100) == 2


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_what_is_no_percentage_is_refused(percent):
    with pytest.raises(ValueError, match="0 to 100"):
        percentile({1: 1}, percent)
