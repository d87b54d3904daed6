"""A state: its laws, what it reads as, and states that break the laws, which the same checks must find."""

from fractions import Fraction
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.stats import merged as merged_states
from tyk_endpoint_stats.testing import Hit
from tyk_endpoint_stats.testing.plain import plain_state

CODES = st.sampled_from((200, 204, 299, 300, 301, 399, 400, 404, 500, 600, 0, 100, 199, -7))
DURATIONS = st.integers(0, 5_000) | st.sampled_from((10**12, 10**12 - 1, 2**40 - 10**12))
HITS = st.tuples(CODES, DURATIONS, DURATIONS | st.none(), DURATIONS, st.integers(-(10**15), 10**15))
SOME_HITS = st.lists(HITS, max_size=12)


def plain_of(hits):
    """Hits as the plain twin has them."""
    return [
        Hit("o", Kind.KEY, "k", "a", "/", at_us, code, request_time, latency, upstream, "", "")
        for code, request_time, latency, given_upstream, at_us in hits
        for upstream in (None if latency is None else given_upstream,)
    ]


def state_of(hits, kind=EndpointStats):
    """The merge of the states of single hits."""
    state = kind()
    for one in plain_of(hits):
        state.merge(plain_state([one]))
    return state


def merged(*states):
    total = type(states[0])()
    for state in states:
        total.merge(state)
    return total


@given(SOME_HITS.filter(bool))
def test_a_state_is_what_its_definition_says(hits):
    assert state_of(hits) == plain_state(plain_of(hits))


@given(SOME_HITS, st.randoms(use_true_random=False))
def test_order_does_not_matter(hits, random):
    shuffled = random.sample(hits, len(hits))
    assert state_of(shuffled) == state_of(hits)


@given(SOME_HITS, SOME_HITS)
def test_merging_is_commutative_and_leaves_the_other_state_alone(mine, theirs):
    left, right = state_of(mine), state_of(theirs)
    before = right.copy()
    assert merged(left, right) == merged(right, left) == state_of(mine + theirs)
    left.merge(right)
    assert right == before
    left.merge(state_of([(200, 1, 1, 1, 1)]))
    assert right == before, "nothing is shared"


@given(SOME_HITS, SOME_HITS, SOME_HITS)
def test_merging_is_associative(one, two, three):
    one, two, three = state_of(one), state_of(two), state_of(three)
    assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(SOME_HITS, SOME_HITS, SOME_HITS)
def test_the_merge_of_many_is_that_of_one_by_one_and_leaves_each_alone(one, two, three):
    states = [state_of(one), state_of(two), state_of(three)]
    before = [state.copy() for state in states]
    for some in (states, states[:2], states[:1], []):
        found = merged_states(some)
        assert found == merged(EndpointStats(), *some)
        found.merge(state_of([(200, 1, 1, 1, 1)]))
    assert states == before


@given(SOME_HITS)
def test_the_empty_state_changes_nothing(hits):
    state = state_of(hits)
    assert merged(state, EndpointStats()) == merged(EndpointStats(), state) == state


@given(SOME_HITS, st.lists(st.integers(0, 12), max_size=4))
def test_one_pass_equals_any_split(hits, cuts):
    edges = [0, *sorted(cuts), len(hits)]
    parts = [state_of(hits[start:end]) for start, end in pairwise(edges)]
    assert merged(*parts) == state_of(hits)


# What each gets wrong is what Tyk Pump does (tyk-pump analytics/aggregate.go), or nearly so.


class LastHitIsTheLastOne(EndpointStats):
    def merge(self, other):
        super().merge(other)
        if other.hits:
            self.last_hit_us = other.last_hit_us


class FirstHitSeedsTheMinimum(EndpointStats):
    def merge(self, other):
        seed = self.min_latency_non_error_ms if self.hits else other.min_latency_all_ms
        super().merge(other)
        if self.min_latency_non_error_ms is None or (seed is not None and seed < self.min_latency_non_error_ms):
            self.min_latency_non_error_ms = seed


class MeansOfMeans(EndpointStats):
    def merge(self, other):
        hits, total = self.hits, self.total_latency_ms
        super().merge(other)
        if hits and other.hits:
            mean = (total / hits + other.total_latency_ms / other.hits) / 2
            self.total_latency_ms = mean * self.hits


