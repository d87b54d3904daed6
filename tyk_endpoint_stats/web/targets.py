"""From a raw request target to decoded path segments, dates and parameters. Pure and strict.

Everything is decoded once, as UTF-8, and only where it is looked at. What can't be read is a ``BadTarget``.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from urllib.parse import unquote_to_bytes

__all__ = ["DATE_PARTS", "BadTarget", "day_range", "path_and_query", "query_pairs", "segments"]

DATE_PARTS = ("startDay", "startMonth", "startYear", "EndDay", "EndMonth", "EndYear")
"""The names of the six date segments, as Tyk documents them."""

# ASCII digits only: int() would take full-width digits, underscores, signs and spaces too.
_SHORT = re.compile("[0-9]{1,2}")
_YEAR = re.compile("[0-9]{4}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_UNESCAPED = re.compile("[^\x20-\x7e]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SHOWN = 64  # characters of a parameter's name in a message
_ABSOLUTE = re.compile("https?://[^/?#]+", re.IGNORECASE)


class BadTarget(Exception):
    """The target can't be read; the message says which part of it and is meant for the client.

    Attributes:
        parameter: the query parameter that is wrong; ``None``: it is the path.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


def path_and_query(target: str) -> tuple[str, str]:
    """The raw path and the raw query. Of the absolute form (RFC 9112, 3.2.2) scheme and host are dropped.

    Leading slashes are one: base URLs that end in a slash, as an old SDK's does, make two of them.
    """
    absolute = _ABSOLUTE.match(target)
    if absolute:
        target = target[absolute.end() :]
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
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


def query_pairs(query: str) -> Iterator[tuple[str, str]]:
    """The names and the values of a raw query, decoded as forms are (``+`` is a space), in their order.

    Raises:
        BadTarget: one has a bad escape, is no UTF-8, or has control characters in it.
    """
    for pair in query.split("&"):
        raw_name, _, raw_value = pair.partition("=")
        if raw_name or raw_value:
            name = _decoded(raw_name.replace("+", " "), "the name of a parameter")
            yield name, _decoded(raw_value.replace("+", " "), name[:_SHOWN], name[:_SHOWN])


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


def _decoded(raw: str, what: str, parameter: str | None = None) -> str:
    if _UNESCAPED.search(raw):
        raise BadTarget(f"{what} has characters in it that must be percent-encoded", parameter)
    if "%" not in raw:
        return raw
    if _BAD_ESCAPE.search(raw):
        raise BadTarget(f"{what} has a percent sign without two hexadecimal digits behind it", parameter)
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadTarget(f"{what} is not UTF-8 once decoded", parameter) from None
    if _CONTROL.search(text):
        raise BadTarget(f"{what} has control characters in it", parameter)
    return text
