"""RFC 3339 for times as exports print them: Go, SQL, MongoDB."""

import re
from datetime import timedelta
from typing import Any

from tyk_endpoint_stats.core.instants import EPOCH

__all__ = ["rfc3339_text"]

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?: ?(Z|UTC|[+-]\d\d)(?::?(\d\d))?)(?: .*)?", re.ASCII
)


def rfc3339_text(value: Any) -> Any:
    """RFC 3339 for what Go's ``Time.String``, PostgreSQL and MongoDB's tools make of a time; others as they are.

    The numeric offset counts: what follows it is a zone's abbreviation, or the offset once more.
    """
    if isinstance(value, str):
        match = _TIME.fullmatch(value)
        if match is None:
            return value
        day, time, hours, minutes = match.groups()
        minutes = minutes or "00"
        is_utc = hours in ("Z", "UTC", "+00") and minutes == "00"
        return f"{day}T{time}Z" if is_utc else f"{day}T{time}{hours}:{minutes}"
    if isinstance(value, dict) and "$date" in value:
        return _of_mongodb(value["$date"])
    return value


def _of_mongodb(value: Any) -> Any:
    """Of text, or of milliseconds since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return (EPOCH + timedelta(milliseconds=value)).isoformat()
        except OverflowError:
            return "out of range"
    return value
