"""Looking for what can't be: in a store's own structure, in its sources' counts, in its states.

Everything but the first is asked through the contract, so it holds for any store. Writers may go on meanwhile:
what they change between two questions is asked again.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct, field

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width, bucket_start
from tyk_endpoint_stats.core.instants import to_datetime
from tyk_endpoint_stats.core.selection import Consumer, Dimension, Endpoint, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import QuarterHoursPruned
from tyk_endpoint_stats.maintenance.contradictions import (
    contradictions_in_counts,
    contradictions_in_state,
    differing_fields,
)
from tyk_endpoint_stats.stores.contract import Inspectable, LookedThrough, ReadableStore, Store

__all__ = ["MAX_PROBLEMS", "Problem", "Verdict", "verify"]

MAX_PROBLEMS = 100
"""After so many a verification ends: a damaged store may have as many as it has states."""

_EVER = Span(Width.DAY, -(2**40), 2**40)
"""Beyond the years 1 … 9999 too: nothing is to be there."""

_TRIES = 5
_STATES_AT_ONCE = 50_000
_QUARTERS_AT_ONCE = 4  # of days of which nothing is known
_SPANS_AT_ONCE = 50
_SERIES = frozenset({Dimension.CONSUMER, Dimension.ENDPOINT})

_Series = tuple[Consumer, Endpoint]
_States = dict[_Series, EndpointStats]


class Problem(Struct, frozen=True):
    """One thing that is wrong, and where. May hold ids and paths: escape them for a terminal."""

    where: str
    what: str


class Verdict(Struct):
    """What a verification looked at, and what it found.

    Attributes:
        problems: what is wrong; at most ``MAX_PROBLEMS``, then the rest was not looked at.
        sources: how many sources' counts were added up.
        days: how many days were looked at.
        days_pruned: how many of them could not be compared with quarters, because those were pruned.
        days_busy: how many could not, because they were written to at every try.
        states: how many states of days were looked at; organisations may be taken together.
        structure: whether the store could look below its answers (``Inspectable``).
    """

    problems: list[Problem] = field(default_factory=list)
    sources: int = 0
    days: int = 0
    days_pruned: int = 0
    days_busy: int = 0
    states: int = 0
    structure: bool = False


def verify(store: ReadableStore) -> Verdict:
    """Look through all of a store.

    - its own structure, where it is ``Inspectable``;
    - ``read = counted + skipped + malformed`` of every source, and that no counted record is without a hit;
    - every state by itself, and that the quarters of a day come to the day, field by field. Quarters that were
      pruned are no problem.

    It reads everything: expect half a minute for a million states, less from a store that looks through its days by
    itself (SQLite: a tenth of that): of those only what is not sound is asked for. On a store whose readers may see
    a part of a batch (not ``WholeBatchReads``) run it while nobody writes.

    Raises:
        StoreError: the store can't answer.
    """
    verdict = Verdict()
    for problem in _problems(store, verdict):
        verdict.problems.append(problem)
        if len(verdict.problems) == MAX_PROBLEMS:
            break
    return verdict


def _problems(store: ReadableStore, verdict: Verdict) -> Iterator[Problem]:
    looked = LookedThrough()
    if isinstance(store, Inspectable):
        verdict.structure = True
        damage = store.damage()
        if not damage:
            looked = store.look_through()
            damage = looked.damage
        yield from (Problem("structure", what) for what in damage)
        if damage:
            return  # answers from damaged pages and rows say nothing
        yield from (Problem("structure", what) for what in looked.beside)
    counted = 0
    if isinstance(store, Store):
        for source in store.sources():
            verdict.sources += 1
            counted += source.counts.counted
            for what in contradictions_in_counts(source.counts):
                yield Problem(f"source {source.source!r}", what)
    # Asked after the sources: a batch that is merged meanwhile adds hits, never counts without hits.
    hits = _hits_by_bucket(store, (_EVER,))
    if sum(hits.values()) < counted:
        yield Problem("sources", f"{counted:,} records were counted, but there are {sum(hits.values()):,} hits")
    days = {bucket.number for bucket in hits}
    days |= looked.days.keys() | _days_of_stray_quarters(store, sorted(days))
    sound = looked.days.keys() - looked.suspects
    verdict.days += len(sound)
    verdict.days_pruned += len(sound & looked.pruned)
    verdict.states += sum(looked.days[day] for day in sound)
    for day in sorted(days - sound):
        problem = None
        for problem in _problems_of_day(store, day, verdict):
            yield problem
        if problem is None and day in looked.suspects:
            yield Problem(_day_name(day), "states or quarters are damaged in a way that no answer shows")


def _problems_of_day(store: ReadableStore, day: int, verdict: Verdict) -> Iterator[Problem]:
    verdict.days += 1
    name = _day_name(day)
    of_day = _states_of_day(store, day)
    for _ in range(_TRIES):
        try:
            of_quarters, problems = _sum_of_quarters(store, day, name, len(of_day))
        except QuarterHoursPruned:
            verdict.days_pruned += 1
            of_quarters, problems = of_day, []
        before, of_day = of_day, of_day if of_day == of_quarters else _states_of_day(store, day)
        if of_day == before:
            break
    else:
        verdict.days_busy += 1
        of_quarters = of_day
    yield from problems
    yield from _differences(name, of_day, of_quarters)
    for series, stats in of_day.items():
        verdict.states += 1
        for what in contradictions_in_state(stats, Bucket(Width.DAY, day)):
            yield Problem(f"{name}, {_series_name(series)}", what)


def _sum_of_quarters(
    store: ReadableStore, day: int, name: str, states_a_quarter: int
) -> tuple[_States, list[Problem]]:
    """What the quarters of a day come to, and what is wrong with each of them.

    Not more of them at once than memory holds; a batch that is merged between two questions shows in the day.
    """
    added: _States = {}
    problems = []
    at_once = max(1, _STATES_AT_ONCE // states_a_quarter) if states_a_quarter else _QUARTERS_AT_ONCE
    end = (day + 1) * QUARTER_HOURS_PER_DAY
    for start in range(day * QUARTER_HOURS_PER_DAY, end, at_once):
        spans = (Span(Width.QUARTER_HOUR, start, min(start + at_once, end)),)
        for group, stats in store.read(Selection(spans, _SERIES | {Dimension.BUCKET})):
            assert group.consumer is not None
            assert group.endpoint is not None
            assert group.bucket is not None
            series = group.consumer, group.endpoint
            minutes = (group.bucket.number - day * QUARTER_HOURS_PER_DAY) * 15
            for what in contradictions_in_state(stats, group.bucket):
                at = f"{minutes // 60:02d}:{minutes % 60:02d}"
                problems.append(Problem(f"{name}, quarter {at}, {_series_name(series)}", what))
            added.setdefault(series, EndpointStats()).merge(stats)
    return added, problems


def _differences(name: str, of_day: _States, of_quarters: _States) -> Iterator[Problem]:
    for series in of_day.keys() | of_quarters.keys():
        mine, theirs = of_day.get(series), of_quarters.get(series)
        if mine == theirs:
            continue
        if mine is None or theirs is None:
            what = "quarters have it, the day has not" if mine is None else "the day has it, no quarter has"
        else:
            first, *more = differing_fields(mine, theirs)
            what = f"{first} is {getattr(mine, first)}, by quarters {getattr(theirs, first)}"
            what += f"; so differ {', '.join(more)}" if more else ""
        yield Problem(f"{name}, {_series_name(series)}", what)


def _states_of_day(store: ReadableStore, day: int) -> _States:
    states: _States = {}
    for group, stats in store.read(Selection((Span(Width.DAY, day, day + 1),), _SERIES)):
        assert group.consumer is not None
        assert group.endpoint is not None
        states[group.consumer, group.endpoint] = stats
    return states


def _days_of_stray_quarters(store: ReadableStore, days: Sequence[int]) -> set[int]:
    """The days that have quarters and no state of their own."""
    edges = [_EVER.first, *days, _EVER.end]
    gaps = [
        Span(Width.QUARTER_HOUR, (before + 1) * QUARTER_HOURS_PER_DAY, after * QUARTER_HOURS_PER_DAY)
        for before, after in pairwise(edges)
        if before + 1 < after
    ]
    stray = set()
    for start in range(0, len(gaps), _SPANS_AT_ONCE):
        found = _hits_by_bucket(store, tuple(gaps[start : start + _SPANS_AT_ONCE]))
        stray |= {bucket.number // QUARTER_HOURS_PER_DAY for bucket in found}
    return stray


def _hits_by_bucket(store: ReadableStore, spans: tuple[Span, ...]) -> dict[Bucket, int]:
    answer = store.read(Selection(spans, frozenset({Dimension.BUCKET}), distributions=False))
    return {group.bucket: stats.hits for group, stats in answer if group.bucket is not None}


def _day_name(day: int) -> str:
    try:
        return f"day {to_datetime(bucket_start(Bucket(Width.DAY, day))).date()}"
    except OverflowError:
        return f"day {day:+d} after 1970-01-01"


def _series_name(series: _Series) -> str:
    consumer, endpoint = series
    return f"{consumer.kind} {consumer.id!r}, api {endpoint.api_id!r}, path {endpoint.path!r}"
