"""Periods: how addresses name them, how people call them, what they are compared with."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.views.periods import (
    compare_period,
    next_period,
    period_name,
    period_phrase,
    period_query,
    read_period,
    short_name,
)
from tyk_endpoint_stats.views.timeline import finest_interval, make_timeline

NOW = datetime(2026, 11, 26, 14, 7, tzinfo=UTC)
TODAY = NOW.date()
KOLKATA = ZoneInfo("Asia/Kolkata")


def read(zone: object = UTC, **parameters: str) -> Period:
    return read_period({name.rstrip("_"): text for name, text in parameters.items()}, zone, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameters", "name", "short", "phrase"),
    [
        ({"period": "2026-10"}, "October", "October", "in October"),
        ({"period": "2025-10"}, "October 2025", "October 2025", "in October 2025"),
        ({}, "28 October – 26 November", "28 Oct – 26 Nov", "from 28 October to 26 November"),
        ({"from_": "2026-11-03", "to": "2026-11-09"}, "3 – 9 November", "3 – 9 Nov", "from 3 to 9 November"),
        (
            {"from_": "2026-11-24", "to": "2026-11-24"},
            "Tuesday 24 November",
            "Tue 24 Nov",
            "on Tuesday 24 November",
        ),
        ({"from_": "2025-12-24", "to": "2026-01-02"}, "24 December 2025 – 2 January", "24 Dec 2025 – 2 Jan", None),
        (
            {"from_": "2026-11-24T09:00:00Z", "to": "2026-11-24T09:15:00Z"},
            "24 November, 09:00–09:15",
            "24 Nov, 09:00–09:15",
            "on 24 November, 09:00–09:15",
        ),
    ],
)
def test_a_period_is_called_as_people_call_it(
    parameters: dict[str, str], name: str, short: str, phrase: str | None
) -> None:
    period = read(**parameters)
    assert (period_name(period, TODAY), short_name(period, TODAY)) == (name, short)
    assert phrase is None or period_phrase(period, TODAY) == phrase


@pytest.mark.parametrize("zone", [UTC, KOLKATA, ZoneInfo("America/Sao_Paulo")])
@pytest.mark.parametrize("text", ["24h", "7d", "30d", "2026-10", "2h"])
def test_the_address_of_a_period_names_the_same_one_from_another_zone_a_year_later(text: str, zone: object) -> None:
    period = read(zone, period=text)
    later = read_period(period_query(period), ZoneInfo("Pacific/Auckland"), NOW + timedelta(days=365))
    assert (later.start, later.end) == (period.start, period.end)


@pytest.mark.parametrize(
    "parameters",
    [
        {"from_": "yesterdayish"},
        {"period": "all"},
        {"from_": "2026-13-01", "to": "2026-14-01"},
        {"zone_": "Mars/Base"},
    ],
)
def test_what_cannot_be_read_is_the_last_30_days(parameters: dict[str, str]) -> None:
    assert read(**parameters) == Period.latest("30d", NOW, UTC)


def test_a_month_is_compared_with_the_month_before_and_its_line_lies_weekday_under_weekday() -> None:
    found = compare_period(read(period="2026-10"), "previous", NOW)
    assert found is not None
    assert (found.name, found.when, found.shift_days) == ("September", "in September", 28)
    assert (found.period.first_day.isoformat(), found.period.last_day.isoformat()) == ("2026-09-01", "2026-09-30")


def test_of_a_period_that_goes_on_only_what_has_passed_is_compared() -> None:
    found = compare_period(read(period="2026-11"), "previous", NOW)
    assert found is not None
    assert found.name == "1–26 October"
    passed = from_datetime(datetime(2026, 11, 26, 14, 15, tzinfo=UTC)) - read(period="2026-11").start
    assert found.period.end - found.period.start == passed


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("year", "October 2025"),
        ("none", None),
        ("2026-08-01..2026-08-31", "August"),
        ("2027-01-01..2027-02-01", "September"),
        ("rubbish", "September"),
    ],
)
def test_other_comparisons(how: str, name: str | None) -> None:
    found = compare_period(read(period="2026-10"), how, NOW)
    assert (found and found.name) == name


def test_periods_follow_each_other() -> None:
    october = read(period="2026-10")
    following = next_period(october)
    assert following == read(period="2026-11")
    assert next_period(read(from_="2026-11-03", to="2026-11-09")) == read(from_="2026-11-10", to="2026-11-16")
    quarter = next_period(read(from_="2026-11-24T09:00:00Z", to="2026-11-24T09:15:00Z"))
    assert quarter is not None
    assert period_name(quarter, TODAY) == "24 November, 09:15–09:30"


@pytest.mark.parametrize(
    ("days", "interval", "columns"),
    [
        (1, Interval.QUARTER_HOUR, 96),
        (2, Interval.QUARTER_HOUR, 192),
        (8, Interval.HOUR, 192),
        (200, Interval.DAY, 200),
    ],
)
def test_a_chart_has_at_most_200_columns(days: int, interval: Interval, columns: int) -> None:
    first = TODAY - timedelta(days=days - 1)
    period = Period.of(first, TODAY)
    timeline = make_timeline(period, None)
    assert (finest_interval(period), len(timeline.columns)) == (interval, columns)
    assert len(make_timeline(Period.of(TODAY - timedelta(days=7_000), TODAY), None).columns) <= 240


@pytest.mark.parametrize("how", ["previous", "year", "2026-01-05..2026-02-01"])
@pytest.mark.parametrize("text", ["2026-10", "2026-11", "7d", "24h", "30d"])
@pytest.mark.parametrize("zone", [UTC, KOLKATA, ZoneInfo("America/New_York")])
def test_every_bucket_belongs_to_one_place_and_both_periods_are_covered(how: str, text: str, zone: object) -> None:
    period = read(zone, period=text)
    compared = compare_period(period, how, NOW)
    timeline = make_timeline(period, compared)
    covered = {True: 0, False: 0}
    from tyk_endpoint_stats.core.buckets import Bucket, bucket_end, bucket_start

    for span in timeline.spans:
        for number in range(span.first, span.end):
            bucket = Bucket(span.width, number)
            place = timeline.place(bucket)
            assert not (place.now and place.before)
            if place.now:
                assert place.column is not None
                start, end = timeline.columns[place.column]
                assert start <= bucket_start(bucket) < bucket_end(bucket) <= end
            if place.now or place.before:
                covered[place.now] += bucket_end(bucket) - bucket_start(bucket)
    assert covered[True] == period.end - period.start
    assert compared is not None
    assert covered[False] == compared.period.end - compared.period.start
