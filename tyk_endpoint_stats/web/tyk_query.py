"""The query parameters of Tyk's routes: a filter that is not kept is refused, never ignored."""

import re
from difflib import get_close_matches

from msgspec import Struct

from tyk_endpoint_stats.questions.pieces import Interval
from tyk_endpoint_stats.web.route import NO_CONTROL, Parameter
from tyk_endpoint_stats.web.targets import BadTarget, query_pairs

__all__ = ["API_ID", "BY", "PAGE", "RES", "SORT", "TykQuery", "read_tyk_query"]

_PAGE = re.compile("-?[0-9]{1,18}")
_INTERVALS = {"day": Interval.DAY, "hour": Interval.HOUR, "month": Interval.MONTH}
_ORDERS = ("hits", "success", "error", "latency")
_NOT_KEPT = {"tags": "tags are not kept", "api_version": "api_version is not kept"}
_ANY_CASE = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in name) for name in _ORDERS)
_CLIENTS_SEND = ("res", "sort", "by")

PAGE = Parameter(
    name="p",
    schema={"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1},
    description="A page, from 1. Absent, 0 or less: all rows.",
)
API_ID = Parameter(
    name="api_id",
    schema={"type": "string", "pattern": NO_CONTROL},
    description="Only hits of that API.",
)
RES = Parameter(
    name="res",
    schema={"type": "string", "enum": ["day", "hour", "month", ""]},
    description="One row for each of them, also without a hit.",
)
BY = Parameter(
    name="by",
    schema={"type": "string", "pattern": f"^({_ANY_CASE})?$"},
    description="What the rows are sorted by: Hits, Success, Error or Latency.",
    public=_ANY_CASE,
)
SORT = Parameter(
    name="sort",
    schema={"type": "string", "enum": ["1", "-1", ""]},
    description="1: the largest first; -1: the least.",
)


class TykQuery(Struct, frozen=True):
    """What a query asks for.

    Attributes:
        page: ``None``: no page is asked for.
        api_id: only that API.
        interval: one row a piece of time.
        order: by which member, ``-`` before it for the largest first.
    """

    page: int | None = None
    api_id: str | None = None
    interval: Interval | None = None
    order: str = "-hits"


def read_tyk_query(query: str, parameters: tuple[Parameter, ...]) -> TykQuery:
    """What a raw query asks a route for that has these parameters.

    ``res``, ``sort`` and ``by`` have no influence on a route without them: clients send them everywhere. Any other
    parameter that a route has not is an error, unless its value is empty.

    Raises:
        BadTarget: a parameter is not known, not kept, given twice, or can't be read.
    """
    known = {parameter.name for parameter in parameters if not parameter.in_path}
    values: dict[str, str] = {}
    for name, value in query_pairs(query):
        if name in known:
            if name in values:
                raise BadTarget(f"{name} is given twice", name)
            values[name] = value
        elif value and name not in _CLIENTS_SEND:
            raise BadTarget(_NOT_KEPT.get(name) or _unknown(name, known), name)
    return TykQuery(
        _page(values.get("p")),
        values.get("api_id"),
        _interval(values.get("res")),
        _order(values.get("by"), values.get("sort")),
    )


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    return f"{name[:64]} is no parameter of this route" + (f"; did you mean {near[0]}?" if near else "")


def _page(value: str | None) -> int | None:
    if value is not None and not _PAGE.fullmatch(value):
        raise BadTarget("p must be a whole number", "p")
    return None if value is None else int(value)


def _interval(value: str | None) -> Interval | None:
    if value and value not in _INTERVALS:
        raise BadTarget("res must be day, hour or month", "res")
    return _INTERVALS[value] if value else None


def _order(by: str | None, sort: str | None) -> str:
    if by and by.lower() not in _ORDERS:
        raise BadTarget("by must be Hits, Success, Error or Latency", "by")
    if sort and sort not in ("1", "-1"):
        raise BadTarget("sort must be 1 (the largest first) or -1", "sort")
    return ("" if sort == "-1" else "-") + (by or "hits").lower()
