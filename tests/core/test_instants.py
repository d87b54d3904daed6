"""Instants: text and datetimes into them and back, and the days of every zone against a walk by quarters."""

import random
from datetime import UTC, date, datetime, timedelta, timezone
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.instants import (
    DAY_US,
    QUARTER_HOUR_US,
    day_bounds,
    find_zone,
    format_rfc3339,
    from_datetime,
    parse_rfc3339,
    to_datetime,
)
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.testing.generators import timestamp
from tyk_endpoint_stats.testing.plain import plain_instant_us

FIRST_US, LAST_US = plain_instant_us("0001-01-01T00:00:00Z"), plain_instant_us("9999-12-31T23:59:59.999999Z")
INSTANTS = st.integers(FIRST_US, LAST_US)

ODD_ZONES = (
    *("America/Sao_Paulo", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "America/Havana", "Africa/Casablanca"),
    *("Europe/Dublin", "Antarctica/Troll", "Pacific/Kwajalein", "America/Asuncion", "America/Scoresbysund"),
)
"""Midnights that are missing or come twice, offsets of 45 minutes, days that were left out."""


@given(INSTANTS)
def test_an_instant_comes_back_from_its_datetime_and_from_its_text(at_us):
    assert from_datetime(to_datetime(at_us)) == at_us
    assert from_datetime(parse_rfc3339(format_rfc3339(at_us))) == at_us
    assert plain_instant_us(format_rfc3339(at_us)) == at_us


@given(INSTANTS, st.integers(-1439, 1439), st.integers(0, 9))
def test_text_of_any_offset_and_precision_is_read(at_us, offset_minutes, digits):
    if not FIRST_US <= at_us + offset_minutes * 60_000_000 <= LAST_US:
        return
    text = timestamp(at_us, offset_minutes, digits)
    assert from_datetime(parse_rfc3339(text)) == plain_instant_us(text)


@given(st.text("0123456789-:.TtZz +", max_size=32) | st.text())
def test_any_text_is_an_instant_or_a_value_error(text):
    try:
        found = from_datetime(parse_rfc3339(text))
    except ValueError:
        found = None
    assert found == plain_instant_us(text)


@pytest.mark.parametrize("second", ["60", "60.0", "60.9", "60.999999999"])
def test_a_second_60_is_the_last_microsecond_of_the_minute(second):
    assert parse_rfc3339(f"2016-12-31T23:59:{second}Z") == datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize("fraction", ["9999999", "99999999", "999999999", "9" * 5_000])
def test_digits_after_the_sixth_are_cut_and_never_rounded(fraction):
    moment = parse_rfc3339(f"2020-10-13T23:59:59.{fraction}Z")
    assert moment == datetime(2020, 10, 13, 23, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-10-13",
        "2020-10-13T10:00:00",
        "2020-10-13T10:00Z",
        "2020-W42-2T10:00:00Z",
        "20201013T100000Z",
        "2020-02-30T10:00:00Z",
        "2020-10-13T24:00:00Z",
        "2020-10-13T10:60:00Z",
        "2020-10-13T10:00:61Z",
        "2020-10-13T10:00:00.Z",
        "2020-10-13T10:00:00+24:00",
        "2020-10-13T10:00:00+05:60",
        "0000-10-13T10:00:00Z",
        "12020-10-13T10:00:00Z",
        "-2020-10-13T10:00:00Z",
        "２０２０-10-13T10:00:00Z",
        "2020-10-13T10:00:00Z\n",
        " 2020-10-13T10:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_time_with_an_offset_is_refused(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_a_datetime_without_an_offset_is_no_instant():
    with pytest.raises(ValueError, match="has no offset"):
        from_datetime(datetime(2020, 10, 13))
    assert from_datetime(datetime(1970, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))) == 0


@pytest.mark.parametrize(
    ("at_us", "zone", "text"),
    [
        (0, "UTC", "1970-01-01T00:00:00Z"),
        (-1, "UTC", "1969-12-31T23:59:59.999999Z"),
        (500_000, "Asia/Kolkata", "1970-01-01T05:30:00.5+05:30"),
        (0, "Africa/Abidjan", "1970-01-01T00:00:00Z"),
        (0, "America/St_Johns", "1969-12-31T20:30:00-03:30"),
        (1_602_583_200_123_450, "Asia/Kathmandu", "2020-10-13T15:45:00.12345+05:45"),
        # Seconds of an offset are cut off, as Go does.
        (-315_619_200_000_000, "Africa/Monrovia", "1959-12-31T23:15:30-00:44"),
    ],
)
def test_an_instant_is_written_as_go_writes_it(at_us, zone, text):
    assert format_rfc3339(at_us, ZoneInfo(zone)) == text


@pytest.mark.parametrize(("at_us", "zone"), [(LAST_US, "Asia/Tokyo"), (FIRST_US, "America/New_York")])
def test_at_the_ends_of_time_utc_is_written(at_us, zone):
    assert format_rfc3339(at_us, ZoneInfo(zone)) == format_rfc3339(at_us)


def test_a_zone_is_found_by_its_name_or_named_as_unknown():
    assert find_zone("UTC") is UTC
    assert find_zone("Asia/Kolkata") == ZoneInfo("Asia/Kolkata")
    for name in (
        "Mars/Olympus",
        "",
        "../etc/passwd",
        "/etc/localtime",
        "Europe",
        "a\0b",
        "Asia/Kolkata\n",
        "x" * 5000,
    ):
        with pytest.raises(InvalidQuestion, match="is not known; use an IANA name"):
            find_zone(name)


