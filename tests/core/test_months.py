"""When a month is closed, and what is known of those that grew afterwards."""

from datetime import date, timedelta

import pytest

from tyk_endpoint_stats.core.instants import DAY_US, EPOCH
from tyk_endpoint_stats.core.months import (
    Grown,
    Month,
    changed_months,
    first_of_month,
    kept_months,
    lacking_months,
    months_of,
)


def number(*day):
    return (date(*day) - EPOCH.date()).days


def noon(*day):
    return number(*day) * DAY_US + DAY_US // 2


SEPTEMBER, OCTOBER = number(2026, 9, 1), number(2026, 10, 1)
LATE = noon(2026, 10, 2)


@pytest.mark.parametrize(
    "day", [(1, 1, 1), (1969, 12, 31), (1970, 1, 1), (2024, 2, 29), (2026, 9, 30), (9999, 12, 31)]
)
def test_a_day_is_of_its_month(day):
    assert EPOCH.date() + timedelta(days=first_of_month(number(*day))) == date(*day).replace(day=1)


@pytest.mark.parametrize(
    ("at_us", "grows"),
    [
        (noon(2026, 9, 30), False),
        (noon(2026, 10, 1), False),  # stragglers, last night's file, and the last zone's September until noon
        (number(2026, 10, 2) * DAY_US - 1, False),
        (number(2026, 10, 2) * DAY_US, True),
        (noon(2027, 1, 1), True),
    ],
)
def test_a_month_is_closed_from_the_second_day_of_the_next_one_on(at_us, grows):
    brought = months_of({SEPTEMBER + 29: 3, OCTOBER: 1}, at_us)
    becomes = changed_months({SEPTEMBER: Month(SEPTEMBER)}, {SEPTEMBER: brought[SEPTEMBER]})
    grown = Month(SEPTEMBER, {SEPTEMBER + 29: Grown(3, at_us)})
    assert becomes == ({SEPTEMBER: grown} if grows else {})


@pytest.mark.parametrize(("days_later", "grows"), [(0, False), (1, False), (2, True), (400, True)])
def test_what_is_loaded_for_the_first_time_has_that_day_and_the_next(days_later, grows):
    """However many batches that takes; the broken twin is a report that names all of it."""
    known = changed_months({}, months_of({SEPTEMBER: 5}, LATE))
    assert known == {SEPTEMBER: Month(LATE // DAY_US)}
    at_us = LATE + days_later * DAY_US
    changed = changed_months(known, months_of({SEPTEMBER: 2, SEPTEMBER + 1: 1}, at_us))
    grown = {SEPTEMBER: Grown(2, at_us), SEPTEMBER + 1: Grown(1, at_us)}
    assert changed == ({SEPTEMBER: Month(LATE // DAY_US, grown)} if grows else {})


def test_growth_adds_up_in_any_order():
    known = {SEPTEMBER: Month(SEPTEMBER)}
    first, second = (months_of({SEPTEMBER: hits}, LATE + hits * DAY_US) for hits in (2, 5))
    one, other = (
        changed_months(known | changed_months(known, a), b) for a, b in ((first, second), (second, first))
    )
    assert one == other == {SEPTEMBER: Month(SEPTEMBER, {SEPTEMBER: Grown(7, LATE + 5 * DAY_US)})}
    assert known == {SEPTEMBER: Month(SEPTEMBER)}, "nothing that was given is changed"


def test_what_lacks_makes_theirs_ours():
    ours = {
        SEPTEMBER: Month(SEPTEMBER, {SEPTEMBER: Grown(7, LATE + 9), SEPTEMBER + 1: Grown(1, LATE)}),
        OCTOBER: Month(OCTOBER),
    }
    theirs = {SEPTEMBER: Month(SEPTEMBER, {SEPTEMBER: Grown(5, LATE)})}
    lacking = lacking_months(ours, theirs)
    assert lacking[SEPTEMBER].grown == {SEPTEMBER: Grown(2, LATE + 9), SEPTEMBER + 1: Grown(1, LATE)}
    assert theirs | changed_months(theirs, lacking) == changed_months({}, ours) == ours
    assert lacking_months(ours, ours) == {}


def test_dropped_days_take_their_growth_with_them():
    month = Month(SEPTEMBER, {SEPTEMBER: Grown(7, LATE), SEPTEMBER + 29: Grown(1, LATE)})
    months = {SEPTEMBER: month, OCTOBER: Month(OCTOBER)}
    assert kept_months(months, SEPTEMBER) == months
    assert kept_months(months, SEPTEMBER + 29)[SEPTEMBER] == Month(SEPTEMBER, {SEPTEMBER + 29: Grown(1, LATE)})
    assert kept_months(months, OCTOBER) == {OCTOBER: Month(OCTOBER)}
