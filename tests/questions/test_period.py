"""Periods: from days, instants and words to instants, and the period before."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.buckets import ALL_DAYS, Width
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, from_datetime, to_datetime
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.period import EVER, Period

KOLKATA = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 26, 14, 20, 41, tzinfo=UTC)
ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe"]


def edges(period):
    return tuple(period.local(one).strftime("%Y-%m-%d %H:%M") for one in (period.start, period.end))


def test_days_are_inclusive_and_local():
    period = Period.of(date(2026, 10, 1), date(2026, 10, 31), "Asia/Kolkata")
    assert edges(period) == ("2026-10-01 00:00", "2026-11-01 00:00")
    assert (period.first_day, period.last_day, period.is_whole_days) == (
        date(2026, 10, 1),
        date(2026, 10, 31),
        True,
    )
    assert {span.width for span in Period.of(date(2026, 10, 1), date(2026, 10, 31)).spans} == {Width.DAY}


def test_an_open_edge_is_since_ever_or_without_end():
    assert Period.of().spans == ALL_DAYS
    assert Period.of(zone=KOLKATA).spans == ALL_DAYS
    assert Period.of(last=date(2026, 10, 31)).start == EVER[0]
    assert Period.of(date(2026, 10, 31)).end == EVER[1]


def test_an_end_before_the_start_is_empty():
    assert Period.of(date(2026, 10, 2), date(2026, 10, 1)).spans == ()
    assert not Period.of(date(2026, 10, 2), date(2026, 10, 1)).is_whole_days


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.sampled_from(ZONES),
)
def test_instants_are_taken_outward_by_less_than_a_quarter_hour(start, length, zone):
    first, last = start.replace(tzinfo=UTC), (start + length).replace(tzinfo=UTC)
    period = Period.of(first, last, zone)
    assert 0 <= from_datetime(first) - period.start < QUARTER_HOUR_US
    assert 0 <= period.end - from_datetime(last) < QUARTER_HOUR_US
    assert period.start % QUARTER_HOUR_US == period.end % QUARTER_HOUR_US == 0


def test_a_time_without_an_offset_is_a_wall_clock_s():
    assert Period.of(datetime(2026, 10, 1, 5, 30), datetime(2026, 10, 1, 6), KOLKATA) == Period.of(
        datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 1, 0, 30, tzinfo=UTC), KOLKATA
    )


@pytest.mark.parametrize(
    ("text", "zone", "wanted"),
    [
        ("2026-10-13", "UTC", ("2026-10-13 00:00", "2026-10-14 00:00")),
        ("2026-02", "UTC", ("2026-02-01 00:00", "2026-03-01 00:00")),
        ("today", "UTC", ("2026-11-26 00:00", "2026-11-27 00:00")),
        ("today", "Pacific/Kiritimati", ("2026-11-27 00:00", "2026-11-28 00:00")),
        ("yesterday", "Asia/Kolkata", ("2026-11-25 00:00", "2026-11-26 00:00")),
        ("30d", "UTC", ("2026-10-28 00:00", "2026-11-27 00:00")),
        ("1d", "UTC", ("2026-11-26 00:00", "2026-11-27 00:00")),
        ("2w", "UTC", ("2026-11-13 00:00", "2026-11-27 00:00")),
        ("2h", "UTC", ("2026-11-26 12:15", "2026-11-26 14:30")),
        ("45m", "Asia/Kolkata", ("2026-11-26 19:00", "2026-11-26 20:00")),
        ("2026-10-31T14:07", "Asia/Kolkata", ("2026-10-31 14:00", "2026-10-31 14:15")),
        ("2026-10-31T14:00", "Asia/Kolkata", ("2026-10-31 14:00", "2026-10-31 14:00")),
        ("2026-10-31T14:00:00Z", "Asia/Kolkata", ("2026-10-31 19:30", "2026-10-31 19:30")),
    ],
)
def test_a_text_means_a_period(text, zone, wanted):
    assert edges(Period.parse(text, NOW, zone)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-13",
        "2026-02-30",
        "2026-1-1",
        "0d",
        "d",
        "5",
        "1y",
        "31.10.2026",
        "２026-10-01",
    ],
)
def test_what_means_no_period_is_refused(text):
    with pytest.raises(InvalidQuestion):
        Period.parse(text, NOW)


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [
        ("2026-10-01", "2026-10-31", ("2026-10-01 00:00", "2026-11-01 00:00")),
        ("2026-09", "2026-10", ("2026-09-01 00:00", "2026-11-01 00:00")),
        ("yesterday", None, ("2026-11-25 00:00", "2026-11-27 00:00")),
        (None, "2026-10-31", ("2026-10-02 00:00", "2026-11-01 00:00")),
        (None, None, ("2026-10-28 00:00", "2026-11-27 00:00")),
        ("2026-10-31T14:07", "2026-10-31T15:01", ("2026-10-31 14:00", "2026-10-31 15:15")),
        ("2026-10-31T14:00", None, ("2026-10-31 14:00", "2026-11-27 00:00")),
    ],
)
def test_two_texts_mean_from_the_one_to_the_other(first, last, wanted):
    assert edges(Period.between(first, last, NOW)) == wanted


def test_all_has_no_beginning_and_no_end():
    assert Period.between("all", None, NOW).spans == ALL_DAYS
    assert Period.between("all", "2026-10-31", NOW) == Period.of(last=date(2026, 10, 31))


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ("2026-10-01", "2026-10-31", ("2026-09-01 00:00", "2026-10-01 00:00")),
        ("2026-03-01", "2026-03-31", ("2026-02-01 00:00", "2026-03-01 00:00")),
        ("2026-01-01", "2026-03-31", ("2025-10-01 00:00", "2026-01-01 00:00")),
        ("2026-10-05", "2026-10-11", ("2026-09-28 00:00", "2026-10-05 00:00")),
        ("2026-10-05", "2026-10-05", ("2026-10-04 00:00", "2026-10-05 00:00")),
        ("2026-10-05T10:00", "2026-10-05T12:30", ("2026-10-05 07:30", "2026-10-05 10:00")),
    ],
)
@pytest.mark.parametrize("zone", ZONES)
def test_the_period_before(first, last, before, zone):
    assert edges(Period.between(first, last, NOW, zone).previous()) == before


def test_the_day_before_one_of_23_hours_is_a_whole_day():
    period = Period.of(date(2026, 3, 29), date(2026, 3, 29), "Europe/Berlin")
    assert edges(period.previous()) == ("2026-03-28 00:00", "2026-03-29 00:00")
    assert period.end - period.start == 23 * 4 * QUARTER_HOUR_US


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ("2026-10-01", "2026-10-31", ("2025-10-01 00:00", "2025-11-01 00:00")),
        ("2024-02-01", "2024-02-29", ("2023-02-01 00:00", "2023-03-01 00:00")),
        ("2025-02-01", "2025-02-28", ("2024-02-01 00:00", "2024-03-01 00:00")),
        ("2024-02-29", "2024-03-05", ("2023-02-28 00:00", "2023-03-06 00:00")),
        ("2026-10-05T10:00", "2026-10-05T12:30", ("2025-10-05 10:00", "2025-10-05 12:30")),
    ],
)
def test_a_year_before(first, last, before):
    assert edges(Period.between(first, last, NOW, KOLKATA).year_before()) == before


@pytest.mark.parametrize("name", ["previous", "year"])
def test_before_all_time_there_is_nothing(name):
    for period in (Period.of(), Period.of(last=date(2026, 1, 1)), Period.of(date(1, 1, 1), date(1, 12, 31))):
        with pytest.raises(InvalidQuestion):
            period.compared(name, NOW)


def test_compared_with_what_is_said():
    period = Period.of(date(2026, 10, 1), date(2026, 10, 31), KOLKATA)
    assert period.compared("2026-08-01..2026-08-31", NOW) == Period.of(date(2026, 8, 1), date(2026, 8, 31), KOLKATA)
    assert period.compared("2026-08..2026-08", NOW) == Period.of(date(2026, 8, 1), date(2026, 8, 31), KOLKATA)
    for text in ("last", "2026-08-01", "..", "2026-08-01..", "a..b"):
        with pytest.raises(InvalidQuestion):
            period.compared(text, NOW)


@settings(max_examples=60)
@given(st.dates(date(1, 1, 1), date(9999, 12, 31)), st.integers(0, 800), st.sampled_from(ZONES))
def test_any_days_there_are_can_be_asked_for(first, days, zone):
    last = min(date.max.toordinal(), first.toordinal() + days)
    period = Period.of(first, date.fromordinal(last), zone)
    assert period.spans
    if first > date(1, 1, 2) and last < date.max.toordinal() - 1:
        assert (period.first_day, period.last_day.toordinal()) == (first, last)
        assert period.is_whole_days


def test_what_lies_beyond_the_years_there_are_is_shown_as_their_edge():
    period = Period.of(zone=UTC)
    assert period.local(period.start) == to_datetime(EVER[0])
    assert period.local(period.end) == datetime.max.replace(tzinfo=UTC)
