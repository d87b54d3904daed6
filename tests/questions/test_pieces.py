"""The pieces of a period: without gaps, at the edges of the zone's days, as many as are said."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.buckets import Width, bucket_start, plan_spans
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval, Pieces, piece_numbers, spans_of

ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Europe/Berlin"]


def starts(period, interval):
    return [period.local(start).strftime("%m-%d %H:%M") for start, _ in Pieces(period, interval)]


@settings(max_examples=100)
@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1)),
    st.timedeltas(timedelta(0), timedelta(days=40)),
    st.sampled_from(ZONES),
    st.sampled_from(list(Interval)),
    st.booleans(),
)
def test_together_they_are_the_period(start, length, zone, interval, whole_days):
    end = start + length
    period = Period.of(start.date(), end.date(), zone) if whole_days else Period.of(start, end, zone)
    pieces = Pieces(period, interval)
    listed = list(pieces[:])
    assert len(listed) == len(pieces)
    assert [pieces[number] for number in range(len(pieces))] == listed
    assert all(first[1] == second[0] for first, second in pairwise(listed))
    assert all(one[0] <= one[1] for one in listed)
    if listed:
        assert (listed[0][0], listed[-1][1]) == (period.start, period.end)
        assert pieces[-1] == listed[-1]
        assert pieces[1:3] == listed[1:3]
    buckets = {number for span in plan_spans(period.start, period.end) for number in quarter_hours(span)}
    mine = [number for span in spans_of(listed) for number in quarter_hours(span)]
    assert len(mine) == len(set(mine)), "no bucket is asked for twice"
    assert set(mine) == (buckets if listed else set())


def quarter_hours(span):
    factor = 96 if span.width is Width.DAY else 1
    return range(span.first * factor, span.end * factor)


@settings(max_examples=60)
@given(st.dates(date(1975, 1, 1), date(2035, 1, 1)), st.sampled_from(ZONES), st.sampled_from(list(Interval)))
def test_each_bucket_lies_in_the_piece_whose_number_is_said(first, zone, interval):
    pieces = Pieces(Period.of(first, first + timedelta(days=5), zone), interval)[:]
    number_of = piece_numbers(pieces)
    for span in spans_of(pieces):
        for number in range(span.first, span.end):
            from tyk_endpoint_stats.core.buckets import Bucket, bucket_end

            bucket = Bucket(span.width, number)
            start, end = pieces[number_of(bucket_start(bucket))]
            assert start <= bucket_start(bucket)
            assert bucket_end(bucket) <= end


def test_local_midnights_mondays_and_firsts_begin_pieces():
    period = Period.of(date(2026, 9, 29), date(2026, 10, 12), "Asia/Kolkata")
    assert starts(period, Interval.WEEK) == ["09-29 00:00", "10-05 00:00", "10-12 00:00"]
    assert starts(period, Interval.MONTH) == ["09-29 00:00", "10-01 00:00"]
    assert starts(period, Interval.DAY)[:2] == ["09-29 00:00", "09-30 00:00"]


def test_a_day_on_which_the_clocks_change_is_one_piece_of_its_own_length():
    period = Period.of(date(2026, 10, 25), date(2026, 10, 25), "Europe/Berlin")
    assert len(Pieces(period, Interval.DAY)) == 1
    assert starts(period, Interval.HOUR)[1:5] == ["10-25 01:00", "10-25 02:00", "10-25 02:00", "10-25 03:00"]
    assert len(Pieces(period, Interval.HOUR)) == 25


def test_a_day_that_was_left_out_has_a_piece_without_a_length():
    period = Period.of(date(2011, 12, 29), date(2011, 12, 31), "Pacific/Apia")
    assert [end - start > 0 for start, end in Pieces(period, Interval.DAY)] == [True, False, True]


def test_hours_begin_with_the_full_local_hour():
    first = datetime(2026, 10, 1, 10, 20, tzinfo=UTC)
    period = Period.of(first, first + timedelta(hours=2), "Asia/Kolkata")
    assert starts(period, Interval.HOUR) == ["10-01 15:45", "10-01 16:00", "10-01 17:00"]
    assert starts(period, Interval.QUARTER_HOUR)[0] == "10-01 15:45"


def test_millions_of_pieces_cost_nothing_until_they_are_looked_at():
    pieces = Pieces(Period.of(date(1, 1, 1), date(9999, 12, 31)), Interval.QUARTER_HOUR)
    assert len(pieces) == 3_652_059 * 96
    assert pieces[300_000_000][1] - pieces[300_000_000][0] == 900_000_000
    assert len(pieces[350_000_000:350_000_010]) == 10
    assert pieces[-1][1] == pieces.period.end
    with pytest.raises(IndexError):
        pieces[len(pieces)]
    with pytest.raises(ValueError):
        pieces[::2]


def test_an_interval_that_there_is_not_is_refused():
    with pytest.raises(InvalidQuestion, match="must be 15m, 1h, 1d, 1w or 1mo, not '5m'"):
        Interval.parse("5m")