def is_lawful(kind):
    """The laws over all orders and splits of four hits that differ in everything."""
    hits = [(500, 7, 0, 0, 40), (200, 5, 90, 80, 30), (301, 6, 40, 20, 60), (404, 1, 3, 1, 10)]
    whole = state_of(hits, kind)
    return all(
        state_of(order, kind) == whole and merged(state_of(order[:cut], kind), state_of(order[cut:], kind)) == whole
        for order in permutations(hits)
        for cut in range(5)
    )


def test_the_laws_tell_a_lawful_state_from_others():
    assert is_lawful(EndpointStats)
    for twin in (LastHitIsTheLastOne, FirstHitSeedsTheMinimum, MeansOfMeans):
        assert not is_lawful(twin), twin


def test_an_empty_state_reads_as_nothing_and_not_as_infinity():
    empty = EndpointStats()
    assert (empty.hits, empty.success, empty.error) == (0, 0, 0)
    for name in ("request_time_ms", "latency_ms", "upstream_latency_ms", "min_latency_ms", "max_latency_ms"):
        assert getattr(empty, name) is None
    assert empty.latency_percentile_ms(50) is None


@pytest.mark.parametrize(
    ("code", "success", "error"),
    [
        *((code, 0, 0) for code in (-7, 0, 100, 199, 300, 399)),
        *((code, 1, 0) for code in (200, 204, 299)),
        *((code, 0, 1) for code in (400, 599, 600, 2**31 - 1)),
    ],
)
def test_what_is_a_success_and_what_an_error(code, success, error):
    state = state_of([(code, 1, 1, 1, 1)])
    assert (state.hits, state.success, state.error, state.codes) == (1, success, error, {code: 1})


@given(SOME_HITS.filter(bool))
def test_means_are_whole_or_the_nearest_float(hits):
    state = state_of(hits)
    for total, hits, mean in (
        (state.total_request_time_ms, state.hits, state.request_time_ms),
        (state.total_latency_ms, state.timed_hits, state.latency_ms),
        (state.total_upstream_latency_ms, state.timed_hits, state.upstream_latency_ms),
    ):
        if not hits:
            assert mean is None
            continue
        exact = Fraction(total, hits)
        assert isinstance(mean, int) == (exact.denominator == 1)
        assert mean == (exact if isinstance(mean, int) else float(exact))


def test_minima_are_over_the_hits_that_are_no_error_where_there_is_one():
    errors = [(503, 9, 0, 0, 1), (404, 9, 2, 1, 2)]
    state = state_of(errors)
    assert (state.min_latency_ms, state.min_upstream_latency_ms) == (0, 0)
    state.merge(state_of([(301, 9, 40, 30, 3)]))
    assert (state.min_latency_ms, state.min_upstream_latency_ms) == (40, 30)
    assert (state.min_latency_all_ms, state.max_latency_ms) == (0, 40)


def test_a_percentile_lies_between_the_extremes():
    state = state_of([(200, 1, 1_000, 1, 1)] * 5)
    assert {state.latency_percentile_ms(percent) for percent in (0, 50, 95, 99, 100)} == {1_000}
    without = state.copy()
    without.codes, without.histogram = {}, {}
    assert without.latency_percentile_ms(50) is None, "the store was asked to leave distributions out"


def test_hits_without_a_latency_have_no_part_in_latencies():
    state = state_of([(200, 4, None, 0, 1), (200, 8, 10, 6, 2), (500, 9, None, 0, 3)])
    assert (state.hits, state.timed_hits, state.request_time_ms) == (3, 1, 7)
    assert (state.latency_ms, state.upstream_latency_ms) == (10, 6)
    assert (state.min_latency_ms, state.max_latency_ms, state.latency_percentile_ms(50)) == (10, 10, 10)
    untimed = state_of([(200, 4, None, 0, 1)])
    assert (untimed.request_time_ms, untimed.latency_ms, untimed.upstream_latency_ms) == (4, None, None)
    assert (untimed.min_latency_ms, untimed.max_latency_ms, untimed.latency_percentile_ms(50)) == (None, None, None)
