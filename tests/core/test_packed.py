"""Packed values: round trips, one behind the other is the merge, the bytes of version 1, and bytes of any kind."""

from contextlib import suppress

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from msgspec import msgpack
from msgspec.structs import replace

from tyk_endpoint_stats.core import packed
from tyk_endpoint_stats.core.packed import (
    PackedError,
    compact_distribution,
    compact_quarter_hours,
    count_pieces,
    pack,
    pack_distribution,
    pack_quarter_hours,
    unpack_distribution,
    unpack_quarter_hours,
)
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.maintenance.difference import difference
from tyk_endpoint_stats.testing import batch_of, hit, plain_hits, records
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.plain import plain_state

COUNTS = st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.integers(1, 2**63 - 1), max_size=5)
DISTRIBUTIONS = st.tuples(COUNTS, COUNTS)
HITS = st.lists(records(days=1), max_size=8)


def states_of(some):
    """The plain states of the quarter hours of a day."""
    by_quarter_hour = {}
    for one in plain_hits(some):
        day, rest = divmod(one.at_us, 86_400_000_000)
        if one.kind == "everyone" and day == FIRST_DAY:
            by_quarter_hour.setdefault(rest // 900_000_000, []).append(one)
    return {number: plain_state(hits) for number, hits in by_quarter_hour.items()}


def merged(*several):
    whole = {}
    for states in several:
        for number, state in states.items():
            whole.setdefault(number, EndpointStats()).merge(state)
    return whole


def added(one, other):
    return {key: one.get(key, 0) + other.get(key, 0) for key in one | other}


# --- round trips


@given(DISTRIBUTIONS)
def test_a_distribution_comes_back(distribution):
    data = pack_distribution(*distribution)
    assert unpack_distribution(data) == distribution
    assert count_pieces(data) == 1


@given(HITS)
def test_quarter_hours_come_back(some):
    states = states_of(some)
    data = pack_quarter_hours(states)
    assert unpack_quarter_hours(data, FIRST_DAY) == states
    assert count_pieces(data) == bool(states)


@given(HITS, st.integers(0, 96), st.integers(0, 96))
def test_a_part_of_the_day_is_what_lies_in_it(some, first, end):
    data = pack_quarter_hours(states_of(some))
    whole = unpack_quarter_hours(data, FIRST_DAY)
    assert unpack_quarter_hours(data, FIRST_DAY, first, end) == {
        number: state for number, state in whole.items() if first <= number < end
    }


def test_nothing_is_no_bytes_and_no_bytes_are_nothing():
    assert pack_quarter_hours({}) == b""
    assert unpack_quarter_hours(b"", FIRST_DAY) == {}
    assert unpack_distribution(b"") == ({}, {})
    assert count_pieces(b"") == 0


# --- the law: one behind the other is the merge


@given(DISTRIBUTIONS, DISTRIBUTIONS)
def test_two_distributions_behind_each_other_are_their_merge(one, other):
    both = pack_distribution(*one) + pack_distribution(*other)
    expected = added(one[0], other[0]), added(one[1], other[1])
    assert unpack_distribution(both) == expected
    if max([0, *expected[0].values(), *expected[1].values()]) < 2**64:
        assert unpack_distribution(compact_distribution(both)) == expected


@given(HITS, HITS)
def test_two_days_of_quarter_hours_behind_each_other_are_their_merge(one, other):
    one, other = states_of(one), states_of(other)
    both = pack_quarter_hours(one) + pack_quarter_hours(other)
    assert unpack_quarter_hours(both, FIRST_DAY) == merged(one, other)
    compact = compact_quarter_hours(both)
    assert count_pieces(compact) == bool(one or other)
    assert unpack_quarter_hours(compact, FIRST_DAY) == merged(one, other)
    assert compact_quarter_hours(compact) == compact, "of one state there is one compact form"


@given(HITS)
def test_a_flush_packs_what_the_hits_are(some):
    """Also where it packs hits of one quarter hour apart."""
    by_row = {}
    for row in batch_of(some).totals:
        if row.day == FIRST_DAY and row.endpoint == 0 and row.quarter_hours:
            by_row[row.consumer] = merged(unpack_quarter_hours(row.quarter_hours, row.day))
    assert merged(*by_row.values()) == states_of(some)


def test_a_flush_packs_few_hits_of_a_quarter_hour_apart():
    """Of one endpoint, but of several keys: what makes the same row of everyone of them."""
    some = [hit(second=number, api_key=f"k{number}") for number in range(3)]
    (row,) = [row for row in batch_of(some).totals if row.endpoint == 1]
    ((content,),) = [list(packed._contents(row.quarter_hours))]
    hits, states = msgpack.decode(content)
    assert ([hit[0] for hit in hits], states) == ([0, 0, 0], [])
    assert unpack_quarter_hours(row.quarter_hours, row.day)[0].hits == 3
    (_, states) = msgpack.decode(next(packed._contents(compact_quarter_hours(row.quarter_hours))))
    assert len(states) == 1


def test_the_twin_that_keeps_the_last_piece_breaks_the_law(monkeypatch):
    """The broken twin: a quarter hour of a later piece replaces the one before it."""
    monkeypatch.setattr(packed, "_merge_into", lambda states, number, state: states.update({number: state}))
    law = settings(phases=[Phase.generate])(test_two_days_of_quarter_hours_behind_each_other_are_their_merge)
    with pytest.raises(AssertionError):
        law()  # any example will do: to look for the smallest takes half a minute


# --- the format


def test_the_bytes_of_version_1():
    """Files are read by later versions: whoever changes these has to raise the version."""
    assert pack_distribution({200: 2}, {94: 1}) == bytes.fromhex("0109939081ccc802815e01")
    one = plain_state([one for one in plain_hits([hit(second=905, latency_ms=7)]) if one.kind == "key"])
    assert pack_quarter_hours({1: one}) == bytes.fromhex("010f92919601ce004c4b40070707ccc890")
    two = merged({1: one}, {1: one})[1]
    assert pack_quarter_hours({1: two}) == bytes.fromhex(
        "0126" "92" "90" "91" "dc0013" "01" "02" "02" "00" "02" "0e" "0e" "0e" "07070707" "0707"
        "ce004c4b40ce004c4b40" "90" "81ccc802" "815b02"
    )  # fmt: skip


def test_a_hit_without_a_latency_is_minus_one():
    one = plain_state([one for one in plain_hits([hit(second=0, latency=None)]) if one.kind == "key"])
    assert pack_quarter_hours({0: one}) == bytes.fromhex("010b9291960000ffff0accc890")
    assert unpack_quarter_hours(pack_quarter_hours({0: one}), FIRST_DAY) == {0: one}


def test_a_difference_of_one_hit_is_packed_as_a_state():
    """What is missing of two hits, one of which is there, has the extremes of both."""
    one, other = (hit(second=second, latency_ms=latency) for second, latency in ((5, 10), (6, 20)))
    whole, part = (states_of(some)[0] for some in ([one, other], [one]))
    for lacking in (difference(whole, part), replace(part, last_hit_us=part.first_hit_us + 1)):
        assert lacking.hits == 1
        assert unpack_quarter_hours(pack_quarter_hours({0: lacking}), FIRST_DAY) == {0: lacking}


@pytest.mark.parametrize(
    ("length", "head"), [(127, "017f"), (128, "018001"), (16_383, "01ff7f"), (16_384, "01808001"), (300, "01ac02")]
)
def test_the_length_is_seven_bits_a_byte_the_lowest_first(length, head):
    text = "x" * (length - len(msgpack.encode("x" * length)) + length)
    data = pack(text)
    assert data.startswith(bytes.fromhex(head))
    assert data == bytes.fromhex(head) + msgpack.encode(text)
    assert count_pieces(data * 3) == 3


# --- bytes of any kind

SOME_DATA = [
    pack_distribution({200: 5, -1: 2}, {3: 4}),
    pack_quarter_hours({5: EndpointStats(2, 2, 0, 0, 3, first_hit_us=1, last_hit_us=2, codes={200: 2})}),
]


@given(st.binary(max_size=60))
@example(b"\x01\xff\xff\xff\xff\xff\x7f")
@example(b"\x01\x80\x80\x80\x80\x80")
@example(b"\x01\xff\xff\xff\xff\x0f")
@example(b"\x02\x00")
@example(b"\x01")
@example(pack("deep"))
@example(pack(([], [])))
@example(pack(({200: -1}, {2**63: 1})))
@example(b"\x01\x7f" + b"\x91" * 127)
def test_any_bytes_are_a_value_or_a_packed_error(data):
    is_read(data)


@given(st.sampled_from(SOME_DATA), st.data())
def test_damaged_values_are_a_value_or_a_packed_error(good, data):
    place = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[place] ^= data.draw(st.integers(1, 255))
    is_read(bytes(damaged))
    with pytest.raises(PackedError):
        count_pieces(good[: max(1, place)])


def is_read(data):
    for read in (
        unpack_distribution,
        lambda data: unpack_quarter_hours(data, FIRST_DAY),
        compact_distribution,
        compact_quarter_hours,
        count_pieces,
    ):
        with suppress(PackedError):
            read(data)


def test_another_version_is_named():
    with pytest.raises(PackedError, match="version 9; this program knows version 1"):
        unpack_distribution(b"\x09\x00")


def test_what_would_fill_the_memory_stays_in_its_pieces(monkeypatch):
    monkeypatch.setattr(packed, "MAX_COMPACTED_CODES", 3)
    for codes, pieces in (({200: 1, 404: 2, 500: 1}, 1), ({200: 1, 404: 2, 500: 1, 501: 1}, 2)):
        both = pack_distribution(codes, {}) + pack_distribution({200: 1}, {})
        assert count_pieces(compact_distribution(both)) == pieces
        assert unpack_distribution(compact_distribution(both)) == unpack_distribution(both)
        stats = EndpointStats(hits=5, first_hit_us=0, last_hit_us=1, codes=codes)
        split = pack_quarter_hours({0: stats}) + pack_quarter_hours({0: stats})
        assert count_pieces(compact_quarter_hours(split)) == pieces