def hours(day, zone):
    start, end = day_bounds(day, day, ZoneInfo(zone))
    return (end - start) / 3_600_000_000


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Africa/Cairo", date(2023, 4, 28), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Pacific/Apia", date(2011, 12, 29), 24),
        ("Asia/Kolkata", date(2020, 10, 13), 24),
    ],
)
def test_days_have_the_length_they_had(zone, day, length):
    assert hours(day, zone) == length


def test_a_midnight_that_is_missing_is_the_instant_at_which_the_clocks_jumped():
    start, _ = day_bounds(date(2018, 11, 4), date(2018, 11, 4), ZoneInfo("America/Sao_Paulo"))
    assert format_rfc3339(start, ZoneInfo("America/Sao_Paulo")) == "2018-11-04T01:00:00-02:00"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati"])
def test_the_first_and_the_last_day_of_all_have_bounds(zone):
    start, end = day_bounds(date.min, date.max, ZoneInfo(zone))
    offset = ZoneInfo(zone).utcoffset(datetime(9999, 12, 31)) // timedelta(microseconds=1)
    assert end == LAST_US + 1 - offset
    assert abs(start - FIRST_US) < DAY_US
    assert day_bounds(date.max, date.max, ZoneInfo(zone)) == (end - DAY_US, end)


def test_days_that_follow_one_another_share_their_midnights():
    for zone in map(ZoneInfo, ODD_ZONES):
        days = [date(2011, 1, 1) + timedelta(days=number) for number in range(400)]
        bounds = [day_bounds(day, day, zone) for day in days]
        assert all(one[1] == next_one[0] for one, next_one in pairwise(bounds))
        assert day_bounds(days[0], days[-1], zone) == (bounds[0][0], bounds[-1][1])


# Every zone on each day its offset changes, against a walk by quarters.

YEARS = (1980, 2040)


def zones():
    """A name for each zone that differs from the others."""
    by_rules = {}
    for name in sorted(available_timezones()):
        try:
            rules = resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
        except OSError:
            continue
        by_rules.setdefault(rules, name)
    return sorted(by_rules.values())


def days_of_change(zone):
    """The local days around those on which the offset is another than a day before."""
    moment, end = datetime(YEARS[0], 1, 1, tzinfo=UTC), datetime(YEARS[1], 12, 31, tzinfo=UTC)
    before = moment.astimezone(zone).utcoffset()
    found = set()
    while moment < end:
        moment += timedelta(days=1)
        local = moment.astimezone(zone)
        if local.utcoffset() != before:
            before = local.utcoffset()
            found |= {local.date() + timedelta(days=days) for days in (-2, -1, 0, 1)}
    return sorted(found)


def walked_start(day, zone):
    """The first quarter whose local day is ``day`` or a later one."""
    quarter = (day.toordinal() - date(1970, 1, 1).toordinal() - 2) * 96
    while datetime.fromtimestamp(quarter * 900, zone).date() < day:
        quarter += 1
    return quarter * QUARTER_HOUR_US


def plain_midnights(day, zone):
    """A twin for which every day has 24 hours."""
    start = day_bounds(day, day, zone)[0]
    return start, start + DAY_US


def hourly(day, zone):
    """A twin that counts by hours, as Tyk does."""
    return tuple(edge // (4 * QUARTER_HOUR_US) * (4 * QUARTER_HOUR_US) for edge in day_bounds(day, day, zone))


def differing(names, bounds):
    """The days on which ``bounds`` and the walk differ."""
    differ = []
    for name in names:
        zone = ZoneInfo(name)
        walked = {}
        for day in days_of_change(zone):
            for edge in (day, day + timedelta(days=1)):
                if edge not in walked:
                    walked[edge] = walked_start(edge, zone)
            if bounds(day, zone) != (walked[day], walked[day + timedelta(days=1)]):
                differ.append((name, day))
    return differ


def ours(day, zone):
    return day_bounds(day, day, zone)


def test_days_on_which_offsets_change_are_what_a_walk_by_quarters_finds(seed):
    some = random.Random(seed).sample(zones(), 2)
    assert differing({*ODD_ZONES[:8], *some}, ours) == []


@pytest.mark.torture
def test_days_of_every_zone_are_what_a_walk_by_quarters_finds():
    every = zones()
    assert len(every) > 300
    assert differing(every, ours) == []


@pytest.mark.parametrize("twin", [plain_midnights, hourly])
def test_the_walk_finds_days_of_24_hours_and_days_of_whole_hours(twin):
    assert differing(["Australia/Lord_Howe"], twin)


@pytest.mark.torture
def test_every_offset_since_1980_is_a_multiple_of_a_quarter():
    odd = []
    for name in zones():
        zone = ZoneInfo(name)
        for day in range((YEARS[1] - YEARS[0]) * 365):
            offset = (datetime(YEARS[0], 1, 1, tzinfo=UTC) + timedelta(days=day)).astimezone(zone).utcoffset()
            if offset % timedelta(minutes=15):
                odd.append((name, day, offset))
                break
    assert odd == []
