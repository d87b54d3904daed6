"""Looking for what can't be: in a store's own structure, in its sources' counts, in its rows.

The rules stand here once, for every store. Each day is looked at in one snapshot; writers may go on meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct, field

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, ConsumerKey, EndpointKey
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width, bucket_start
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow, state_of_row
from tyk_endpoint_stats.core.fields import SUMS
from tyk_endpoint_stats.core.instants import to_datetime
from tyk_endpoint_stats.core.packed import PackedError, unpack_quarter_hours
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.core.stats import EndpointStats, merged
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.maintenance.contradictions import (
    contradictions_in_counts,
    contradictions_in_state,
    differing_fields,
)
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import Copyable, Inspectable

__all__ = ["MAX_PROBLEMS", "Problem", "Verdict", "verify"]

MAX_PROBLEMS = 100
"""After so many a verification ends: a damaged store may have as many as it has rows."""

_EVER = Span(Width.DAY, -(2**40), 2**40)
"""Beyond the years 1 … 9999 too: nothing is to be there."""


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
        days_pruned: how many of them could not be compared with quarter hours, because those were pruned.
        rows: how many rows and totals were looked at.
        structure: whether the store could look below its answers (``Inspectable``).
    """

    problems: list[Problem] = field(default_factory=list)
    sources: int = 0
    days: int = 0
    days_pruned: int = 0
    rows: int = 0
    structure: bool = False


