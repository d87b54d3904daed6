"""Our numbers beside another store's: which rows differ, in what, and why where it can be told.

The other store is usually what Tyk Pump made of the same requests. Why its numbers are others is known from its code
(tyk-pump ``analytics/aggregate.go``, ``pumps/mongo_aggregate.go``, ``pumps/sql_aggregate.go``): ``REASONS`` has a
sentence and a test for each of it.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, Instant
from tyk_endpoint_stats.core.selection import Dimension
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket, QuarterHoursPruned
from tyk_endpoint_stats.questions.answer import Readable
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import EVER, Period
from tyk_endpoint_stats.questions.totals import totals

__all__ = ["MEMBERS", "REASONS", "Case", "Comparison", "Difference", "Reason", "compare", "differing_members"]

Key: TypeAlias = tuple[Consumer, Endpoint]
Value: TypeAlias = int | float | None

_HOUR_US = 4 * QUARTER_HOUR_US
_ROUNDED = 1e-6
"""SQL keeps means as REAL: so much of a number may be lost to rounding, over many flushes."""

_MEANS: Mapping[str, str] = {
    "request_time": "request_time_ms",
    "latency": "latency_ms",
    "upstream_latency": "upstream_latency_ms",
}
_EXTREMES: Mapping[str, str] = {
    "max_latency": "max_latency_ms",
    "min_latency": "min_latency_ms",
    "max_upstream_latency": "max_upstream_latency_ms",
    "min_upstream_latency": "min_upstream_latency_ms",
}
_ATTRIBUTES: Mapping[str, str] = {
    "hits": "hits",
    "success": "success",
    "error": "error",
    "last_hit": "last_hit_us",
    **_MEANS,
    **_EXTREMES,
}
MEMBERS = tuple(_ATTRIBUTES)
"""What is compared of a row: all that Tyk's routes answer. ``last_hit`` is microseconds since 1970 UTC here."""

_COUNTS = frozenset({"hits", "success", "error"})
_MINIMA = frozenset({"min_latency", "min_upstream_latency"})


class Case(Struct, frozen=True, kw_only=True):
    """One row as both stores have it, and what helps to tell why they differ.

    Attributes:
        consumer, endpoint: whose row it is.
        ours, theirs: what the stores answer; ``None``: they have no such row.
        ours_around, theirs_around: the same an hour to both sides of the period; ``None``: no row, or it can't be asked.
        ours_without_org: our hits of it in the organisation whose id is empty, where all organisations are asked for.
        endpoint_is_theirs: whether the other store has a row of this endpoint, of any consumer.
        our_first, our_newest, their_newest: of all hits in the stores.
    """

    consumer: Consumer
    endpoint: Endpoint
    ours: EndpointStats | None
    theirs: EndpointStats | None
    ours_around: EndpointStats | None = None
    theirs_around: EndpointStats | None = None
    ours_without_org: int = 0
    endpoint_is_theirs: bool = True
    our_first: Instant | None = None
    our_newest: Instant | None = None
    their_newest: Instant | None = None

    @property
    def our_hits(self) -> int:
        """0 where we have no such row."""
        return self.ours.hits if self.ours is not None else 0

    @property
    def their_hits(self) -> int:
        """0 where they have no such row."""
        return self.theirs.hits if self.theirs is not None else 0


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


class Difference(Struct, frozen=True, kw_only=True):
    """A row that differs.

    Attributes:
        case: the row.
        members: those that differ: ours and theirs.
        reasons: by member; a member that is not here could not be explained.
    """

    case: Case
    members: dict[str, tuple[Value, Value]]
    reasons: dict[str, Reason]


class Comparison(Struct, frozen=True, kw_only=True):
    """What came of comparing two stores.

    Attributes:
        rows: how many there are in either.
        differences: the rows that differ, those that differ most in hits first.
    """

    rows: int
    differences: list[Difference]


