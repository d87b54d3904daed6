"""The JSON of Tyk's Dashboard: member order, whole numbers without a fraction, ASCII only.

Tyk's own Go client refuses ``217.0`` where it expects an integer and a time without an offset.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.questions.group_rows import ApiRow, ConsumerRow, EndpointRow
from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.questions.series import SeriesRow
from tyk_endpoint_stats.questions.times import rfc3339

__all__ = [
    "Unit",
    "api_unit",
    "ascii_json",
    "data_body",
    "endpoint_unit",
    "endpoints_body",
    "error_body",
    "key_unit",
    "named_endpoint_unit",
    "series_unit",
    "total_unit",
]

Row = TypeVar("Row", bound=Measures)

_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_ROWS_AT_ONCE = 200
_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time, which Tyk writes where there is no hit."""


class _Id(Struct, kw_only=True):
    """Of each kind of row only some are filled, as in the documented samples."""

    day: int = 0
    month: int = 0
    year: int = 0
    hour: int = 0
    code: int = 0
    path: str = ""
    key: str = ""
    alias: str = ""
    url: str = ""
    iso_country: str = ""
    api_id: str = ""
    api_name: str = ""


class Unit(Struct):
    """One row as it is sent."""

    id: _Id
    hits: int
    success: int
    error: int
    last_hit: str
    request_time: int | float
    latency: int | float
    upstream_latency: int | float
    max_upstream_latency: int
    min_upstream_latency: int
    max_latency: int
    min_latency: int


class _Error(Struct, rename="pascal"):
    status: str
    message: str
    meta: None = None


def endpoints_body(rows: Sequence[EndpointRow], pages: int, *, max_bytes: int | None = None) -> bytes:
    """The answer of the seed's two routes; ``last_hit`` in the zone in which the rows have it.

    Raises:
        AnswerTooLarge: it would have more than ``max_bytes``; ``None``: it may have any number.
    """
    return data_body(rows, endpoint_unit, pages, max_bytes=max_bytes)


def data_body(
    rows: Sequence[Row], unit: Callable[[Row], Unit], pages: int, *, max_bytes: int | None = None
) -> bytes:
    """The answer of any of the routes.

    Args:
        rows: in their order.
        unit: what becomes of a row.
        pages: how many there are.
        max_bytes: the body may not have more; ``None``: any number.

    Raises:
        AnswerTooLarge: it would have more.
    """
    pieces: list[bytes] = []
    size = 0
    # Some at a time: what a row is turned into on the way takes several times the room of its bytes.
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        piece = ascii_json([unit(row) for row in rows[first : first + _ROWS_AT_ONCE]])[1:-1]
        pieces += (b"," if first else b"", piece)
        size += len(piece)
        if max_bytes is not None and size > max_bytes:
            raise AnswerTooLarge(f"{max_bytes // 10**6:,} MB")
    return b"".join((b'{"data":[', *pieces, b'],"pages":%d}' % pages))


def endpoint_unit(row: EndpointRow) -> Unit:
    """An endpoint as on the seed's two routes, whose samples have no name of the API."""
    return _unit(_Id(path=row.path, api_id=row.api_id), row)


def named_endpoint_unit(row: EndpointRow) -> Unit:
    """An endpoint as on the other routes."""
    return _unit(_Id(path=row.path, api_id=row.api_id, api_name=row.api_name), row)


def key_unit(row: ConsumerRow) -> Unit:
    """A key."""
    return _unit(_Id(key=row.id, alias=row.alias), row)


def api_unit(row: ApiRow) -> Unit:
    """An API."""
    return _unit(_Id(api_id=row.api_id, api_name=row.api_name), row)


def series_unit(interval: Interval) -> Callable[[SeriesRow], Unit]:
    """An hour, a day or a month. Its code is always 200, as in every sample there is, also in rows with errors."""

    def unit(row: SeriesRow) -> Unit:
        start = row.start
        day = 1 if interval is Interval.MONTH else start.day
        hour = start.hour if interval is Interval.HOUR else 0
        return _unit(_Id(day=day, month=start.month, year=start.year, hour=hour, code=200), row)

    return unit


def total_unit(row: Measures) -> Unit:
    """All together."""
    return _unit(_Id(), row)


def error_body(message: str) -> bytes:
    """The error envelope."""
    return ascii_json(_Error("Error", message))


def ascii_json(value: Any) -> bytes:
    """Compact JSON whose characters beyond ASCII are escaped: safe in any terminal, log and charset."""
    body = msgspec.json.encode(value)
    return body if body.isascii() else _NOT_ASCII.sub(_escape, body.decode()).encode()


def _escape(match: re.Match[str]) -> str:
    # A whole run of characters at once: one by one, long paths of other scripts took seconds and gigabytes.
    return "\\u" + match[0].encode("utf-16-be").hex(",", 2).replace(",", "\\u")


def _unit(identity: _Id, row: Measures) -> Unit:
    last_hit = row.last_hit
    return Unit(
        identity,
        row.hits,
        row.success,
        row.error,
        _NEVER if last_hit is None else rfc3339(last_hit),
        row.request_time or 0,
        row.latency or 0,
        row.upstream_latency or 0,
        row.max_upstream_latency or 0,
        row.min_upstream_latency or 0,
        row.max_latency or 0,
        row.min_latency or 0,
    )
