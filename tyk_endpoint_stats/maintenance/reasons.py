"""Why a number of ours is not Tyk's: what Tyk Pump does otherwise, and how it can be told from the numbers.

From its code (tyk-pump ``analytics/aggregate.go``, ``pumps/mongo_aggregate.go``, ``pumps/sql_aggregate.go``).
"""

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct, field

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, Instant
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["HOUR_US", "MEMBERS", "REASONS", "Case", "Reason", "Value", "value_of"]

Value: TypeAlias = int | float | None

HOUR_US = 4 * QUARTER_HOUR_US
"""How far a flush may reach out of the hour it is counted in."""

_ROUNDED = 1e-6
"""SQL keeps means as REAL: so much of a number may be lost to rounding, over many flushes."""

_COUNTS = frozenset({"hits", "success", "error"})
_MEANS = ("request_time", "latency", "upstream_latency")
_EXTREMES = ("max_latency", "min_latency", "max_upstream_latency", "min_upstream_latency")
_MINIMA = frozenset({"min_latency", "min_upstream_latency"})

_ATTRIBUTES = {
    **{name: name for name in ("hits", "success", "error")},
    "last_hit": "last_hit_us",
    **{name: f"{name}_ms" for name in (*_MEANS, *_EXTREMES)},
}
MEMBERS = tuple(_ATTRIBUTES)
"""What is compared of a row: all that Tyk's routes answer. ``last_hit`` is microseconds since 1970 UTC here."""


class Case(Struct, frozen=True, kw_only=True):
    """One row as both stores have it, and what helps to tell why they differ. A row that is not there has no hit.

    Attributes:
        consumer, endpoint: whose row it is.
        ours, theirs: what the stores answer.
        ours_around, theirs_around: the same with an hour to both sides; without a hit too where it can't be asked.
        ours_without_org: our hits of it in the organisation whose id is empty, where the other store has none there.
        endpoint_is_theirs: whether the other store has a row of this endpoint, of any consumer.
        our_first, our_newest, their_newest: of all hits in the stores.
    """

    consumer: Consumer
    endpoint: Endpoint
    ours: EndpointStats
    theirs: EndpointStats
    ours_around: EndpointStats = field(default_factory=EndpointStats)
    theirs_around: EndpointStats = field(default_factory=EndpointStats)
    ours_without_org: int = 0
    endpoint_is_theirs: bool = True
    our_first: Instant | None = None
    our_newest: Instant | None = None
    their_newest: Instant | None = None

    @property
    def missing(self) -> int:
        """How many hits the other store lacks; below 0: we do."""
        return self.ours.hits - self.theirs.hits


class Reason(Struct, frozen=True):
    """One way in which the stores come to differ.

    Attributes:
        name: a word or two.
        text: the sentence.
        explains: which members; if it holds of a row, their differences are explained.
        holds: whether it may be the reason, by the numbers; told of each member that differs.
    """

    name: str
    text: str
    explains: frozenset[str]
    holds: Callable[[Case, str], bool]


def value_of(state: EndpointStats, member: str) -> Value:
    """One of ``MEMBERS`` of a state."""
    value: Value = getattr(state, _ATTRIBUTES[member])
    return value


def _is_without_organisation(case: Case, member: str) -> bool:
    return 0 < case.ours_without_org == case.missing


def _is_in_another_hour(case: Case, member: str) -> bool:
    return case.missing != 0 and 0 < case.ours_around.hits == case.theirs_around.hits


def _is_doubled(mine: EndpointStats, other: EndpointStats) -> bool:
    """Whether one has twice of all that adds up, and the same of all that does not."""
    sums = ("hits", "success", "error", "total_request_time_ms", "total_latency_ms", "total_upstream_latency_ms")
    return (
        mine.hits > 0
        and all(getattr(other, name) == 2 * getattr(mine, name) for name in sums)
        and mine.max_latency_ms == other.max_latency_ms
    )


def _is_counted_twice_in_part(case: Case, member: str) -> bool:
    """More hits, of which none is slower or later than ours: some of them again."""
    ours, theirs = case.ours, case.theirs
    return (
        ours.hits < theirs.hits < 2 * ours.hits
        and theirs.max_latency_ms == ours.max_latency_ms
        and theirs.last_hit_us is not None
        and ours.last_hit_us is not None
        and theirs.last_hit_us <= ours.last_hit_us
        and theirs.success >= ours.success
        and theirs.error >= ours.error
    )


def _is_before_our_first(case: Case, member: str) -> bool:
    theirs = case.theirs
    earliest = theirs.first_hit_us if theirs.first_hit_us is not None else theirs.last_hit_us
    return case.missing < 0 and earliest is not None and case.our_first is not None and earliest < case.our_first


def _is_after_our_newest(case: Case, member: str) -> bool:
    latest = case.theirs.last_hit_us
    return case.missing < 0 and latest is not None and (case.our_newest is None or latest > case.our_newest)


def _is_not_flushed_yet(case: Case, member: str) -> bool:
    latest = case.ours.last_hit_us
    # Of a whole flush Pump keeps the time of its first record: it may have later ones within the hour.
    return (
        case.missing > 0
        and latest is not None
        and (case.their_newest is None or latest > case.their_newest + HOUR_US)
    )


