"""A period of time that is asked for: from an instant to an instant, in a zone, whole quarter hours."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Self

from msgspec import Struct

from tyk_endpoint_stats.core.buckets import ALL_DAYS, Span, plan_spans
from tyk_endpoint_stats.core.instants import (
    DAY_US,
    QUARTER_HOUR_US,
    Instant,
    day_bounds,
    find_zone,
    from_datetime,
    parse_rfc3339,
    to_datetime,
)
from tyk_endpoint_stats.errors import InvalidQuestion

__all__ = ["DEFAULT_DAYS", "EVER", "Period"]

DEFAULT_DAYS = 30
"""How many days are asked for where nobody says from when: to today, and today is one of them."""

EVER: tuple[Instant, Instant] = (ALL_DAYS[0].first * DAY_US, ALL_DAYS[0].end * DAY_US)
"""The edges of a period without an edge: the years 1 to 9999 of UTC."""

_LENGTH = re.compile("([0-9]{1,5})(m|h|d|w)")
_MONTH = re.compile("([0-9]{4})-([0-9]{2})")
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WALL_CLOCK = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?")
_FIRST_US, _LAST_US = (
    from_datetime(datetime.min.replace(tzinfo=UTC)),
    from_datetime(datetime.max.replace(tzinfo=UTC)),
)


class Period(Struct, frozen=True):
    """From ``start`` to just before ``end``. Where ``end`` is not after ``start``, it is empty.

    Made by ``of``, ``latest`` or ``between``: those round to quarter hours, outward.

    Attributes:
        start: the instant it begins with.
        end: the instant it has just ended at.
        zone: whose days, weeks and months are meant, and in which times are shown.
    """

    start: Instant
    end: Instant
    zone: tzinfo = UTC

    @classmethod
    def of(cls, first: date | None = None, last: date | None = None, zone: str | tzinfo = UTC) -> Self:
        """From ``first`` to ``last``, each a day or an instant.

        Args:
            first: the first local day; or, as a ``datetime``, the instant at which it begins. ``None``: since ever.
            last: the last local day, inclusive; or the instant at which the period has ended. ``None``: no end.
            zone: an IANA name or a ``tzinfo``. A ``datetime`` without an offset is a wall clock's in it.

        Raises:
            InvalidQuestion: there is no such zone.
        """
        zone = find_zone(zone) if isinstance(zone, str) else zone
        if isinstance(first, datetime):
            start = _down(_instant(first, zone))
        else:
            start = EVER[0] if first is None else day_bounds(first, first, zone)[0]
        if isinstance(last, datetime):
            end = _up(_instant(last, zone))
        else:
            end = EVER[1] if last is None else day_bounds(last, last, zone)[1]
        return cls(start, end, zone)

    @classmethod
    def latest(cls, length: str, now: datetime, zone: str | tzinfo = UTC) -> Self:
        """The last ``30d`` (days, of which today is the last one), ``4w``, ``2h`` or ``45m`` (to ``now``).

        Args:
            length: a whole number and ``m``, ``h``, ``d`` or ``w``.
            now: an aware time.
            zone: an IANA name or a ``tzinfo``.

        Raises:
            InvalidQuestion: ``length`` has another form, is 0, or reaches beyond the year 1.
        """
        zone = find_zone(zone) if isinstance(zone, str) else zone
        found = _LENGTH.fullmatch(length)
        count = int(found[1]) if found else 0
        if found is None or not count:
            raise InvalidQuestion(f"a length of time is a number and m, h, d or w, such as 30d, not {length!r}")
        try:
            if found[2] in "mh":
                step = timedelta(minutes=count) if found[2] == "m" else timedelta(hours=count)
                return cls.of(now - step, now, zone)
            today = now.astimezone(zone).date()
            return cls.of(today - timedelta(days=count * (7 if found[2] == "w" else 1) - 1), today, zone)
        except OverflowError as problem:
            raise InvalidQuestion(f"{length!r} reaches back beyond the year 1") from problem

    @classmethod
    def parse(cls, text: str, now: datetime, zone: str | tzinfo = UTC) -> Self:
        """The period that one text means: ``2026-10-13``, ``2026-10``, ``today``, ``yesterday``, ``all``, ``30d``.

        An instant (``2026-10-31T14:00``, or RFC 3339 with an offset) is the quarter hour it lies in; one on the
        edge of two is a period without a length.

        Raises:
            InvalidQuestion: it means none.
        """
        zone = find_zone(zone) if isinstance(zone, str) else zone
        try:
            if text == "all":
                return cls(*EVER, zone)
            if text in ("today", "yesterday"):
                day = now.astimezone(zone).date() - timedelta(days=text == "yesterday")
                return cls.of(day, day, zone)
            if _DATE.fullmatch(text):
                day = date.fromisoformat(text)
                return cls.of(day, day, zone)
            if month := _MONTH.fullmatch(text):
                first = date(int(month[1]), int(month[2]), 1)
                return cls.of(first, _month_end(first), zone)
            if _LENGTH.fullmatch(text):
                return cls.latest(text, now, zone)
            moment = datetime.fromisoformat(text) if _WALL_CLOCK.fullmatch(text) else parse_rfc3339(text)
            at_us = _instant(moment, zone)
            return cls(_down(at_us), _up(at_us), zone)
        except (ValueError, OverflowError):
            raise InvalidQuestion(
                f"{text!r} is no time: say a day (2026-10-13), a month (2026-10), today, yesterday, all, or an "
                "instant (2026-10-31T14:00, 2026-10-31T14:00:00Z)"
            ) from None

    @classmethod
    def between(cls, first: str | None, last: str | None, now: datetime, zone: str | tzinfo = UTC) -> Self:
        """From the beginning of what one text means to the end of what the other means.

        Args:
            first: as in ``parse``; ``None``: 30 days, of which the last is that of ``last``.
            last: as in ``parse``; ``None``: to the end of today.
            now: an aware time.
            zone: an IANA name or a ``tzinfo``.

        Raises:
            InvalidQuestion: one of them means no time.
        """
        zone = find_zone(zone) if isinstance(zone, str) else zone
        end = cls.parse("today" if last is None else last, now, zone).end
        if first == "all":
            return cls(EVER[0], EVER[1] if last is None else end, zone)
        if first is not None:
            return cls(cls.parse(first, now, zone).start, end, zone)
        try:
            last_day = to_datetime(end - 1, zone).date()
            start = cls.of(last_day - timedelta(days=DEFAULT_DAYS - 1), last_day, zone).start
        except OverflowError:
            start = EVER[0]
        return cls(start, end, zone)

    @property
    def spans(self) -> tuple[Span, ...]:
        """The stored buckets that it is made of: none where it is empty."""
        return plan_spans(self.start, self.end) if self.start < self.end else ()

    @property
    def first_day(self) -> date:
        """The local day it begins in."""
        return self.local(self.start).date()

    @property
    def last_day(self) -> date:
        """The local day it ends in; the one before ``first_day`` where it is empty."""
        return self.local(self.end - 1).date()

    @property
    def is_whole_days(self) -> bool:
        """Whether both edges are local midnights."""
        return self.start < self.end and (self.start, self.end) == day_bounds(
            self.first_day, self.last_day, self.zone
        )

    def local(self, instant: Instant) -> datetime:
        """An instant in the period's zone; beyond the years 1 to 9999 the first or the last there is."""
        return to_datetime(min(max(instant, _FIRST_US), _LAST_US), self.zone)

    def previous(self) -> Self:
        """The period before: of whole months as many months, of days as many days, otherwise as long a time.

        Raises:
            InvalidQuestion: there is none.
        """
        if self.start <= EVER[0] or self.end >= EVER[1]:
            raise InvalidQuestion("before a period without a beginning or an end there is none to compare with")
        if not self.is_whole_days:
            return type(self)(2 * self.start - self.end, self.start, self.zone)
        first, last = self.first_day, self.last_day
        try:
            before = first - timedelta(days=1)
            if first.day == 1 and last == _month_end(last):
                months = (last.year - first.year) * 12 + last.month - first.month + 1
                number = first.year * 12 + first.month - 1 - months
                return self.of(date(number // 12, number % 12 + 1, 1), before, self.zone)
            return self.of(first - (last - before), before, self.zone)
        except (OverflowError, ValueError):
            raise InvalidQuestion("there is no such time before this period") from None

    def year_before(self) -> Self:
        """The same days, or the same wall clock, a year earlier; of 29 February the 28th.

        Raises:
            InvalidQuestion: there is none.
        """
        if self.start <= EVER[0] or self.end >= EVER[1]:
            raise InvalidQuestion("a period without a beginning or an end has no year before it")
        try:
            if self.is_whole_days:
                first, last = self.first_day, self.last_day
                ends_month = last == _month_end(last)
                last = _year_before(last)
                return self.of(_year_before(first), _month_end(last) if ends_month else last, self.zone)
            start, end = self.local(self.start), self.local(self.end)
            begin, close = (
                moment.replace(year=moment.year - 1, day=_year_before(moment).day) for moment in (start, end)
            )
            return self.of(begin, close, self.zone)
        except (OverflowError, ValueError):
            raise InvalidQuestion("there is no such time a year before this period") from None

    def compared(self, text: str, now: datetime) -> Self:
        """The period to compare with: ``previous``, ``year``, or ``2026-08-01..2026-08-31``.

        Raises:
            InvalidQuestion: it is none of these.
        """
        if text == "previous":
            return self.previous()
        if text == "year":
            return self.year_before()
        first, dots, last = text.partition("..")
        if not (dots and first and last):
            raise InvalidQuestion(f"compare with previous, year or FIRST..LAST, not {text!r}")
        return self.between(first, last, now, self.zone)


def _instant(moment: datetime, zone: tzinfo) -> Instant:
    try:
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except OverflowError:
        raise InvalidQuestion(f"{moment} is outside of the years 1 to 9999") from None


def _down(instant: Instant) -> Instant:
    return instant // QUARTER_HOUR_US * QUARTER_HOUR_US


def _up(instant: Instant) -> Instant:
    return -(-instant // QUARTER_HOUR_US) * QUARTER_HOUR_US


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def _year_before(day: date) -> date:
    return date(day.year - 1, day.month, min(day.day, monthrange(day.year - 1, day.month)[1]))
