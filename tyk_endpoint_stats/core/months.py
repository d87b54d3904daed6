"""Months that grew after they were over: late hits change numbers that somebody may have billed already.

A month is *closed* from the second day of the next one on, UTC, and not before the second day after its first hits
were merged. So stragglers at midnight, last night's file and zones west of UTC change nothing that was closed, and a
month that is loaded for the first time, in however many batches, is new and has not grown. What is merged into a
closed month is growth, also on a day that had no hit before.

Like a statistic, what is known of a month is a small state that merges: a batch says what it would be if nothing had
been merged before, and every store takes that in by ``changed_months``. Months are named by their first day; days are
counted from 1970-01-01.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from msgspec import Struct, field

from tyk_endpoint_stats.core.instants import DAY_US, EPOCH, Instant

__all__ = ["Grown", "Month", "changed_months", "first_of_month", "kept_months", "lacking_months", "months_of"]


class Grown(NamedTuple):
    """By how many hits a day grew after its month was closed, and when the last of them were merged."""

    hits: int
    last_us: Instant


class Month(Struct, frozen=True):
    """What is known of a month.

    Attributes:
        since_day: the day on which its first hits were merged.
        grown: the days that grew after it was closed; of one batch those that did if the month was closed.
    """

    since_day: int
    grown: dict[int, Grown] = field(default_factory=dict)


def first_of_month(day: int) -> int:
    """The first day of a day's month."""
    return day + 1 - (EPOCH.date() + timedelta(days=day)).day


def months_of(hits_by_day: Mapping[int, int], at_us: Instant) -> dict[int, Month]:
    """What a batch says of its months.

    Args:
        hits_by_day: its hits, by day.
        at_us: the moment at which it is merged.
    """
    today = at_us // DAY_US
    months: dict[int, Month] = {}
    for day, hits in hits_by_day.items():
        first = first_of_month(day)
        month = months.setdefault(first, Month(today))
        if first < first_of_month(today - 1):
            month.grown[day] = Grown(hits, at_us)
    return months


def changed_months(known: Mapping[int, Month], brought: Mapping[int, Month]) -> dict[int, Month]:
    """The months that a merge changes, and what they become.

    Args:
        known: what the store knows; it need not be given more than the months that are brought.
        brought: what the batch says.
    """
    merged = {first: _merged(known.get(first), month) for first, month in brought.items()}
    return {first: month for first, month in merged.items() if month != known.get(first)}


def _merged(known: Month | None, brought: Month) -> Month:
    since_day = brought.since_day if known is None else min(known.since_day, brought.since_day)
    grown = {} if known is None else dict(known.grown)
    for day, (hits, last_us) in brought.grown.items():
        if since_day < last_us // DAY_US - 1:
            before = grown.get(day, Grown(0, last_us))
            grown[day] = Grown(before.hits + hits, max(before.last_us, last_us))
    return Month(since_day, grown)


def lacking_months(ours: Mapping[int, Month], theirs: Mapping[int, Month]) -> dict[int, Month]:
    """What has to be brought to make theirs ours."""
    lacking: dict[int, Month] = {}
    for first, month in ours.items():
        known = theirs.get(first, Month(month.since_day))
        grown = {
            day: Grown(more, last_us)
            for day, (hits, last_us) in month.grown.items()
            if (more := hits - known.grown.get(day, Grown(0, last_us)).hits) > 0
        }
        if grown or first not in theirs or month.since_day < known.since_day:
            lacking[first] = Month(month.since_day, grown)
    return lacking


def kept_months(months: Mapping[int, Month], before_day: int) -> dict[int, Month]:
    """The months that are left where the days before one are dropped."""
    return {
        first: Month(month.since_day, {day: grown for day, grown in month.grown.items() if day >= before_day})
        for first, month in months.items()
        if first >= first_of_month(before_day)
    }
