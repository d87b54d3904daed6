"""Moving records from a source into a store: exactly once where the source is resumable.

``read = counted + skipped + malformed + duplicate`` holds for every report.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.repair import mended
from tyk_endpoint_stats.core.selection import Counts, add_counts
from tyk_endpoint_stats.errors import PositionConflict, SourceError
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Rejected, Source

if TYPE_CHECKING:
    from tyk_endpoint_stats.stores.contract import Store

__all__ = ["IngestReport", "Limits", "RecordsSource", "ingest"]

NAMED_REJECTS = 5
"""How many malformed records a report names; all of them are counted."""


class Limits(Struct, frozen=True):
    """When a batch ends: at the first of these. Larger batches mean fewer merges; smaller ones less memory."""

    states: int = 50_000
    bytes: int = 256 * 2**20
    seconds: float = 5.0
    rejected_bytes: int = 8 * 2**20


class IngestReport(Struct):
    """What one ``ingest`` did.

    Attributes:
        label: the source, as people know it.
        counts: of the records this call read and merged.
        duplicate: records read in batches that turned out to have been merged before.
        batches: how many were merged.
        bytes: how much of the source was read.
        seconds: how long it took.
        named: the first malformed records, with place and cause.
    """

    label: str
    counts: Counts = field(default_factory=Counts)
    duplicate: int = 0
    batches: int = 0
    bytes: int = 0
    seconds: float = 0.0
    named: list[Rejected] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Records read: counted, skipped, malformed and duplicate ones."""
        return self.counts.read + self.duplicate


class RecordsSource(Source):
    """Records that are already in memory or come from an iterator. Not resumable: every call counts them."""

    def __init__(self, records: Iterable[Record], label: str = "records") -> None:
        self.label = label
        self._records = records

    def open(self, position: PositionLookup) -> Reading:
        """Read the iterable from where it stands."""
        return _RecordsReading(self._records)


class _RecordsReading(Reading):
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records

    def chunks(self) -> Iterator[Chunk]:
        records = iter(self._records)
        while chunk := [mended(record) for record in islice(records, 1000)]:
            repaired = [index for index, (_, changed) in enumerate(chunk) if changed]
            yield Chunk([record for record, _ in chunk], repaired=repaired)


def ingest(
    store: "Store",
    source: Source | Iterable[Record],
    *,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    fail_on_malformed: bool = False,
    on_rejected: Callable[[Rejected], None] | None = None,
    on_progress: Callable[[IngestReport, Reading], None] | None = None,
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

    Raises:
        SourceError: the source can't be read (on); what was merged before stays merged.
        StoreError: the store can't merge.
    """
    if not isinstance(source, Source):
        source = RecordsSource(source)
    run = _Run(store, source, rules, limits, fail_on_malformed, on_rejected, on_progress)
    return run.to_the_end()


class _Run:
    """One ingest of one source."""

    def __init__(
        self,
        store: "Store",
        source: Source,
        rules: Rules,
        limits: Limits,
        fail_on_malformed: bool,
        on_rejected: Callable[[Rejected], None] | None,
        on_progress: Callable[[IngestReport, Reading], None] | None,
    ) -> None:
        self.store, self.source, self.limits = store, source, limits
        self.fail_on_malformed = fail_on_malformed
        self.on_rejected, self.on_progress = on_rejected, on_progress
        self.aggregator = Aggregator(rules)
        self.report = IngestReport(source.label)
        self.began = time.monotonic()

    def to_the_end(self) -> IngestReport:
        while not self._reading_ended():
            pass
        self.report.seconds = time.monotonic() - self.began
        return self.report

    def _reading_ended(self) -> bool:
        """Read from where the store stands; ``False`` where another writer was met and it must be asked again."""
        with self.source.open(self.store.position) as reading:
            begins = ends = reading.begins
            self._start_batch()
            for chunk in reading.chunks():
                self._take(chunk)
                ends = chunk.ends
                if self._batch_is_full():
                    if not self._merge(reading, begins, ends):
                        return False
                    begins = ends
                self.report.seconds = time.monotonic() - self.began
                if self.on_progress is not None:
                    self.on_progress(self.report, reading)
            if ends == begins and not self.aggregator.counts.read:
                reading.acknowledge(ends)
                return True
            return self._merge(reading, begins, ends)

    def _start_batch(self) -> None:
        self.aggregator.close()
        self.batch_began = time.monotonic()
        self.batch_bytes = self.held_bytes = 0
        self.rejected: list[Rejected] = []

    def _take(self, chunk: Chunk) -> None:
        malformed = self.aggregator.add(chunk.records, chunk.instant_of)
        counts = self.aggregator.counts
        for index, reason in malformed:
            found = chunk.locate(index)
            self._reject(Rejected(found.where, reason, found.raw))
        for rejected in chunk.rejected:
            self._reject(rejected)
            counts.read += 1
            add_counts(counts.malformed, {rejected.reason: 1})
        for reason, count in chunk.skipped.items():
            counts.read += count
            add_counts(counts.skipped, {reason: count})
        if chunk.repaired:
            unusable = {index for index, _ in malformed}
            counts.repaired += sum(
                index not in unusable and not self.aggregator.reason_to_skip(chunk.records[index])
                for index in chunk.repaired
            )
        self.batch_bytes += chunk.size
        self.report.bytes += chunk.size

    def _reject(self, rejected: Rejected) -> None:
        if self.fail_on_malformed:
            raise SourceError(f"{self.source.label}: {rejected.where}: malformed record: {rejected.reason}")
        if self.on_rejected is None:
            if len(self.rejected) >= NAMED_REJECTS:
                return
            rejected = Rejected(rejected.where, rejected.reason, b"")
        self.rejected.append(rejected)
        self.held_bytes += len(rejected.raw)

    def _batch_is_full(self) -> bool:
        return (
            len(self.aggregator) >= self.limits.states
            or self.batch_bytes >= self.limits.bytes
            or self.held_bytes >= self.limits.rejected_bytes
            or time.monotonic() - self.batch_began >= self.limits.seconds
        )

    def _merge(self, reading: Reading, begins: str | None, ends: str | None) -> bool:
        batch = self.aggregator.close(reading.source, begins, ends)
        try:
            merged = self.store.merge(batch)
        except PositionConflict:
            return False
        if merged:
            reading.acknowledge(ends)
            self.report.batches += 1
            self.report.counts.merge(batch.counts)
            room = NAMED_REJECTS - len(self.report.named)
            self.report.named += [Rejected(r.where, r.reason, b"") for r in self.rejected[:room]]
            for rejected in self.rejected:
                if self.on_rejected is not None:
                    self.on_rejected(rejected)
        else:
            self.report.duplicate += batch.counts.read
        self._start_batch()
        return merged
