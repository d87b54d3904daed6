"""Copying a store into another: states, names, and where each source stands, so that ingests can go on there.

The copy makes up the difference. Day by day it compares what both stores hold and merges what the target lacks,
so it can be killed anywhere and run again, and what the store it copies from got in the meantime is brought too.
What is exact about it:

- The target must be new, or hold nothing but an earlier copy of the same store. A state of the target that is no
  part of the other's is an error, and so is a hit that the copy has not brought.
- Each step compares and sets a mark in the target together with its states, so two copies at once can't both
  bring the same; one of them ends with an error.
- Positions come last, once a pass has found no difference left while no position moved in the other store.
  Until then the target refuses ingests.
- Quarters that were pruned are pruned in the target.

Batches of records without a source leave no position: while such are merged into the store that is copied from,
the target may end with a part of one; the next run brings the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.difference import NoPart, difference
from tyk_endpoint_stats.core.selection import Batch, Counts, Dimension, Selection, Series
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, QuarterHoursPruned, StoreError
from tyk_endpoint_stats.maintenance.copy_mark import COPY_SOURCE, CopyMark
from tyk_endpoint_stats.stores.contract import Copyable, Outline, ReadableStore, SourceProgress, Store

__all__ = ["CopyReport", "copy"]

_EVER = Span(Width.DAY, -(2**40), 2**40)
_SERIES = frozenset({Dimension.CONSUMER, Dimension.ENDPOINT})
_PASSES = 5

_States = dict[Bucket, EndpointStats]
Entry = TypeVar("Entry")
OnProgress = Callable[["CopyReport"], None]


class CopyReport(Struct):
    """What one ``copy`` did.

    Attributes:
        hits: how many hits, of days, the store has that is copied from.
        hits_there: how many of them the target has.
        states: how many states were merged into it: what it lacked.
        sources: how many sources' positions were set.
    """

    hits: int = 0
    hits_there: int = 0
    states: int = 0
    sources: int = 0


def copy(origin: ReadableStore, target: Store, on_progress: OnProgress = lambda report: None) -> CopyReport:
    """Bring a store up to what another holds.

    Args:
        origin: where from; it is only read, and may be written to meanwhile.
        target: new, or a copy of ``origin`` that nobody has written to.
        on_progress: called after every batch.

    Raises:
        StoreError: see above; or ``origin`` gets new batches faster than they can be copied.
    """
    if isinstance(origin, Store) and isinstance(origin, Copyable):
        return _Copy(origin, origin.outline, target, on_progress).run()
    raise StoreError("the store to copy from can only be asked questions; what it holds can't be copied")


class _Copy:
    """One run."""

    def __init__(
        self, origin: Store, outline: Callable[[], Outline], target: Store, on_progress: OnProgress
    ) -> None:
        self._origin, self._outline, self._target = origin, outline, target
        self._on_progress = on_progress
        self._report = CopyReport()
        self._position = target.position(COPY_SOURCE)
        self._mark = CopyMark.read(self._position) if self._position else CopyMark.now(is_finished=False, hits=0)

    def run(self) -> CopyReport:
        self._refuse_what_is_no_copy()
        self._merge(Batch(), 0)  # takes the target over: a copy that still runs notices at its next step
        for _ in range(_PASSES):
            progress = _progress_of(self._origin)
            merged = self._report.states
            self._copy_states()
            if self._report.states == merged and _progress_of(self._origin) == progress:
                self._refuse_what_is_no_copy()
                self._copy_positions(progress)
                self._merge(Batch(), 0, is_finished=True)
                return self._report
        raise StoreError(
            "the store that is copied from gets new batches all the time; what it had is copied, positions are "
            "not: stop its ingests and run the copy again"
        )

    def _refuse_what_is_no_copy(self) -> None:
        there = sum(_hits_by_day(self._target, None).values())
        if there != self._mark.hits:
            raise StoreError(
                f"the target holds {there:,} hits, of which a copy has brought {self._mark.hits:,}: it has to be "
                "a new store, or one into which nothing but this copy was written"
            )
        known = _progress_of(self._origin)
        for name, theirs in _progress_of(self._target).items():
            ours = known.get(name)
            if ours is None or theirs.counts.read > ours.counts.read:
                raise StoreError(f"the target has read more of the source {name!r} than the store to copy from")

    def _copy_states(self) -> None:
        outline = self._outline()
        if outline.pruned_before is not None:
            self._target.prune(outline.pruned_before)
        days = {org_id: _hits_by_day(self._origin, org_id) for org_id in outline.organisations}
        self._report.hits = sum(sum(hits.values()) for hits in days.values())
        self._report.hits_there = self._mark.hits
        for some in _pieces_of(self._lacking(days), self._target.max_states_a_batch):
            self._merge_states(some)
        for names in _pieces(outline.api_names.items(), self._target.max_states_a_batch):
            self._merge(Batch(api_names=dict(names)), 0)
        for aliases in _pieces(outline.aliases.items(), self._target.max_states_a_batch):
            self._merge(Batch(aliases=dict(aliases)), 0)

    def _lacking(self, days: dict[str, dict[int, int]]) -> Iterator[tuple[Series, _States]]:
        for org_id, hits in days.items():
            there = _hits_by_day(self._target, org_id)
            for day in sorted(hits):
                # A part that has all hits is the whole, for a series' day comes in one batch with its quarters.
                if hits[day] != there.get(day):
                    # The target first: what the other store gets in between is then missing, never too much.
                    theirs = _states_of_day(self._target, org_id, day)
                    yield from _lacking(_states_of_day(self._origin, org_id, day), theirs)

    def _merge_states(self, some: list[tuple[Series, _States]]) -> None:
        states: dict[Bucket, dict[Series, EndpointStats]] = {}
        hits = 0
        for series, by_bucket in some:
            for bucket, stats in by_bucket.items():
                states.setdefault(bucket, {})[series] = stats
                hits += stats.hits if bucket.width is Width.DAY else 0
                self._report.states += 1
        batch = Batch()
        batch.states = states
        self._merge(batch, hits)
        self._report.hits_there = self._mark.hits
        self._on_progress(self._report)

    def _copy_positions(self, progress: dict[str, SourceProgress]) -> None:
        there = _progress_of(self._target)
        for name, ours in progress.items():
            theirs = there.get(name)
            if theirs == ours:
                continue
            begins = theirs.position if theirs else None
            counts = _counts_less(ours.counts, theirs.counts if theirs else Counts(), name)
            if begins == ours.position and theirs:
                raise StoreError(f"the source {name!r} stands where it stood, but other records of it were read")
            self._target.merge(Batch(source=name, begins=begins, ends=ours.position, counts=counts))
            self._report.sources += 1

    def _merge(self, batch: Batch, hits: int, *, is_finished: bool = False) -> None:
        mark = CopyMark.now(is_finished=is_finished, hits=self._mark.hits + hits)
        batch.source, batch.begins, batch.ends = COPY_SOURCE, self._position, mark.written()
        try:
            self._target.merge(batch)
        except PositionConflict as problem:
            raise StoreError("another copy into this store is running; only one can") from problem
        self._mark, self._position = mark, batch.ends


def _progress_of(store: Store) -> dict[str, SourceProgress]:
    return {one.source: one for one in store.sources() if one.source != COPY_SOURCE}


def _hits_by_day(store: ReadableStore, org_id: str | None) -> dict[int, int]:
    by_day = frozenset({Dimension.BUCKET})
    answer = store.read(Selection((_EVER,), by_day, org_id=org_id, distributions=False))
    return {group.bucket.number: stats.hits for group, stats in answer if group.bucket is not None}


def _states_of_day(store: ReadableStore, org_id: str, day: int) -> dict[Series, _States]:
    """The states of an organisation's day and of its quarters, by series; no quarters where they were pruned."""
    first = day * QUARTER_HOURS_PER_DAY
    states: dict[Series, _States] = {}
    for span in (Span(Width.DAY, day, day + 1), Span(Width.QUARTER_HOUR, first, first + QUARTER_HOURS_PER_DAY)):
        try:
            answer = store.read(Selection((span,), _SERIES | {Dimension.BUCKET}, org_id=org_id))
        except QuarterHoursPruned:
            continue
        for group, stats in answer:
            assert group.consumer is not None
            assert group.endpoint is not None
            assert group.bucket is not None
            series = (
                org_id,
                group.consumer.kind.value,
                group.consumer.id,
                group.endpoint.api_id,
                group.endpoint.path,
            )
            states.setdefault(series, {})[group.bucket] = stats
    return states