def _is_untracked(case: Case, member: str) -> bool:
    return not case.theirs.hits and not case.endpoint_is_theirs


def _has_a_dot(case: Case, member: str) -> bool:
    return not case.theirs.hits and "." in case.consumer.id


def _follows_from_hits(case: Case, member: str) -> bool:
    return case.missing != 0


def _is_of_first_record(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return mine is not None and other is not None and other < mine


def _is_rounded(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return mine is not None and other is not None and 0 < abs(mine - other) <= _ROUNDED * max(abs(mine), abs(other))


def _is_stale_request_time(case: Case, member: str) -> bool:
    """All other sums are equal: only this mean is of another time."""
    ours, theirs = case.ours, case.theirs
    return (
        ours.hits == theirs.hits
        and ours.total_latency_ms == theirs.total_latency_ms
        and ours.total_request_time_ms != theirs.total_request_time_ms
    )


def _has_no_latency(case: Case, member: str) -> bool:
    return bool(case.ours.timed_hits) and not case.theirs.timed_hits


def _has_no_minimum(case: Case, member: str) -> bool:
    """None of our hits is without an error, and there stands nothing, or 0."""
    ours, (mine, other) = case.ours, _pair(case, member)
    least = ours.min_latency_non_error_ms if member == "min_latency" else ours.min_upstream_latency_non_error_ms
    return mine is not None and not other and least is None


def _is_an_errors_minimum(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return case.ours.error > 0 and mine is not None and other is not None and other < mine


def _pair(case: Case, member: str) -> tuple[Value, Value]:
    return value_of(case.ours, member), value_of(case.theirs, member)


REASONS: tuple[Reason, ...] = (
    Reason(
        "no organisation",
        "These hits have an empty organisation: Tyk Pump drops such records without a word (tyk-pump #707).",
        _COUNTS,
        _is_without_organisation,
    ),
    Reason(
        "not ingested yet",
        "The other store has hits later than our newest: ingest what came since.",
        _COUNTS,
        _is_after_our_newest,
    ),
    Reason(
        "before our records",
        "The other store has hits earlier than our first: those records were never ingested here.",
        _COUNTS,
        _is_before_our_first,
    ),
    Reason(
        "another hour",
        "An hour to both sides the hits are equal: Tyk Pump counts a whole flush in the hour of its first record, by "
        "the clock of its own zone.",
        _COUNTS,
        _is_in_another_hour,
    ),
    Reason(
        "counted twice there",
        "Everything is there twice: Tyk Pump repeats a whole write after an error, and adds again.",
        _COUNTS,
        lambda case, member: _is_doubled(case.ours, case.theirs),
    ),
    Reason(
        "counted twice here",
        "Everything is here twice: the same records were ingested from two sources.",
        _COUNTS,
        lambda case, member: _is_doubled(case.theirs, case.ours),
    ),
    Reason(
        "counted twice in part",
        "More hits, none of them later or slower than ours: Tyk Pump repeated the write of a flush.",
        _COUNTS,
        _is_counted_twice_in_part,
    ),
    Reason(
        "dot in the id",
        "Tyk Pump's documents in MongoDB are split at a dot in a key or client id: it is not found there by its id.",
        _COUNTS,
        _has_a_dot,
    ),
    Reason(
        "not flushed yet",
        "We have hits more than an hour later than all of the other store's: it has not got them yet.",
        _COUNTS,
        _is_not_flushed_yet,
    ),
    Reason(
        "untracked path",
        "The other store has nothing of this endpoint: without track_all_paths Tyk Pump counts tracked paths alone.",
        _COUNTS,
        _is_untracked,
    ),
    Reason(
        "rounding",
        "Equal but for rounding: SQL keeps means with 15 digits at most.",
        frozenset(_MEANS),
        _is_rounded,
    ),
    Reason(
        "no latency there",
        "The other store's documents have no latency: an older Tyk Pump wrote them.",
        frozenset({*_MEANS, *_EXTREMES}) - {"request_time"},
        _has_no_latency,
    ),
    Reason(
        "other hits",
        "It is of other hits, see there.",
        frozenset({*MEMBERS}) - _COUNTS,
        _follows_from_hits,
    ),
    Reason(
        "first of its flush",
        "Tyk Pump keeps the time of the first record of a flush, not of the last.",
        frozenset({"last_hit"}),
        _is_of_first_record,
    ),
    Reason(
        "stale request_time",
        "Tyk Pump writes into its lists the request_time of before the last flush, 0 after the first.",
        frozenset({"request_time"}),
        _is_stale_request_time,
    ),
    Reason(
        "no minimum there",
        "All hits are errors: of a flush without another hit Tyk Pump writes no minimum to MongoDB (lists show 0).",
        _MINIMA,
        _has_no_minimum,
    ),
    Reason(
        "an error's minimum",
        "Tyk Pump's minimum begins with the first hit of a flush, also with an error: ours is that of the others.",
        _MINIMA,
        _is_an_errors_minimum,
    ),
)
"""In the order in which they are tried: the first that holds is given."""
