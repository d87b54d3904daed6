"""Times as Tyk's serializers write them: seconds and nanoseconds since 1970 UTC."""

from datetime import datetime, timedelta
from typing import Any

from msgspec.msgpack import Ext

from tyk_endpoint_stats.core.instants import EPOCH

__all__ = ["TIME_CODE", "instant_of", "seconds_of"]

TIME_CODE = -1
"""The extension type of a time in msgpack's specification."""

_NANOSECOND_BITS = 34


def instant_of(time: Any) -> datetime:
    """The UTC datetime of ``(seconds, nanoseconds)`` or of an extension; digits after the sixth are cut.

    Raises:
        ValueError: none of the two.
        OverflowError: outside of the years 1 to 9999.
    """
    seconds, nanoseconds = seconds_of(time) if isinstance(time, Ext) else time
    return EPOCH + timedelta(0, seconds, nanoseconds // 1000)


def seconds_of(time: Ext) -> tuple[int, int]:
    """The seconds and nanoseconds of a time's extension: 4, 8 or 12 bytes.

    Raises:
        ValueError: no time.
    """
    data = bytes(time.data)
    if time.code == TIME_CODE:
        if len(data) == 4:
            return int.from_bytes(data), 0
        if len(data) == 8:
            both = int.from_bytes(data)
            return both & (1 << _NANOSECOND_BITS) - 1, both >> _NANOSECOND_BITS
        if len(data) == 12:
            return int.from_bytes(data[4:], signed=True), int.from_bytes(data[:4])
    raise ValueError("an extension that is no time")