def verify(store: ReadableStore) -> Verdict:
    """Scan all of a store.

    - its own structure, where it is ``Inspectable``;
    - ``read = counted + skipped + malformed`` of every source, and that no counted record is without a hit, unless
      something was pruned: days may have been dropped;
    - where it is ``Copyable``: every row by itself and against its own quarter hours, field by field (those that
      were pruned are no problem), and every total against the rows that it is of.

    It reads everything: expect half a minute for a million rows. On a store whose readers may see a part of a batch
    (not ``WholeBatchReads``) run it while nobody writes.

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
    if isinstance(store, Inspectable):
        verdict.structure = True
        damage = store.damage()
        yield from (Problem("structure", what) for what in damage)
        if damage:
            return  # answers from damaged pages and rows say nothing
    counted = 0
    if isinstance(store, Store):
        for source in store.sources():
            verdict.sources += 1
            counted += source.counts.counted
            for what in contradictions_in_counts(source.counts):
                yield Problem(f"source {source.source!r}", what)
    if not isinstance(store, Copyable):
        return
    # Asked after the sources: a batch that is merged meanwhile adds hits, never counts without hits.
    hits = sum(stats.hits for _, stats in store.read(Selection((_EVER,), distributions=False)))
    outline = store.outline()
    if hits < counted and outline.pruned_before is None:  # with quarter hours, days may have been dropped
        yield Problem("sources", f"{counted:,} records were counted, but there are {hits:,} hits")
    for day in outline.days:
        start_us = bucket_start(Bucket(Width.DAY, day))
        is_pruned = outline.pruned_before is not None and start_us < outline.pruned_before
        verdict.days += 1
        verdict.days_pruned += is_pruned
        try:
            batch = store.day(day)
        except StoreError as problem:
            yield Problem(_day_name(day), str(problem))
            continue
        verdict.rows += len(batch.rows) + len(batch.totals)
        yield from _Day(batch, day, is_pruned).problems()


class _Day:
    """The rows of a day, looked at one by one, and what they add up to.

    Args:
        batch: all rows and totals.
        day: days since 1970.
        is_pruned: whether its quarter hours were pruned.
    """

    def __init__(self, batch: Batch, day: int, is_pruned: bool) -> None:
        self._batch, self._day, self._is_pruned = batch, day, is_pruned
        self._endpoints: tuple[EndpointKey | None, ...] = (None, *batch.endpoints)
        self._totals: dict[tuple[ConsumerKey, int], EndpointStats] = {}
        self._of_consumer: defaultdict[ConsumerKey, EndpointStats] = defaultdict(EndpointStats)
        self._of_kind: defaultdict[tuple[str, str, int], EndpointStats] = defaultdict(EndpointStats)

    def problems(self) -> Iterator[Problem]:
        for row in (*self._batch.rows, *self._batch.totals):
            yield from self._of_row(row)
        for consumer, added in self._of_consumer.items():
            yield from self._of_total(consumer, self._totals.pop((consumer, EVERY_ENDPOINT), None), added)
        for (org_id, kind, endpoint), added in self._of_kind.items():
            total = self._totals.get(((org_id, EVERYONE, ""), endpoint))
            # A hit without a key or client counts for everyone alone, and so do those of who was forgotten.
            if total is None or any(getattr(total, name) < getattr(added, name) for name in SUMS):
                what = f"everyone has fewer hits than the consumers of kind {kind} together"
                yield Problem(self._where((org_id, EVERYONE, ""), endpoint), what)
        for consumer, endpoint in self._totals:
            if endpoint == EVERY_ENDPOINT:
                yield Problem(self._where(consumer, endpoint), "the total has it, no row of an endpoint has")

    def _of_row(self, row: DayRow) -> Iterator[Problem]:
        consumer, endpoint = self._batch.consumers[row.consumer], row.endpoint
        is_everyones = consumer[1] == EVERYONE
        try:
            stats = state_of_row(row)
            found = [("", what) for what in contradictions_in_state(stats, Bucket(Width.DAY, self._day))]
            if not self._is_pruned and (is_everyones or endpoint != EVERY_ENDPOINT):
                found += _found_in_quarter_hours(row, stats)
        except PackedError as problem:
            yield Problem(self._where(consumer, endpoint), str(problem))
            return
        for part, what in found:
            yield Problem(self._where(consumer, endpoint) + part, what)
        if is_everyones or endpoint == EVERY_ENDPOINT:
            self._totals[consumer, endpoint] = stats
        if endpoint != EVERY_ENDPOINT:
            self._of_consumer[consumer].merge(stats)
            if not is_everyones:
                self._of_kind[consumer[0], consumer[1], endpoint].merge(stats)

    def _of_total(
        self, consumer: ConsumerKey, total: EndpointStats | None, added: EndpointStats
    ) -> Iterator[Problem]:
        what = "rows of endpoints have it, the total has not"
        if total is not None:
            what = _difference(total, added, "by rows of endpoints", "no row of an endpoint has it")
        if what:
            yield Problem(self._where(consumer, EVERY_ENDPOINT), what)

    def _where(self, consumer: ConsumerKey, endpoint: int) -> str:
        _, kind, consumer_id = consumer
        found = self._endpoints[endpoint]
        who = kind if kind == EVERYONE else f"{kind} {consumer_id!r}"
        what = "every endpoint" if found is None else f"api {found[0]!r}, path {found[1]!r}"
        return f"{_day_name(self._day)}, {who}, {what}"


def _found_in_quarter_hours(row: DayRow, stats: EndpointStats) -> list[tuple[str, str]]:
    """What is wrong in a row's quarter hours, and behind which words of where."""
    found = []
    states = unpack_quarter_hours(row.quarter_hours, row.day)
    for number, state in states.items():
        bucket = Bucket(Width.QUARTER_HOUR, row.day * QUARTER_HOURS_PER_DAY + number)
        for what in contradictions_in_state(state, bucket):
            found.append((f", quarter hour {number // 4:02d}:{number % 4 * 15:02d}", what))
    what = _difference(stats, merged([*states.values()]), "by quarter hours", "the day has it, no quarter hour has")
    return [*found, ("", what)] if what else found


def _difference(kept: EndpointStats, added: EndpointStats, by: str, if_none: str) -> str:
    """In what two states differ that should be equal; ``""``: in nothing."""
    if kept == added:
        return ""
    if not added.hits:
        return if_none
    first, *more = differing_fields(kept, added)
    what = f"{first} is {getattr(kept, first)}, {by} {getattr(added, first)}"
    return what + (f"; so differ {', '.join(more)}" if more else "")


def _day_name(day: int) -> str:
    try:
        return f"day {to_datetime(bucket_start(Bucket(Width.DAY, day))).date()}"
    except OverflowError:
        return f"day {day:+d} after 1970-01-01"