def compare(ours: Readable, theirs: Readable, period: Period, where: Filter = Filter()) -> Comparison:  # noqa: B008 - frozen
    """Compare the rows of every consumer and endpoint in two stores.

    Two reads each, and up to three more of each where something differs. Rows that one store alone has differ too.

    Args:
        ours: the store whose numbers are in question.
        theirs: the one they are held against.
        period: when; a store of Tyk Pump's has whole hours.
        where: which hits.

    Raises:
        InvalidQuestion: ``where`` chooses rows.
        EdgeInsideBucket: an edge of the period lies inside of what a store holds as one number.
        QuarterHoursPruned: an edge of the period needs quarter hours that were pruned.
        StoreError: a store can't answer.
    """
    where.refuse_choosing_rows("a comparison")
    mine, other = _rows(ours, period, where), _rows(theirs, period, where)
    keys = sorted(mine.keys() | other.keys())
    found = {key: members for key in keys if (members := differing_members(mine.get(key), other.get(key)))}
    if not found:
        return Comparison(rows=len(keys), differences=[])
    around = _around(period)
    mine_around, other_around = _rows_if_any(ours, around, where), _rows_if_any(theirs, around, where)
    homeless = {} if where.org_id is not None else _rows(ours, period, replace(where, org_id=""))
    their_endpoints = {endpoint for _, endpoint in _rows(theirs, Period(*EVER), replace(where, consumer=None))}
    ever = Filter(org_id=where.org_id)
    span = totals(ours, Period(*EVER), ever, distributions=False).stats
    newest = _newest(theirs, ever)
    differences = []
    for key, members in found.items():
        case = Case(
            consumer=key[0],
            endpoint=key[1],
            ours=mine.get(key),
            theirs=other.get(key),
            ours_around=mine_around.get(key),
            theirs_around=other_around.get(key),
            ours_without_org=homeless[key].hits if key in homeless else 0,
            endpoint_is_theirs=key[1] in their_endpoints,
            our_first=span.first_hit_us,
            our_newest=span.last_hit_us,
            their_newest=newest,
        )
        differences.append(Difference(case=case, members=members, reasons=_reasons(case, members)))
    differences.sort(
        key=lambda one: (-abs(one.case.our_hits - one.case.their_hits), one.case.consumer, one.case.endpoint)
    )
    return Comparison(rows=len(keys), differences=differences)


