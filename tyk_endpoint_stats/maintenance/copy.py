"""Copying a store into another: rows, names, and where each source stands, so that ingests can go on there.

The copy makes up the difference. Day by day it compares what both stores hold and merges what the target lacks,
so it can be killed anywhere and run again, and what the store it copies from got in the meantime is brought too.
What is exact about it:

- The target must be new, or hold nothing but an earlier copy of the same store. A row of the target that is no
  part of the other's is an error, and so is a hit that the copy has not brought.
- Each step compares and sets a mark in the target together with its rows, so two copies at once can't both
  bring the same; one of them ends with an error.
- Positions come last, once a pass has found no difference left while no position moved in the other store.
  Until then the target refuses ingests.
- Quarter hours that were pruned are pruned in the target. It knows by how much days grew, too.

Batches of records without a source leave no position: while such are merged into the store that is copied from,
the target may end with a part of one; the next run brings the rest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from msgspec import Struct

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, ConsumerKey, Counts, EndpointKey
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, StoreError
from tyk_endpoint_stats.maintenance.copy_mark import COPY_SOURCE, CopyMark
from tyk_endpoint_stats.maintenance.difference import NoPart, row_difference
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import Outline, Pruned, SourceProgress

__all__ = ["CopyReport", "copy"]

_EVER = Span(Width.DAY, -(2**40), 2**40)
_PASSES = 5

_RowName: TypeAlias = tuple[ConsumerKey, EndpointKey | None]
Entry = TypeVar("Entry")
OnProgress = Callable[["CopyReport"], None]


class CopyReport(Struct):
    """What one ``copy`` did.

    Attributes:
        hits: how many requests the store has that is copied from.
        hits_there: how many of them the target has.
        rows: how many rows were merged into it: what it lacked.
        sources: how many sources' positions were set.
    """

    hits: int = 0
    hits_there: int = 0
    rows: int = 0
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
    if not isinstance(origin, CopyableStore):
        raise StoreError("the store to copy from can only be asked questions; what it holds can't be copied")
    if not isinstance(target, CopyableStore):
        raise StoreError("the store to copy into does not give out its rows, so what it lacks can't be told")
    return _Copy(origin, target, on_progress).run()


@runtime_checkable
class CopyableStore(Protocol):
    """A store that can be copied from and into."""

    max_states_a_batch: int

    def merge(self, batch: Batch) -> bool: ...
    def position(self, source: str) -> str | None: ...
    def sources(self) -> Sequence[SourceProgress]: ...
    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]: ...
    def prune(self, before: int) -> Pruned: ...
    def outline(self) -> Outline: ...
    def day(self, number: int) -> Batch: ...
    def growth(self) -> Mapping[int, Grown]: ...


class _Copy:
    """One run."""

    def __init__(self, origin: CopyableStore, target: CopyableStore, on_progress: OnProgress) -> None:
        self._origin, self._target = origin, target
        self._on_progress = on_progress
        self._report = CopyReport()
        self._position = target.position(COPY_SOURCE)
        self._mark = CopyMark.read(self._position) if self._position else CopyMark.now(is_finished=False, hits=0)

    def run(self) -> CopyReport:
        self._refuse_what_is_no_copy()
        self._merge(Batch(), 0)  # takes the target over: a copy that still runs notices at its next step
        for _ in range(_PASSES):
            progress = _progress_of(self._origin)
            merged = self._report.rows
            self._copy_rows()
            if self._report.rows == merged and _progress_of(self._origin) == progress:
                self._refuse_what_is_no_copy()
                self._copy_positions(progress)
                self._merge(Batch(), 0, is_finished=True)
                return self._report
        raise StoreError(
            "the store that is copied from gets new batches all the time; what it had is copied, positions are "
            "not: stop its ingests and run the copy again"
        )

    def _refuse_what_is_no_copy(self) -> None:
        there = sum(_hits_by_day(self._target).values())
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

    def _copy_rows(self) -> None:
        # Before the rows: what comes in between is then growth that lacks, never growth without its hits.
        growth, outline = self._origin.growth(), self._origin.outline()
        if outline.pruned_before is not None:
            self._target.prune(outline.pruned_before)
        here, there = _hits_by_day(self._origin), _hits_by_day(self._target)
        self._report.hits = sum(here.values())
        self._report.hits_there = self._mark.hits
        for day in outline.days:
            # A part that has all hits is the whole: a day's total comes last, after all of its other rows.
            if here.get(day) != there.get(day):
                # The target first: what the other store gets in between is then missing, never too much.
                theirs = self._target.day(day)
                self._copy_day(self._origin.day(day), theirs)
        for names in _pieces(outline.api_names.items(), self._target.max_states_a_batch):
            self._merge(Batch(api_names=dict(names)), 0)
        for aliases in _pieces(outline.aliases.items(), self._target.max_states_a_batch):
            self._merge(Batch(aliases=dict(aliases)), 0)
        lacking = _growth_less(growth, self._target.growth())
        for days in _pieces(lacking.items(), self._target.max_states_a_batch):
            self._merge(Batch(growth=dict(days)), 0)

    def _copy_day(self, ours: Batch, theirs: Batch) -> None:
        lacking = _lacking(ours, theirs)
        for rows in _pieces(
            sorted(lacking, key=lambda row: _is_everything(ours, row)), self._target.max_states_a_batch
        ):
            piece = Batch(ours.consumers, ours.endpoints)
            hits = 0
            for row in rows:
                piece.add_row(row)
                hits += row.hits if _is_everything(ours, row) else 0
            self._merge(_only_named(piece), hits)
            self._report.rows += len(rows)
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


def _progress_of(store: CopyableStore) -> dict[str, SourceProgress]:
    return {one.source: one for one in store.sources() if one.source != COPY_SOURCE}


def _hits_by_day(store: CopyableStore) -> dict[int, int]:
    answer = store.read(Selection((_EVER,), frozenset({Dimension.BUCKET}), distributions=False))
    return {group.bucket.number: stats.hits for group, stats in answer if group.bucket is not None}


def _is_everything(batch: Batch, row: DayRow) -> bool:
    return row.endpoint == EVERY_ENDPOINT and batch.consumers[row.consumer][1] == EVERYONE


def _named(batch: Batch) -> dict[_RowName, DayRow]:
    """The rows of a batch by what their numbers stand for."""
    endpoints = (None, *batch.endpoints)
    return {(batch.consumers[row.consumer], endpoints[row.endpoint]): row for row in (*batch.rows, *batch.totals)}


def _lacking(ours: Batch, theirs: Batch) -> Iterator[DayRow]:
    """The rows that the target has to get, with the numbers that they have in ``ours``.

    Raises:
        StoreError: it has something that the other store has not.
    """
    there = _named(theirs)
    for name, row in _named(ours).items():
        known = there.pop(name, None)
        try:
            missing = row if known is None else row_difference(row, known)
        except NoPart as problem:
            raise StoreError(f"the target holds what the store to copy from has not: {problem}") from problem
        if missing is not None:
            yield missing
    if there:
        raise StoreError("the target holds rows that the store to copy from has not")


def _growth_less(ours: Mapping[int, Grown], theirs: Mapping[int, Grown]) -> dict[int, Grown]:
    less = {day: Grown(hits - theirs.get(day, (0, 0))[0], last_us) for day, (hits, last_us) in ours.items()}
    return {day: grown for day, grown in less.items() if grown.hits > 0}


def _only_named(batch: Batch) -> Batch:
    """The same rows with the consumers and endpoints that they name, and no others."""
    rows = (*batch.rows, *batch.totals)
    consumers = {number: place for place, number in enumerate(dict.fromkeys(row.consumer for row in rows))}
    named = dict.fromkeys(row.endpoint for row in rows if row.endpoint != EVERY_ENDPOINT)
    endpoints = {EVERY_ENDPOINT: EVERY_ENDPOINT} | {number: place for place, number in enumerate(named, 1)}
    less = Batch(
        [batch.consumers[number] for number in consumers], [batch.endpoints[number - 1] for number in named]
    )
    for row in rows:
        less.add_row(row._replace(consumer=consumers[row.consumer], endpoint=endpoints[row.endpoint]))
    return less


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