def _lacking(ours: dict[Series, _States], theirs: dict[Series, _States]) -> Iterator[tuple[Series, _States]]:
    """What the target has to get, by series.

    Raises:
        StoreError: it has something that the other store has not.
    """
    if theirs.keys() - ours.keys():
        raise StoreError("the target holds states that the store to copy from has not")
    for series, states in ours.items():
        lacking: _States = {}
        for bucket, stats in states.items():
            try:
                missing = difference(stats, theirs.get(series, {}).get(bucket, EndpointStats()))
            except NoPart as problem:
                raise StoreError(f"the target holds what the store to copy from has not: {problem}") from problem
            if missing is not None:
                lacking[bucket] = missing
        if lacking:
            yield series, lacking


def _pieces_of(
    lacking: Iterable[tuple[Series, _States]], most_states: int
) -> Iterator[list[tuple[Series, _States]]]:
    """Series with all of their states, in pieces of at most so many states where one series has not more."""
    piece: list[tuple[Series, _States]] = []
    states = 0
    for series, by_bucket in lacking:
        if piece and states + len(by_bucket) > most_states:
            yield piece
            piece, states = [], 0
        piece.append((series, by_bucket))
        states += len(by_bucket)
    if piece:
        yield piece


def _pieces(entries: Iterable[Entry], size: int) -> Iterator[Sequence[Entry]]:
    left = iter(entries)
    while piece := list(islice(left, size)):
        yield piece


def _counts_less(ours: Counts, theirs: Counts, name: str) -> Counts:
    less = Counts(
        ours.read - theirs.read,
        ours.counted - theirs.counted,
        ours.repaired - theirs.repaired,
        {reason: count - theirs.skipped.get(reason, 0) for reason, count in ours.skipped.items()},
        {reason: count - theirs.malformed.get(reason, 0) for reason, count in ours.malformed.items()},
    )
    numbers = [less.read, less.counted, less.repaired, *less.skipped.values(), *less.malformed.values()]
    if (
        min(numbers) < 0
        or theirs.skipped.keys() - ours.skipped.keys()
        or theirs.malformed.keys() - ours.malformed.keys()
    ):
        raise StoreError(f"the target has counted records of {name!r} that the store to copy from has not")
    return less