def differing_members(ours: EndpointStats | None, theirs: EndpointStats | None) -> dict[str, tuple[Value, Value]]:
    """The members in which two rows differ, ours and theirs; of a row that one store lacks only ``hits``."""
    if ours is None or theirs is None:
        mine, other = (None if state is None else state.hits for state in (ours, theirs))
        return {} if mine == other else {"hits": (mine, other)}
    pairs = {name: (_value(ours, name), _value(theirs, name)) for name in MEMBERS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _value(state: EndpointStats, member: str) -> Value:
    value: Value = getattr(state, _ATTRIBUTES[member])
    return value


def _rows(store: Readable, period: Period, where: Filter) -> dict[Key, EndpointStats]:
    selection = where.selection(period.spans, (Dimension.CONSUMER, Dimension.ENDPOINT), distributions=False)
    rows: dict[Key, EndpointStats] = {}
    for group, state in store.read(selection) if selection is not None else ():
        assert group.consumer is not None
        assert group.endpoint is not None
        rows[group.consumer, group.endpoint] = state
    return rows


def _rows_if_any(store: Readable, period: Period | None, where: Filter) -> dict[Key, EndpointStats]:
    try:
        return {} if period is None else _rows(store, period, where)
    except (EdgeInsideBucket, QuarterHoursPruned):  # then this reason can't be told
        return {}


def _around(period: Period) -> Period | None:
    if period.start <= EVER[0] or period.end >= EVER[1]:
        return None
    return Period(period.start - _HOUR_US, period.end + _HOUR_US, period.zone)


def _newest(store: Readable, where: Filter) -> Instant | None:
    """By way of consumers: Pump's aggregates have nothing of hits without one."""
    hits = [
        state.last_hit_us for state in _rows(store, Period(*EVER), where).values() if state.last_hit_us is not None
    ]
    return max(hits, default=None)


def _reasons(case: Case, members: dict[str, tuple[Value, Value]]) -> dict[str, Reason]:
    found = {}
    for member in members:
        reason = next((one for one in REASONS if member in one.explains and one.holds(case, member)), None)
        if reason is not None:
            found[member] = reason
    return found


def _is_without_organisation(case: Case, member: str) -> bool:
    return 0 < case.ours_without_org == case.our_hits - case.their_hits


def _is_in_another_hour(case: Case, member: str) -> bool:
    ours, theirs = case.ours_around, case.theirs_around
    return ours is not None and theirs is not None and ours.hits == theirs.hits and case.our_hits != case.their_hits


def _is_doubled(mine: EndpointStats | None, other: EndpointStats | None) -> bool:
    """Whether one has twice of all that adds up, and the same of all that does not."""
    if mine is None or other is None or not mine.hits:
        return False
    sums = ("hits", "success", "error", "total_request_time_ms", "total_latency_ms", "total_upstream_latency_ms")
    return all(getattr(other, name) == 2 * getattr(mine, name) for name in sums) and (
        mine.max_latency_ms == other.max_latency_ms
    )


def _is_counted_twice_in_part(case: Case, member: str) -> bool:
    """More hits, of which none is slower or later than ours: some of them again."""
    ours, theirs = case.ours, case.theirs
    if ours is None or theirs is None or not ours.hits < theirs.hits < 2 * ours.hits:
        return False
    return (
        theirs.max_latency_ms == ours.max_latency_ms
        and theirs.last_hit_us is not None
        and ours.last_hit_us is not None
        and theirs.last_hit_us <= ours.last_hit_us
        and theirs.success >= ours.success
        and theirs.error >= ours.error
    )


def _is_before_our_first(case: Case, member: str) -> bool:
    theirs = case.theirs
    if case.their_hits <= case.our_hits or theirs is None or case.our_first is None:
        return False
    earliest = theirs.first_hit_us if theirs.first_hit_us is not None else theirs.last_hit_us
    return earliest is not None and earliest < case.our_first


def _is_after_our_newest(case: Case, member: str) -> bool:
    theirs = case.theirs
    if case.their_hits <= case.our_hits or theirs is None or theirs.last_hit_us is None:
        return False
    return case.our_newest is None or theirs.last_hit_us > case.our_newest


def _is_not_flushed_yet(case: Case, member: str) -> bool:
    ours = case.ours
    if case.our_hits <= case.their_hits or ours is None or ours.last_hit_us is None:
        return False
    # Of a whole flush Pump keeps the time of its first record: it may have later ones within the hour.
    return case.their_newest is None or ours.last_hit_us > case.their_newest + _HOUR_US


def _is_untracked(case: Case, member: str) -> bool:
    return case.theirs is None and not case.endpoint_is_theirs


def _has_a_dot(case: Case, member: str) -> bool:
    return case.theirs is None and "." in case.consumer.id


def _follows_from_hits(case: Case, member: str) -> bool:
    return case.our_hits != case.their_hits


def _is_of_first_record(case: Case, member: str) -> bool:
    ours, theirs = case.ours, case.theirs
    return (
        ours is not None
        and theirs is not None
        and theirs.last_hit_us is not None
        and ours.last_hit_us is not None
        and theirs.last_hit_us < ours.last_hit_us
    )


def _is_rounded(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return mine is not None and other is not None and 0 < abs(mine - other) <= _ROUNDED * max(abs(mine), abs(other))


def _is_stale_request_time(case: Case, member: str) -> bool:
    """All other sums are equal: only this mean is of another time."""
    ours, theirs = case.ours, case.theirs
    return (
        ours is not None
        and theirs is not None
        and ours.hits == theirs.hits
        and ours.total_latency_ms == theirs.total_latency_ms
        and ours.total_request_time_ms != theirs.total_request_time_ms
    )


def _has_no_latency(case: Case, member: str) -> bool:
    ours, theirs = case.ours, case.theirs
    return ours is not None and theirs is not None and bool(ours.timed_hits) and not theirs.timed_hits


def _is_zero_for_none(case: Case, member: str) -> bool:
    ours, (mine, other) = case.ours, _pair(case, member)
    return ours is not None and ours.error > 0 and bool(mine) and not other and ours.success == 0


def _is_an_errors_minimum(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return case.ours is not None and case.ours.error > 0 and mine is not None and other is not None and other < mine


def _lacks_a_flushs_minimum(case: Case, member: str) -> bool:
    mine, other = _pair(case, member)
    return case.ours is not None and case.ours.error > 0 and mine is not None and (other is None or other > mine)


def _pair(case: Case, member: str) -> tuple[Value, Value]:
    if case.ours is None or case.theirs is None:
        return None, None
    return _value(case.ours, member), _value(case.theirs, member)


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
        "not flushed yet",
        "We have hits more than an hour later than all of the other store's: it has not got them yet.",
        _COUNTS,
        _is_not_flushed_yet,
    ),
    Reason(
        "dot in the id",
        "Tyk Pump's documents in MongoDB are split at a dot in a key or client id: it is not found there by its id.",
        _COUNTS,
        _has_a_dot,
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
        _is_zero_for_none,
    ),
    Reason(
        "an error's minimum",
        "Tyk Pump's minimum begins with the first hit of a flush, also with an error: ours is that of the others.",
        _MINIMA,
        _is_an_errors_minimum,
    ),
    Reason(
        "a flush without a minimum",
        "Of a flush with errors alone Tyk Pump writes no minimum to MongoDB: that of the others stands there.",
        _MINIMA,
        _lacks_a_flushs_minimum,
    ),
)
"""In the order in which they are tried: the first that holds is given."""
