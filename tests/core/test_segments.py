"""States in columns: packed and unpacked, split and put together, they are the same states."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats import Record
from tyk_endpoint_stats.core import closing
from tyk_endpoint_stats.core.packing import pack, unpack
from tyk_endpoint_stats.core.rows import Row, state_of
from tyk_endpoint_stats.core.segments import Packed, Quarters, compacted, packed
from tyk_endpoint_stats.core.selection import Batch
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, odd_records
from tyk_endpoint_stats.testing.plain import plain_states

lists_of_records = st.lists(odd_records(), max_size=30)


@given(lists_of_records)
def test_a_batch_gives_the_states_of_its_records_in_either_form(records: list[Record]) -> None:
    batch = batch_of(records)
    assert batch.states == plain_states(records)
    assert Batch(batch.states).states == batch.states
    assert unpack(*pack(batch.states)) == batch.states


@given(lists_of_records)
def test_the_newest_hit_is_that_of_the_states(records: list[Record]) -> None:
    batch = batch_of(records)
    last = [stats.last_hit_us for states in batch.states.values() for stats in states.values()]
    assert batch.newest_us() == max(last, default=None) == Batch(batch.states).newest_us()


hits = st.builds(
    hit,
    st.just(FIRST_DAY),
    st.integers(0, 86_399),
    code=st.sampled_from((200, 301, 404, -7, 500)),
    latency_ms=st.integers(0, 10**12),
    path=st.sampled_from(("/a", "/b")),
)


def quarters_of(records: Sequence[Record]) -> Packed:
    """The one segment of hits of one key in one day, its endpoints numbered alike in all of them."""
    (segment,) = batch_of(records).segments
    batch = batch_of(records)
    numbers = [("/a", "/b").index(batch.endpoints[number][1]) for number in segment.quarters.endpoints]
    return packed({number: rows for number, (_, rows) in zip(numbers, segment.quarters.rows(), strict=True)})


@given(st.lists(st.lists(hits, min_size=1, max_size=10), min_size=1, max_size=4))
def test_segments_put_together_are_that_of_one_pass(parts: list[list[Record]]) -> None:
    put_together = compacted(map(quarters_of, parts))
    one_pass = compacted([quarters_of([record for part in parts for record in part])])
    assert as_states(put_together) == as_states(one_pass)
    assert put_together.hits == sum(map(len, parts))


def as_states(part: Packed) -> list[tuple[int, int, EndpointStats]]:
    return [(endpoint, row[0], state_of(FIRST_DAY, row)) for endpoint, rows in part.rows() for row in rows]


def test_that_test_catches_minima_over_errors_taken_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a mark for "no such hit" that is less than any minimum."""
    monkeypatch.setattr(closing, "NO_HIT", -1)
    parts = [quarters_of([hit(code=code, latency_ms=9, path="/a")]) for code in (200, 500)]
    ((_, _, state),) = as_states(compacted(parts))
    assert state.min_latency_non_error_ms == -1, "9 is the truth"


@given(st.lists(hits, min_size=1, max_size=20), st.integers(0, 96), st.integers(0, 96))
def test_a_part_of_a_day_is_read_as_if_it_were_all(records: list[Record], first: int, end: int) -> None:
    part = quarters_of(records)
    reader = Quarters(FIRST_DAY, part.lengths, part.columns, part.cells)
    read = {part.endpoints[index]: reader.state(low, high) for index, low, high in reader.runs(first, end)}
    expected = {}
    for endpoint, rows in part.rows():
        inside: list[Row] = [row for row in rows if first <= row[0] < end]
        if inside:
            merged = EndpointStats()
            for row in inside:
                merged.merge(state_of(FIRST_DAY, row))
            expected[endpoint] = merged
    assert read == expected
