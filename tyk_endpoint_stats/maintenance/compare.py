"""Our numbers beside another store's: which rows differ, in what, and why where it can be told."""

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.selection import Dimension, Readable
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket, QuarterHoursPruned
from tyk_endpoint_stats.maintenance.reasons import HOUR_US, MEMBERS, REASONS, Case, Reason, Value, value_of
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import EVER, Period
from tyk_endpoint_stats.questions.totals import totals

__all__ = ["Comparison", "Difference", "compare", "differing_members"]

Key: TypeAlias = tuple[Consumer, Endpoint]


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

    One read of each, and up to three more where something differs. Rows that one store alone has differ too.

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
    nothing = EndpointStats()
    mine_around, other_around = _rows_if_any(ours, around, where), _rows_if_any(theirs, around, where)
    keeps_all = where.org_id is not None or _endpoints(theirs, "")
    homeless = {} if keeps_all else _rows(ours, period, replace(where, org_id=""))
    theirs_ever = _endpoints(theirs, where.org_id)
    newest = max((one.last_hit_us for one in theirs_ever.values() if one.last_hit_us is not None), default=None)
    span = totals(ours, Period(*EVER), Filter(org_id=where.org_id), distributions=False).stats
    differences = []
    for key, members in found.items():
        case = Case(
            consumer=key[0],
            endpoint=key[1],
            ours=mine.get(key, nothing),
            theirs=other.get(key, nothing),
            ours_around=mine_around.get(key, nothing),
            theirs_around=other_around.get(key, nothing),
            ours_without_org=homeless.get(key, nothing).hits,
            endpoint_is_theirs=key[1] in theirs_ever,
            our_first=span.first_hit_us,
            our_newest=span.last_hit_us,
            their_newest=newest,
        )
        differences.append(Difference(case=case, members=members, reasons=_reasons(case, members)))
    differences.sort(key=lambda one: (-abs(one.case.missing), one.case.consumer, one.case.endpoint))
    return Comparison(rows=len(keys), differences=differences)


def differing_members(ours: EndpointStats | None, theirs: EndpointStats | None) -> dict[str, tuple[Value, Value]]:
    """The members in which two rows differ, ours and theirs; of a row that one store lacks only ``hits``."""
    if ours is None or theirs is None:
        mine, other = (None if state is None else state.hits for state in (ours, theirs))
        return {} if mine == other else {"hits": (mine, other)}
    pairs = {name: (value_of(ours, name), value_of(theirs, name)) for name in MEMBERS}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


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
    return Period(period.start - HOUR_US, period.end + HOUR_US, period.zone)


def _endpoints(store: Readable, org_id: str | None) -> dict[Endpoint, EndpointStats]:
    selection = Filter(org_id=org_id).selection(Period(*EVER).spans, (Dimension.ENDPOINT,), distributions=False)
    assert selection is not None
    return {group.endpoint: state for group, state in store.read(selection) if group.endpoint is not None}


def _reasons(case: Case, members: dict[str, tuple[Value, Value]]) -> dict[str, Reason]:
    found = {}
    for member in members:
        reason = next((one for one in REASONS if member in one.explains and one.holds(case, member)), None)
        if reason is not None:
            found[member] = reason
    return found
