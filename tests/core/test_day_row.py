"""Day rows: states in and out, and their merge, which packs one value behind the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.day_row import (
    compacted_row,
    merged_rows,
    plain_of,
    row_of_state,
    state_of_row,
)
from tyk_endpoint_stats.core.fields import NAMES
from tyk_endpoint_stats.core.packed import PackedError, count_pieces, unpack_quarter_hours
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.testing import plain_hits, records
from tyk_endpoint_stats.testing.plain import plain_state

DAY_US, QUARTER_HOUR_US = 86_400_000_000, 900_000_000
HITS = st.lists(records(days=1), min_size=1, max_size=8).map(
    lambda some: [one for one in plain_hits(some) if one.kind == "everyone"]
).filter(bool)  # fmt: skip


def rows_of(hits):
    """A row a day, whoever called what, and its state and quarter hours."""
    for day in sorted({one.at_us // DAY_US for one in hits}):
        of_day = [one for one in hits if one.at_us // DAY_US == day]
        by_number = {}
        for one in of_day:
            by_number.setdefault(one.at_us % DAY_US // QUARTER_HOUR_US, []).append(one)
        quarter_hours = {number: plain_state(some) for number, some in by_number.items()}
        yield row_of_state(day, 3, 4, plain_state(of_day), quarter_hours), plain_state(of_day), quarter_hours


@given(HITS)
def test_a_row_is_its_state_and_its_quarter_hours(hits):
    for row, state, quarter_hours in rows_of(hits):
        assert (row.consumer, row.endpoint, row.hits) == (3, 4, state.hits)
        assert state_of_row(row) == state
        assert unpack_quarter_hours(row.quarter_hours, row.day) == quarter_hours
        assert plain_of(row) == tuple(getattr(state, name) for name in NAMES)
        without = state_of_row(row, distributions=False)
        assert (without.codes, without.histogram, without.hits) == ({}, {}, state.hits)


@given(HITS, HITS)
def test_merged_rows_are_the_row_of_all_hits(some, others):
    whole = {row.day: (row, state, split) for row, state, split in rows_of(some + others)}
    parts = {}
    for row, _, _ in [*rows_of(some), *rows_of(others)]:
        parts.setdefault(row.day, []).append(row)
    assert parts.keys() == whole.keys()
    for day, rows in parts.items():
        expected, state, split = whole[day]
        merged = merged_rows(rows)
        assert count_pieces(merged.distribution) == len(rows)
        assert state_of_row(merged) == state
        assert unpack_quarter_hours(merged.quarter_hours, day) == split
        compact = compacted_row(merged)
        assert (count_pieces(compact.distribution), count_pieces(compact.quarter_hours)) == (1, 1)
        assert (state_of_row(compact), compact[:18]) == (state, expected[:18])
        assert unpack_quarter_hours(compact.quarter_hours, day) == split


def test_the_merge_of_one_row_is_that_row():
    state = EndpointStats(1, 1, 0, 0, 3, first_hit_us=5, last_hit_us=5, codes={200: 1})
    row = row_of_state(0, 1, 2, state, {0: state})
    assert merged_rows([row]) == row


def test_a_row_that_can_not_be_read_says_so():
    state = EndpointStats(1, 1, 0, 0, 3, first_hit_us=5, last_hit_us=5, codes={200: 1})
    row = row_of_state(0, 1, 2, state, {0: state})._replace(distribution=b"\x07")
    with pytest.raises(PackedError):
        state_of_row(row)
    assert state_of_row(row, distributions=False).hits == 1, "who asks for no distribution reads none"
