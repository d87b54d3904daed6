"""From a raw request target to decoded path segments, dates and parameters. Pure and strict.

Everything is decoded once, as UTF-8, and only where it is looked at. What can't be read is a ``BadTarget``.
"""

import re
from collections.abc import Sequence
from datetime import date
from urllib.parse import unquote_to_bytes

from msgspec import Struct

__all__ = ["DATE_PARTS", "BadTarget", "Parameters", "day_range", "parameters", "path_and_query", "segments"]

DATE_PARTS = ("startDay", "startMonth", "startYear", "EndDay", "EndMonth", "EndYear")
"""The names of the six date segments, as Tyk documents them."""

# ASCII digits only: int() would take full-width digits, underscores, signs and spaces too.
_SHORT = re.compile("[0-9]{1,2}")
_YEAR = re.compile("[0-9]{4}")
_PAGE = re.compile("-?[0-9]{1,18}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_UNESCAPED = re.compile("[^\x20-\x7e]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_ABSOLUTE = re.compile("https?://[^/?#]+", re.IGNORECASE)


class BadTarget(Exception):
    """The target can't be read; the message says which part of it and is meant for the client."""


class Parameters(Struct, frozen=True):
    """The query parameters that mean something. Others are ignored: clients send ``res`` and ``tags``."""

    page: int | None = None
    api_id: str | None = None


def path_and_query(target: str) -> tuple[str, str]:
    """The raw path and the raw query. Of the absolute form (RFC 9112, 3.2.2) scheme and host are dropped."""
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :]
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    return path, query


def segments(path: str) -> list[str]:
    """The segments of a raw path, split at ``/`` first and each decoded then: ``%2F`` is no separator.

    Raises:
        BadTarget: a segment has a bad escape, is no UTF-8, or has control characters in it.
    """
    if not path.startswith("/"):
        raise BadTarget("the path must begin with a slash")
    return [_decoded(raw, "the path") for raw in path[1:].split("/")]


def day_range(parts: Sequence[str]) -> tuple[date, date]:
    """The two days that six date segments name.

    Raises:
        BadTarget: a part has another form, or there is no such day; the message names the part.
    """
    return _day(parts[:3], DATE_PARTS[:3]), _day(parts[3:], DATE_PARTS[3:])


def parameters(query: str) -> Parameters:
    """``p`` and ``api_id`` of a raw query.

    Raises:
        BadTarget: one of them is given twice or can't be read.
    """
    page = api_id = None
    for pair in query.split("&"):
        raw_name, _, raw_value = pair.partition("=")
        name = unquote_to_bytes(raw_name)
        if name == b"p":
            if page is not None:
                raise BadTarget("p is given twice")
            value = _decoded(raw_value, "p")
            if not _PAGE.fullmatch(value):
                raise BadTarget("p must be a whole number")
            page = int(value)
        elif name == b"api_id":
            if api_id is not None:
                raise BadTarget("api_id is given twice")
            api_id = _decoded(raw_value.replace("+", " "), "api_id")
    return Parameters(page, api_id)


def _day(parts: Sequence[str], names: Sequence[str]) -> date:
    day, month, year = parts
    day_name, month_name, year_name = names
    if not _SHORT.fullmatch(day) or not 1 <= int(day) <= 31:
        raise BadTarget(f"{day_name} must be a day from 1 to 31, in one or two digits")
    if not _SHORT.fullmatch(month) or not 1 <= int(month) <= 12:
        raise BadTarget(f"{month_name} must be a month from 1 to 12, in one or two digits")
    if not _YEAR.fullmatch(year) or year == "0000":
        raise BadTarget(f"{year_name} must be a year from 0001 to 9999, in four digits")
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise BadTarget(f"{day_name}: there is no day {int(day)} in {year}-{int(month):02d}") from None


def _decoded(raw: str, what: str) -> str:
    if _UNESCAPED.search(raw):
        raise BadTarget(f"{what} has characters in it that must be percent-encoded")
    if "%" not in raw:
        return raw
    if _BAD_ESCAPE.search(raw):
        raise BadTarget(f"{what} has a percent sign without two hexadecimal digits behind it")
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadTarget(f"{what} is not UTF-8 once decoded") from None
    if _CONTROL.search(text):
        raise BadTarget(f"{what} has control characters in it")
    return text
