"""The quick look at packed states says what the plain one puts into sentences, about sound and damaged ones."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.cells import counts_in
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.rows import state_of
from tyk_endpoint_stats.core.segments import Packed, Quarters, Segment, packed
from tyk_endpoint_stats.core.soundness import (
    day_is_sound,
    quarters_come_to,
    rows_are_sound,
    states_of_day_are_sound,
)
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.maintenance.contradictions import contradictions_in_state
from tyk_endpoint_stats.testing import batch_of, hit, records
from tyk_endpoint_stats.testing.generators import FIRST_DAY

CELL = 15
few_records = st.lists(records(), min_size=1, max_size=12).map(batch_of).filter(lambda batch: batch.segments)


def is_sound(day, row, width):
    """The plain twin, a state at a time."""
    number = day if width is Width.DAY else day * 96 + row[0]
    return not contradictions_in_state(state_of(day, row), Bucket(width, number))


@st.composite
def damaged(draw, row):
    """A row with one value that is another."""
    at = draw(st.integers(0, CELL))
    if at < CELL:
        value = draw(st.sampled_from((-2, -1, 0, 1, 2, 60, 900_000_000, DAY_US)))
        return (*row[:at], draw(st.sampled_from((value, row[at] + value))), *row[at + 1 :])
    if type(row[CELL]) is int:
        return (*row[:CELL], row[CELL] + draw(st.sampled_from((-2048, -1, 1, 2048, 200 * 2048))))
    codes, histogram = map(dict, counts_in(row[CELL]))
    some = draw(st.sampled_from((codes, histogram)))
    some[draw(st.sampled_from(sorted(some)))] = draw(st.integers(-1, 3))
    if draw(st.booleans()):
        some[draw(st.integers(0, 500))] = draw(st.integers(0, 2))
    return (*row[:CELL], (codes, histogram))


def quarters_of(day, part: Packed):
    return part.endpoints, part.lengths, Quarters(day, part.lengths, part.columns, part.cells)


@given(few_records)
def test_what_records_led_to_is_sound_and_comes_to_its_days(batch):
    for segment in batch.segments:
        assert rows_are_sound(row for _, rows in segment.quarters.rows() for row in rows)
        days = {endpoint: state_of(segment.day, row) for endpoint, (row,) in segment.days.rows()}
        assert quarters_come_to(segment.day, [quarters_of(segment.day, segment.quarters)]) == days
        assert states_of_day_are_sound(segment.day, days.values())


@given(few_records, st.sampled_from(Width), st.data())
def test_it_sees_what_the_plain_twin_sees(batch, width, data):
    segment = data.draw(st.sampled_from(batch.segments))
    part, width_us = (segment.days, DAY_US) if width is Width.DAY else (segment.quarters, DAY_US // 96)
    row = data.draw(st.sampled_from([row for _, rows in part.rows() for row in rows]))
    if width is Width.DAY:
        row = (0, *row[1:])
    for _ in range(20):
        other = data.draw(damaged(row))
        if width is Width.DAY:
            other = (0, *other[1:])
        assert rows_are_sound([other], width_us) == is_sound(segment.day, other, width), other
        assert rows_are_sound([row, other], width_us) == is_sound(segment.day, other, width)


@given(few_records, st.data())
def test_it_sees_it_in_a_state_of_a_day_too(batch, data):
    segment: Segment = data.draw(st.sampled_from(batch.segments))
    (_, (row,)), *_ = segment.days.rows()
    stats = state_of(segment.day, row)
    name = data.draw(st.sampled_from([name for name in stats.__struct_fields__ if name.startswith(("min", "max"))]))
    other = replace(stats, **{name: data.draw(st.sampled_from((-1, 0, 1, 55)))})
    bucket = Bucket(Width.DAY, segment.day)
    assert states_of_day_are_sound(segment.day, [stats, other]) == (not contradictions_in_state(other, bucket))


@given(few_records, st.data())
def test_a_day_is_sound_as_long_as_no_value_of_it_or_of_its_quarters_is_another(batch, data):
    segment: Segment = data.draw(st.sampled_from(batch.segments))
    days = {endpoint: (0, *row[1:]) for endpoint, (row,) in segment.days.rows()}
    endpoint, rows = data.draw(st.sampled_from(list(segment.quarters.rows())))
    quarters, day = list(rows), days[endpoint]
    assert day_is_sound(day, quarters)
    of_1970 = [since_1970(segment.day, row, Width.QUARTER_HOUR) for row in quarters]
    assert day_is_sound(since_1970(segment.day, day, Width.DAY), of_1970)
    assert day_is_sound(day, None), "where they were pruned"
    assert not day_is_sound(None, quarters)
    assert not day_is_sound(day, quarters[1:])
    for _ in range(5):
        other = data.draw(damaged(day))
        assert day_is_sound(other, quarters) == (state_of(0, other) == state_of(0, day))
        at = data.draw(st.integers(0, len(quarters) - 1))
        changed = [*quarters[:at], data.draw(damaged(quarters[at])), *quarters[at + 1 :]]
        sound = all(is_sound(segment.day, row, Width.QUARTER_HOUR) for row in changed)
        assert day_is_sound(day, changed) == (sound and sum_of(changed) == state_of(0, day))


def since_1970(day, row, width):
    """With bucket and instants that count from there."""
    bucket, *numbers, first, last, cells = row
    bucket += day if width is Width.DAY else day * 96
    return (bucket, *numbers, first + day * DAY_US, last + day * DAY_US, cells)


def sum_of(rows):
    """The plain twin: what states come to, one by one."""
    total = EndpointStats()
    for row in rows:
        total.merge(state_of(0, row))
    return total


def test_quarters_out_of_order_twice_or_of_another_day_are_not_sound():
    (segment,) = batch_of([hit(second=second) for second in (0, 900, 1800)]).segments
    ((endpoint, (first, second, third)),) = segment.quarters.rows()

    def come_to(*rows):
        return quarters_come_to(FIRST_DAY, [quarters_of(FIRST_DAY, packed({endpoint: rows}))])

    def moved(row, quarter):
        at_us = quarter * DAY_US // 96
        return (quarter, *row[1:13], at_us, at_us, row[CELL])

    assert come_to(first, second, third) is not None
    for rows in ((second, first, third), (first, first), (moved(first, -1), second), (first, moved(third, 96))):
        assert rows_are_sound(rows)
        assert come_to(*rows) is None
    assert come_to(moved(first, 96)) is None


def test_segments_of_one_consumer_are_added_up():
    one, other = (
        batch_of([hit(second=second, path=path) for path in paths]).segments[0]
        for second, paths in ((0, "ab"), (0, "b"))
    )
    parts = [quarters_of(FIRST_DAY, one.quarters), ([1], [1], quarters_of(FIRST_DAY, other.quarters)[2])]
    come_to = quarters_come_to(FIRST_DAY, parts)
    assert {endpoint: stats.hits for endpoint, stats in come_to.items()} == {0: 1, 1: 2}
