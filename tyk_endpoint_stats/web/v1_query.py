"""From the query of a ``/v1`` request to what is asked. Each thing that can't be read is named."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.measures import DISTRIBUTED, Measures
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Order, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.questions.series import DEFAULT_TOP
from tyk_endpoint_stats.web.representations import FORMATS, accepted_format
from tyk_endpoint_stats.web.route import Call
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.targets import BadTarget, query_pairs

__all__ = ["V1Query", "cursor_of", "read_v1_query", "read_values", "read_zone"]

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_TOP = 50

_WHOLE = re.compile("[0-9]{1,6}")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt].+")
_OFFSET = re.compile("(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})$")
_LOST_PLUS = re.compile(" (?=[0-9]{2}:[0-9]{2}($|\\.\\.))")

Read = TypeVar("Read")


class V1Query(Struct, frozen=True, kw_only=True):
    """What a query asks for.

    Attributes:
        period, before: when, and what it is compared with.
        where: which hits and rows.
        sort, limit, after: which rows of them, in which order.
        fields: which members; ``None``: all.
        format: json, ndjson or csv.
        interval, by, top: of a series.
    """

    period: Period
    before: Period | None
    where: Filter
    sort: str
    limit: int | None
    after: Position | None
    fields: tuple[str, ...] | None
    format: str
    interval: Interval
    by: str | None
    top: int

    @property
    def distributions(self) -> bool:
        """Whether status codes or the histogram are needed."""
        return self.fields is None or not DISTRIBUTED.isdisjoint(self.fields)


def read_values(call: Call) -> dict[str, str]:
    """The values of a query by name.

    Raises:
        BadTarget: a parameter is not the route's, or given twice.
    """
    known = [parameter.name for parameter in call.route.parameters]
    values: dict[str, str] = {}
    for name, value in query_pairs(call.query):
        if name not in known:
            raise BadTarget(f"{name[:64]} is no parameter of {call.route.path}; {_hint(name, known)}", name[:64])
        if name in values:
            raise BadTarget(f"{name} is given twice", name)
        values[name] = value
    return values


def read_zone(values: dict[str, str], settings: Settings) -> tzinfo:
    """The zone that is asked for, or the server's.

    Raises:
        BadTarget: there is no such zone.
    """
    return _named("zone", find_zone, values["zone"]) if "zone" in values else settings.zone


def read_v1_query(call: Call, row_type: type[Measures]) -> V1Query:
    """What a request asks for.

    Raises:
        BadTarget: a parameter is not known, given twice, or can't be read.
    """
    values = read_values(call)
    zone = read_zone(values, call.settings)
    now = call.settings.now()
    period = _period(values, now, zone)
    before = None
    if "compare" in values:
        if "by" in values:
            raise BadTarget("compare and by can't be asked for at once", "compare")
        before = _named("compare", lambda text: period.compared(_LOST_PLUS.sub("+", text), now), values["compare"])
    fields = _fields(values["fields"], row_type) if "fields" in values else None
    sort = values.get("sort", DEFAULT_ORDER)
    _named("sort", lambda text: Order.parse(text, row_type), sort)
    form = values["format"] if "format" in values else accepted_format(call.request)
    if form not in FORMATS:
        raise BadTarget(f"format must be json, ndjson or csv, not {form[:64]!r}", "format")
    limit = _number(values, "limit", DEFAULT_LIMIT, MAX_LIMIT)
    return V1Query(
        period=period,
        before=before,
        where=_filter(values, call.org_id),
        sort=sort,
        limit=limit if form == "json" or "limit" in values else None,
        after=_position(values["cursor"], sort) if "cursor" in values else None,
        fields=fields,
        format=form,
        interval=_named("interval", Interval.parse, values.get("interval", "1d")),
        by=_by(values.get("by")),
        top=_number(values, "top", DEFAULT_TOP, MAX_TOP),
    )


def cursor_of(sort: str, position: Position) -> str:
    """The cursor of the rows behind a position."""
    return urlsafe_b64encode(msgspec.json.encode([sort, *position])).decode().rstrip("=")


def _position(cursor: str, sort: str) -> Position:
    try:
        found, *position = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[Any])
    except (ValueError, msgspec.DecodeError):
        raise BadTarget("cursor can't be read: take it from the `next` of an answer", "cursor") from None
    if found != sort:
        raise BadTarget("cursor is of an answer in another order: sort as that one did", "cursor")
    return position


def _period(values: dict[str, str], now: datetime, zone: tzinfo) -> Period:
    texts = {name: _LOST_PLUS.sub("+", values[name]) for name in ("from", "to") if name in values}
    for name, text in texts.items():
        if not (_DAY.fullmatch(text) or _INSTANT.fullmatch(text) or (name, text) == ("from", "all")):
            raise BadTarget(f"{name} must be a day such as 2026-10-31, or an instant with an offset", name)
    if texts.get("from") != "all" and len({len(text) > len("2026-10-31") for text in texts.values()}) == 2:
        raise BadTarget("from and to must both be days or both be instants", "to")
    for name, text in texts.items():
        if _INSTANT.fullmatch(text) and not _OFFSET.search(text):
            raise BadTarget(f"{name} is an instant without an offset", name)
        _named(name, lambda one: Period.parse(one, now, zone), text)
    return _named("from", lambda first: Period.between(first, texts.get("to"), now, zone), texts.get("from"))


def _filter(values: dict[str, str], org_id: str | None) -> Filter:
    consumer = kind = None
    if "consumer" in values:
        which, colon, consumer_id = values["consumer"].partition(":")
        if not colon or which not in list(Kind):
            raise BadTarget("consumer must be key:ID or oauth:ID", "consumer")
        consumer = Consumer(Kind(which), consumer_id)
    if "kind" in values:
        if values["kind"] not in list(Kind):
            raise BadTarget("kind must be key or oauth", "kind")
        kind = Kind(values["kind"])
    return _named(
        "status",
        lambda status: Filter(
            org_id=org_id,
            consumer=consumer,
            kind=kind,
            api_id=values.get("api_id"),
            path=values.get("path"),
            q=values.get("q"),
            status=status,
        ),
        values.get("status"),
    )


def _fields(text: str, row_type: type[Measures]) -> tuple[str, ...]:
    known = row_type.members()
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in known:
            raise BadTarget(f"fields: rows have no {name[:64]!r}; {_hint(name, known)}", "fields")
    return names


def _hint(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _by(value: str | None) -> str | None:
    if value not in (None, "endpoint", "consumer", "api"):
        raise BadTarget("by must be endpoint, consumer or api", "by")
    return value


def _number(values: dict[str, str], name: str, default: int, largest: int) -> int:
    text = values.get(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= largest:
        raise BadTarget(f"{name} must be a whole number from 1 to {largest:,}", name)
    return int(text)


def _named(name: str, read: Callable[[Any], Read], value: Any) -> Read:
    try:
        return read(value)
    except InvalidQuestion as problem:
        text = str(problem)
        raise BadTarget(text if text.startswith(name) else f"{name}: {text}", name) from None
