"""The time that a page is about: how its address names it, how people call it, and what it is compared with."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo

from msgspec import Struct

from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, Instant, find_zone, format_rfc3339, from_datetime
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.period import DEFAULT_DAYS, Period

__all__ = [
    "PRESETS",
    "Compared",
    "compare_period",
    "day_text",
    "moment_text",
    "month_of",
    "next_period",
    "period_name",
    "period_phrase",
    "period_query",
    "previous_period",
    "read_period",
    "short_name",
    "zone_name",
]

PRESETS = (("24h", "24 h"), ("7d", "7 days"), ("30d", "30 days"))
"""Lengths that end now: by the name that an address has, and as they are called."""

_DAY = timedelta(days=1)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONG_NAMES = re.compile("|".join((*_MONTHS, *_WEEKDAYS)))


class Compared(Struct, frozen=True):
    """What a period is compared with.

    Attributes:
        period: the time before: as long as what has passed of the other.
        name: ``September``, ``the 30 days before``.
        shift_days: by how many days the line of the time before is moved: by whole weeks, where there are some, so
            that a weekday stands under the same weekday. ``None``: it is moved by the length of the period.
    """

    period: Period
    name: str
    shift_days: int | None

    @property
    def when(self) -> str:
        """The name in a sentence: ``in September``, ``the day before``."""
        return self.name if self.name.startswith("the ") and self.name[4:5].isalpha() else f"in {self.name}"


def zone_name(zone: tzinfo) -> str:
    """The IANA name of a zone."""
    return str(getattr(zone, "key", zone))


def read_period(parameters: Mapping[str, str], zone: tzinfo, now: datetime) -> Period:
    """The period that an address names: ``from`` and ``to``, or ``period``, in ``zone``; else the last 30 days.

    What can't be read is passed over, for old links live.

    Args:
        parameters: of the address.
        zone: where it names none.
        now: an aware time.
    """
    try:
        zone = find_zone(parameters["zone"]) if parameters.get("zone") else zone
    except InvalidQuestion:
        pass
    try:
        if "period" in parameters and "from" not in parameters:
            return _bounded(Period.parse(parameters["period"], now, zone))
        return _bounded(Period.between(parameters.get("from") or None, parameters.get("to") or None, now, zone))
    except InvalidQuestion:
        return Period.latest(f"{DEFAULT_DAYS}d", now, zone)


def _bounded(period: Period) -> Period:
    """Charts have an axis: a period without a beginning or an end, or without a length, has none."""
    if not 0 < period.end - period.start < 20 * 366 * 96 * QUARTER_HOUR_US:
        raise InvalidQuestion("no period that could be drawn")
    return period


def period_query(period: Period) -> dict[str, str]:
    """The parameters that name a period for ever: absolute, and with the zone."""
    zone = zone_name(period.zone)
    if period.is_whole_days:
        return {"from": period.first_day.isoformat(), "to": period.last_day.isoformat(), "zone": zone}
    return {"from": format_rfc3339(period.start), "to": format_rfc3339(period.end), "zone": zone}


def month_of(period: Period) -> date | None:
    """The first day of the calendar month that a period is; ``None``: it is something else."""
    if not period.is_whole_days or period.first_day.day != 1:
        return None
    first, after = period.first_day, period.last_day + _DAY
    return first if (after.day, after - first) < (2, timedelta(days=32)) else None


def previous_period(period: Period) -> Period | None:
    """The period of the same kind before; ``None``: there is none."""
    try:
        return period.previous()
    except InvalidQuestion:
        return None


def next_period(period: Period) -> Period | None:
    """The period of the same kind after; ``None``: there is none."""
    try:
        if month_of(period):
            return Period.parse(f"{period.last_day + _DAY:%Y-%m}", _EPOCH, period.zone)
        if period.is_whole_days:
            length = period.last_day - period.first_day
            return Period.of(period.last_day + _DAY, period.last_day + _DAY + length, period.zone)
        return Period(period.end, 2 * period.end - period.start, period.zone)
    except (InvalidQuestion, OverflowError):
        return None


_EPOCH = datetime(1970, 1, 1)


def period_name(period: Period, today: date) -> str:
    """``October``, ``28 October – 26 November``, ``24 November, 09:00–09:15``; the year where it is another."""
    first, last = period.first_day, period.last_day
    if month := month_of(period):
        return _MONTHS[month.month - 1] + _year(month, today)
    if period.is_whole_days:
        if first == last:
            return f"{_WEEKDAYS[first.weekday()]} {day_text(first, today)}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} – {day_text(last, today)}"
        return f"{day_text(first, today if first.year == last.year else last)} – {day_text(last, today)}"
    start, end = period.local(period.start), period.local(period.end)
    if first == last:
        return f"{day_text(first, today)}, {start:%H:%M}–{'24:00' if end.time() == time(0) else f'{end:%H:%M}'}"
    return f"{day_text(first, today)}, {start:%H:%M} – {day_text(end.date(), today)}, {end:%H:%M}"


def short_name(period: Period, today: date) -> str:
    """The same where there is little room: ``28 Oct – 26 Nov``; a month is written out."""
    name = period_name(period, today)
    return name if month_of(period) else _LONG_NAMES.sub(lambda found: found[0][:3], name)


def period_phrase(period: Period, today: date) -> str:
    """The same in a sentence: ``in October``, ``on Tuesday 24 November``, ``from … to …``."""
    name = period_name(period, today)
    if month_of(period):
        return f"in {name}"
    if period.first_day != period.last_day:
        return f"from {name.replace(' – ', ' to ')}"
    return f"on {name}"


def compare_period(period: Period, how: str, now: datetime) -> Compared | None:
    """The time that a period is compared with: ``previous``, ``year``, two days ``A..B``, or ``none``.

    Of a period that goes on, only what has passed is compared. What can't be read is ``previous``.
    """
    if how == "none":
        return None
    today = now.astimezone(period.zone).date()
    try:
        before = period.compared(how or "previous", now)
        if not before.end - before.start > 0 or before.end > period.start:
            raise InvalidQuestion("what a period is compared with must be over before it")
    except InvalidQuestion:
        how = "previous"
        try:
            before = period.previous()
        except InvalidQuestion:
            return None
    if ".." in how:
        return Compared(before, period_name(before, today), _shift_days(period, before))
    passed = -(-from_datetime(now) // QUARTER_HOUR_US) * QUARTER_HOUR_US
    goes_on = period.start < passed < period.end
    if goes_on:
        before = Period(before.start, min(before.start + passed - period.start, before.end), period.zone)
    return Compared(before, _name_before(period, before, how, goes_on, today), _shift_days(period, before))


def _shift_days(period: Period, before: Period) -> int | None:
    if not period.is_whole_days:
        return None
    days = (period.first_day - before.first_day).days
    return days // 7 * 7 or days


def _name_before(period: Period, before: Period, how: str, goes_on: bool, today: date) -> str:
    if month_of(period):
        name = _MONTHS[before.first_day.month - 1] + _year(before.first_day, today)
        if not goes_on:
            return name
        return f"1–{before.last_day.day} {name}" if before.last_day.day > 1 else f"1 {name}"
    if how == "year":
        return "the year before"
    if period.is_whole_days:
        days = (period.last_day - period.first_day).days + 1
        return f"the {days} days before" if days > 1 else "the day before"
    minutes = (period.end - period.start) // (QUARTER_HOUR_US // 15)
    if minutes % 60:
        return f"the {minutes} minutes before" if minutes < 60 else "the time before"
    return f"the {minutes // 60} hours before" if minutes > 60 else "the hour before"


def day_text(day: date, today: date) -> str:
    """``24 November``; with the year where it is not today's."""
    return f"{day.day} {_MONTHS[day.month - 1]}{_year(day, today)}"


def moment_text(instant: Instant | None, period: Period, today: date) -> str:
    """``31 Oct, 19:11``, with the year in place of the time where it is not today's; ``–``: never."""
    if instant is None:
        return "–"
    moment = period.local(instant)
    month = _MONTHS[moment.month - 1][:3]
    if moment.year != today.year:
        return f"{moment.day} {month} {moment.year}"
    return f"{moment.day} {month}, {moment:%H:%M}"


def _year(day: date, today: date) -> str:
    return "" if day.year == today.year else f" {day.year}"
