"""What Tyk Pump's aggregate documents say: pure functions over one document.

A document is one organisation's hour. Pump writes ``keyendpoints.<owner>.<endpoint key>.<counter>`` as one dotted
name, so an owner with dots lies nested, a level for each dot. Owners are therefore paths here, and whatever holds
``hits`` is a counter, on whichever level.

The copies under ``lists`` are not read: their means are stale and owners with dots are not in them.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

from bson.datetime_ms import DatetimeMS

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.instants import DAY_US, Instant, from_datetime, parse_rfc3339
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter, whole_number

__all__ = [
    "CODES_FIELD",
    "COUNTER_FIELDS",
    "NAME_FIELDS",
    "SECTIONS",
    "Tree",
    "counter_of",
    "counters_in",
    "instant_of",
    "is_counter",
    "name_of",
]

Tree: TypeAlias = dict[str, Any]

SECTIONS = {Kind.KEY: "keyendpoints", Kind.OAUTH: "oauthendpoints"}
"""Where a document keeps what consumers did, by their kind."""

COUNTER_FIELDS = (
    *("hits", "success", "errortotal", "totalrequesttime", "totallatency", "totalupstreamlatency"),
    *("maxlatency", "maxupstreamlatency", "minlatency", "minupstreamlatency", "lasttime"),
)
"""What is read of a counter, besides its codes. Not the means: they are made from totals."""

CODES_FIELD = "errormap"

NAME_FIELDS = ("hits", "humanidentifier")
"""What is read of a counter where only the name is wanted."""

# Go's zero time, which means none, is the first day of all.
_FIRST_US = from_datetime(parse_rfc3339("0001-01-01T00:00:00Z")) + DAY_US
_LAST_US = from_datetime(parse_rfc3339("9999-12-31T23:59:59.999999Z"))


def is_counter(value: Any) -> bool:
    """Whether a value is a counter, and not a level of an owner's name."""
    return type(value) is dict and "hits" in value and type(value["hits"]) is not dict


def counters_in(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """Every counter in a part of a document, with the names that lead to it.

    Below a counter there may be others: of ``api`` and ``api.v2`` the second lies in the first.
    """
    # No isinstance: an answer about all consumers goes through millions of values.
    if type(tree) is not dict:
        return
    for name, value in tree.items():
        if type(value) is dict:
            if is_counter(value):
                yield (*path, name), value
            yield from counters_in(value, (*path, name))


def instant_of(date: Any) -> Instant | None:
    """The instant of a date as the driver gives it, ``None`` where it is none, or one of no year from 1 to 9999."""
    if type(date) is not DatetimeMS:
        return None
    instant = int(date) * 1000
    return instant if _FIRST_US <= instant <= _LAST_US else None


def counter_of(counter: Tree, start_us: Instant) -> PumpCounter:
    """A counter as we keep it. Fields that older pumps did not write yet are absent.

    Args:
        counter: as the document has it; its numbers may be of any type.
        start_us: where its bucket begins: the last hit is no earlier, whatever else is not known of it.

    Raises:
        ValueError: a value is no number.
    """
    get = counter.get
    last_us = instant_of(get("lasttime"))
    codes = get(CODES_FIELD)
    return PumpCounter(
        whole_number(get("hits")),
        whole_number(get("success")),
        whole_number(get("errortotal")),
        whole_number(get("totalrequesttime")),
        whole_number(get("totallatency")),
        whole_number(get("totalupstreamlatency")),
        _number_if_there(get("maxlatency")),
        _number_if_there(get("maxupstreamlatency")),
        _number_if_there(get("minlatency")),
        _number_if_there(get("minupstreamlatency")),
        start_us if last_us is None else last_us,
        {int(code): whole_number(count) for code, count in codes.items() if code.isascii() and code.isdigit()}
        if type(codes) is dict
        else {},
    )


def name_of(counter: Tree) -> str:
    """The name for people in a counter of ``apikeys`` or ``apiid``, ``""`` where there is none."""
    name = counter.get("humanidentifier")
    return name if isinstance(name, str) else ""


def _number_if_there(value: Any) -> int | None:
    return None if value is None else whole_number(value)
