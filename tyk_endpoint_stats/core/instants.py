"""Instants: whole microseconds since 1970 UTC, everywhere inside.

This module turns text and datetimes into them and back, and days of a zone into pairs of them.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tyk_endpoint_stats.errors import InvalidQuestion

__all__ = [
    "DAY_US",
    "EPOCH",
    "QUARTER_HOUR_US",
    "Instant",
    "day_bounds",
    "find_zone",
    "format_rfc3339",
    "from_datetime",
    "parse_rfc3339",
    "to_datetime",
]

Instant: TypeAlias = int
"""Microseconds since 1970-01-01T00:00:00Z."""

QUARTER_HOUR_US = 15 * 60 * 1_000_000
DAY_US = 24 * 60 * 60 * 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DATE = EPOCH.date()
_MICROSECOND = timedelta(microseconds=1)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):?(\d\d))", re.ASCII
)


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware datetime, exactly.

    Raises:
        ValueError: ``moment`` has no offset.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no offset")
    return (moment - EPOCH) // _MICROSECOND


def to_datetime(instant: Instant, zone: tzinfo = UTC) -> datetime:
    """The datetime of an instant in a zone; in UTC where the zone would leave the years 1 … 9999.

    Raises:
        OverflowError: the instant itself is outside of them.
    """
    moment = EPOCH + timedelta(microseconds=instant)
    if zone is UTC:
        return moment
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def parse_rfc3339(text: str) -> datetime:
    """The UTC datetime of RFC 3339 text; digits after the sixth of a second are cut, a second 60 is 59.999999.

    Raises:
        ValueError: no RFC 3339 with an offset, or outside of the years 1 … 9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time with an offset")
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    micros = int((match[7] or "").ljust(6, "0")[:6])
    if second == 60:
        second, micros = 59, 999_999
    moment = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    if match[9]:
        if int(match[10]) > 23 or int(match[11]) > 59:
            raise ValueError(f"{text!r} has an impossible offset")
        offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
        try:
            moment = moment - offset if match[9] == "+" else moment + offset
        except OverflowError as problem:
            raise ValueError(f"{text!r} is outside of the years 1 to 9999") from problem
    return moment


def format_rfc3339(instant: Instant, zone: tzinfo = UTC) -> str:
    """RFC 3339 as Go prints it: no trailing zeros in the fraction, ``Z`` where the offset is zero."""
    moment = to_datetime(instant, zone)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    offset = moment.utcoffset() or timedelta(0)
    if not offset:
        return text + "Z"
    # RFC 3339 has no seconds in an offset; Go cuts them off too (zones before about 1920 have them).
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{text}{'-' if offset < timedelta(0) else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def find_zone(name: str) -> tzinfo:
    """The zone of an IANA name such as ``Asia/Kolkata``.

    Raises:
        InvalidQuestion: there is no such zone.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise InvalidQuestion(
            f"time zone {name!r} is not known; use an IANA name such as UTC, Asia/Kolkata or America/New_York"
        ) from problem


def day_bounds(first: date, last: date, zone: tzinfo = UTC) -> tuple[Instant, Instant]:
    """From the midnight that begins ``first`` to the midnight that ends ``last``, in ``zone``.

    Real zone rules: such a range may have days of 23, 24.5, 25 or 0 hours. A midnight that does not exist
    (São Paulo, 2018-11-04) is the instant at which the clocks jumped; of two midnights the first one counts.
    """
    return _midnight(first, zone, 0), _midnight(last, zone, 1)


def _midnight(day: date, zone: tzinfo, days_later: int) -> Instant:
    # Arithmetic on integers: the midnight that ends 9999-12-31 is no datetime, but it is an instant.
    naive_us = ((day - _EPOCH_DATE).days + days_later) * DAY_US
    try:
        local = datetime(day.year, day.month, day.day, tzinfo=zone, fold=0) + timedelta(days=days_later)
    except OverflowError:
        local = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=zone)
    return naive_us - (local.utcoffset() or timedelta(0)) // _MICROSECOND
