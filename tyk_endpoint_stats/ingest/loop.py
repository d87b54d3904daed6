"""Moving records from a source into a store: exactly once where the source is resumable.

``read = counted + skipped + malformed + duplicate`` holds for every report.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.lenient_record import MalformedRecord, mended
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.errors import PositionConflict
from tyk_endpoint_stats.ingest.batch_builder import NAMED_REJECTS, Collected, Limits, Wanted, collect
from tyk_endpoint_stats.maintenance.copy_mark import refuse_half_copied
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Rejected, Source

__all__ = [
    "IngestReport",
    "OnProgress",
    "RecordsSource",
    "WritableStore",
    "ingest",
    "limits_for",
    "merge_collected",
]

_RECORDS_A_CHUNK = 1000

OnProgress = Callable[["IngestReport", float | None], None]
"""Called with the report so far, and which share of the source is behind it where that can be told."""


class WritableStore(Protocol):
    """What an ingest needs of a store: a part of ``stores.contract.Store``, which knows this module."""

    max_states_a_batch: int

    def merge(self, batch: Batch) -> bool:
        """See the contract."""

    def position(self, source: str) -> str | None:
        """See the contract."""


class IngestReport(Struct):
    """What one ``ingest`` did.

    Attributes:
        label: the source, as people know it.
        counts: of the records this call read and merged.
        duplicate: records read in batches that turned out to have been merged before.
        batches: how many were merged.
        bytes: how much of the source was read.
        seconds: how long it took.
        newest_us: the latest hit of all, ``None`` if nothing was counted.
        named: the first malformed records, with place and cause.
        max_endpoints_a_batch: the most distinct paths that one batch had.
    """

    label: str
    counts: Counts = field(default_factory=Counts)
    duplicate: int = 0
    batches: int = 0
    bytes: int = 0
    seconds: float = 0.0
    newest_us: Instant | None = None
    named: list[Rejected] = field(default_factory=list)
    max_endpoints_a_batch: int = 0

    @property
    def read(self) -> int:
        """Records read: counted, skipped, malformed and duplicate ones."""
        return self.counts.read + self.duplicate

    def merge(self, other: "IngestReport") -> None:
        """Take another report into this one."""
        self.counts.merge(other.counts)
        self.duplicate += other.duplicate
        self.batches += other.batches
        self.bytes += other.bytes
        self.seconds += other.seconds
        self.see(other.newest_us)
        self.named += other.named[: NAMED_REJECTS - len(self.named)]
        self.max_endpoints_a_batch = max(self.max_endpoints_a_batch, other.max_endpoints_a_batch)

    def see(self, newest_us: Instant | None) -> None:
        """Take note of a latest hit."""
        if newest_us is not None and (self.newest_us is None or newest_us > self.newest_us):
            self.newest_us = newest_us


class RecordsSource(Source):
    """Records that are already in memory or come from an iterator. Not resumable: every call counts them.

    Raises:
        TypeError: ``records`` is one text, or the name of a file.
    """

    def __init__(self, records: Iterable[Record], label: str = "records") -> None:
        if isinstance(records, str | bytes | os.PathLike):
            # Without what was given: it may be a URL with a password, or records with keys in them.
            raise TypeError(
                f"records are wanted, not a {type(records).__name__}; "
                'of a file: store.ingest(read_records("analytics.jsonl")); of a URL: each of open_sources(url)'
            )
        self.label = label
        self._records = records

    def open(self, position: PositionLookup) -> Reading:
        """Read the iterable from where it stands."""
        return _RecordsReading(self._records)


class _RecordsReading(Reading):
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records

    def chunks(self) -> Iterator[Chunk]:
        numbered = enumerate(self._records, 1)
        while given := list(islice(numbered, _RECORDS_A_CHUNK)):
            yield _records_chunk(given)


class _RecordsChunk(Chunk):
    numbers: Sequence[int] = ()

    def locate(self, index: int) -> Rejected:
        return Rejected(f"record {self.numbers[index]}", "", b"")


def _records_chunk(given: Iterable[tuple[int, Record]]) -> Chunk:
    records: list[Record] = []
    numbers: list[int] = []
    repaired: list[int] = []
    rejected: list[Rejected] = []
    for number, record in given:
        try:
            twin, changed = mended(record)
        except MalformedRecord as problem:
            rejected.append(Rejected(f"record {number}", problem.reason, b""))
            continue
        if changed:
            repaired.append(len(records))
        records.append(twin)
        numbers.append(number)
    return _RecordsChunk(records, repaired=repaired, rejected=rejected, numbers=numbers)


def ingest(
    store: WritableStore,
    source: Source | Iterable[Record],
    *,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    fail_on_malformed: bool = False,
    on_rejected: Callable[[Rejected], None] | None = None,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] = lambda: False,
    report: IngestReport | None = None,
    await_more: bool = True,
) -> IngestReport:
    """Read a source to its end and merge what it holds, batch by batch.

    A resumable source (a file) is counted exactly once, through crashes, repeated calls and other processes
    that ingest the same; plain records are counted every time they are given.

    Args:
        store: where to.
        source: a ``Source``, or any iterable of records.
        rules: which records count.
        limits: when a batch ends.
        fail_on_malformed: stop at the first malformed record; the batch it is in is not merged.
        on_rejected: called with each malformed record once its batch is merged.
        on_progress: called after every chunk.
        stop: asked after every chunk; once it says so, what was read is merged and nothing more is read.
        report: what to add to, for a caller who wants it after an error too; a new one by default.
        await_more: whether to wait for more of a pipe that somebody still writes to, or to return once nothing
            comes for a while.

    Raises:
        TypeError: ``source`` is the name of one: see ``read_records`` and ``open_sources``.
        SourceError: the source can't be read (on); what was merged before stays merged.
        StoreError: the store can't merge.
    """
    if not isinstance(source, Source):
        source = RecordsSource(source)
    refuse_half_copied(store.position)
    wanted = Wanted(rules, limits_for(store, limits), fail_on_malformed, on_rejected is not None)
    report = report or IngestReport(source.label)
    began = time.monotonic()
    for part in source.parts():
        ended = False
        while not ended and not stop():
            # Not at its end: another writer was met, and the store is asked again where the source stands.
            reading = _read_once(store, part, wanted, report, began, on_rejected, on_progress, stop)
            ended = reading is not None and not (reading.waits and await_more)
    report.seconds = time.monotonic() - began
    return report


def limits_for(store: WritableStore, limits: Limits) -> Limits:
    """The limits, and no more states a batch than the store asks for."""
    return replace(limits, states=min(limits.states, store.max_states_a_batch))


def _read_once(
    store: WritableStore,
    source: Source,
    wanted: Wanted,
    report: IngestReport,
    began: float,
    on_rejected: Callable[[Rejected], None] | None,
    on_progress: OnProgress | None,
    stop: Callable[[], bool],
) -> Reading | None:
    """Merge what one reading gives; the reading, or ``None`` where the store turned out to stand elsewhere."""
    with source.open(store.position) as reading:
        done = reading.done

        def on_chunk(size: int) -> None:
            nonlocal done
            done += size
            report.bytes += size
            report.seconds = time.monotonic() - began
            if on_progress is not None:
                on_progress(report, done / reading.total if reading.total else None)

        merged = reading.begins
        for collected in collect(reading, source.label, wanted, on_chunk, stop):
            if not merge_collected(store, collected, report, on_rejected):
                return None
            merged = collected.batch.ends
            reading.acknowledge(merged)
        if merged == reading.begins:
            reading.acknowledge(merged)  # all of it was merged by somebody who could not say so any more
        return reading


def merge_collected(
    store: WritableStore,
    collected: Collected,
    report: IngestReport,
    on_rejected: Callable[[Rejected], None] | None = None,
) -> bool:
    """Merge one batch and add it to the report; ``False``: the store stands elsewhere, ask it for the position."""
    batch = collected.batch
    try:
        merged = store.merge(batch)
    except PositionConflict:
        return False
    if not merged:
        report.duplicate += batch.counts.read
        return False
    report.batches += 1
    report.counts.merge(batch.counts)
    report.see(batch.newest_us)
    report.max_endpoints_a_batch = max(report.max_endpoints_a_batch, len(batch.endpoints))
    room = NAMED_REJECTS - len(report.named)
    report.named += [Rejected(found.where, found.reason, b"") for found in collected.rejected[:room]]
    if on_rejected is not None:
        for found in collected.rejected:
            on_rejected(found)
    return True
