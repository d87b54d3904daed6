"""What Tyk Pump's aggregate documents say: pure functions over one document (TYK.md §7.2).

A document is one organisation's hour. Pump writes ``keyendpoints.<owner>.<endpoint key>.<counter>`` as one dotted
name, so an owner with dots lies nested, a level for each dot. Owners are therefore paths here, and whatever holds
``hits`` is a counter, on whichever level.

The copies under ``lists`` are not read: their means are stale and owners with dots are not in them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from tyk_endpoint_stats.core.instants import Instant, from_datetime
from tyk_endpoint_stats.core.selection import Kind
from tyk_endpoint_stats.tyk.pump_counters import PumpCounter, whole_number

__all__ = [
    "COUNTER_FIELDS",
    "NAME_FIELDS",
    "SECTIONS",
    "Tree",
    "counter_of",
    "counters_in",
    "is_counter",
    "name_of",
]

Tree: TypeAlias = Mapping[str, Any]

SECTIONS = {Kind.KEY: "keyendpoints", Kind.OAUTH: "oauthendpoints"}
"""Where a document keeps what consumers did, by their kind."""

_SUMS = {
    "hits": "hits",
    "success": "success",
    "error": "errortotal",
    "total_request_time_ms": "totalrequesttime",
    "total_latency_ms": "totallatency",
    "total_upstream_latency_ms": "totalupstreamlatency",
}
_EXTREMES = {
    "max_latency_ms": "maxlatency",
    "max_upstream_latency_ms": "maxupstreamlatency",
    "min_latency_ms": "minlatency",
    "min_upstream_latency_ms": "minupstreamlatency",
}
COUNTER_FIELDS = (*_SUMS.values(), *_EXTREMES.values(), "lasttime", "errormap")
"""All that is read of a counter. Not the means: they are made from totals."""

NAME_FIELDS = ("hits", "humanidentifier")
"""What is read of a counter where only the name is wanted."""

_NO_TIME_BEFORE = datetime(1, 1, 2, tzinfo=UTC)  # Go's zero time is the first day of all


def is_counter(value: Any) -> bool:
    """Whether a value is a counter, and not a level of an owner's name."""
    return isinstance(value, Mapping) and "hits" in value and not isinstance(value["hits"], Mapping)


def counters_in(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tree]]:
    """Every counter in a part of a document, with the names that lead to it.

    Below a counter there may be others: of ``api`` and ``api.v2`` the second lies in the first.
    """
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if is_counter(value):
                yield (*path, name), value
            yield from counters_in(value, (*path, name))


def counter_of(counter: Tree, start_us: Instant) -> PumpCounter:
    """A counter as we keep it. Fields that older pumps did not write yet are absent.

    Args:
        counter: as the document has it; its numbers may be of any type.
        start_us: where its bucket begins: the last hit is no earlier, whatever else is not known of it.

    Raises:
        ValueError: a value is no number.
    """
    numbers: dict[str, Any] = {name: whole_number(counter.get(in_bson)) for name, in_bson in _SUMS.items()}
    for name, in_bson in _EXTREMES.items():
        value = counter.get(in_bson)
        numbers[name] = None if value is None else whole_number(value)
    last, error_codes = counter.get("lasttime"), counter.get("errormap")
    return PumpCounter(
        **numbers,
        last_hit_us=from_datetime(last) if isinstance(last, datetime) and last >= _NO_TIME_BEFORE else start_us,
        error_codes={
            int(code): whole_number(count)
            for code, count in (error_codes if isinstance(error_codes, Mapping) else {}).items()
            if code.isascii() and code.isdigit()
        },
    )


def name_of(counter: Tree) -> str:
    """The name for people in a counter of ``apikeys`` or ``apiid``, ``""`` where there is none."""
    name = counter.get("humanidentifier")
    return name if isinstance(name, str) else ""
