"""From a reading to batches: the half of an ingest that touches no store, so that any process can do it."""

import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.report import NAMED_REJECTS
from tyk_endpoint_stats.sources.contract import Chunk, Reading, Rejected

__all__ = ["Collected", "Limits", "Wanted", "collect"]

REJECTED_OVERHEAD_BYTES = 200
"""What keeping a malformed record takes besides its bytes, which may be a single one."""


class Limits(Struct, frozen=True):
    """When a batch ends: at the first of these. Larger batches mean fewer merges; smaller ones less memory.

    Attributes:
        states: identities in quarter hours.
        held_bytes: what the running batch takes in memory, with its names and cells: few states may have long ones.
        bytes: read from the source, of which a retry has to read them again.
        seconds: after which what was read is to be seen.
        rejected_bytes: of malformed records that are kept until the merge.
    """

    states: int = 50_000
    held_bytes: int = 40 * 2**20
    bytes: int = 256 * 2**20
    seconds: float = 5.0
    rejected_bytes: int = 8 * 2**20


class Wanted(Struct, frozen=True):
    """What is wanted of the records.

    Attributes:
        rules: which count.
        limits: when a batch ends.
        fail_on_malformed: stop at the first malformed record; the batch it is in is lost.
        keep_rejected: keep every malformed record with its bytes, not only the place of the first ones.
    """

    rules: Rules = Rules()
    limits: Limits = Limits()
    fail_on_malformed: bool = False
    keep_rejected: bool = False


class Collected(Struct):
    """A batch, and what a store has no use for.

    Attributes:
        batch: with the source's name and both positions.
        rejected: the malformed records in it, or the first of them.
        bytes: how much of the source it covers.
    """

    batch: Batch
    rejected: list[Rejected]
    bytes: int


def collect(
    reading: Reading,
    label: str,
    wanted: Wanted,
    on_chunk: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Collected]:
    """The batches of a reading, in order; none for a reading that holds nothing new.

    Args:
        reading: open, and left open.
        label: the source, as people know it, for messages.
        wanted: which records count, and when a batch ends.
        on_chunk: called after every chunk with the bytes it covered.
        stop: asked after every chunk; once it says so, what was read is a batch and nothing more is read.

    Raises:
        SourceError: the source can't be read on, or a record is malformed and none may be.
    """
    builder = _BatchBuilder(label, wanted)
    begins = ends = reading.begins
    for chunk in reading.chunks():
        builder.take(chunk)
        ends = chunk.ends
        if on_chunk is not None:
            on_chunk(chunk.size)
        del chunk  # its records are not kept beside the next ones
        if builder.is_full():
            yield builder.empty(reading.source, begins, ends)
            begins = ends
        if stop():
            break
    if ends != begins or builder.aggregator.counts.read:
        yield builder.empty(reading.source, begins, ends)


class _BatchBuilder:
    """The running batch and what came with it."""

    def __init__(self, label: str, wanted: Wanted) -> None:
        self.label, self.wanted = label, wanted
        self.aggregator = Aggregator(wanted.rules)
        self._start()

    def _start(self) -> None:
        self.began = time.monotonic()
        self.bytes = self.rejected_bytes = 0
        self.rejected: list[Rejected] = []

    def take(self, chunk: Chunk) -> None:
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
        self.bytes += chunk.size

    def _reject(self, rejected: Rejected) -> None:
        if self.wanted.fail_on_malformed:
            raise SourceError(f"{self.label}: {rejected.where}: malformed record: {rejected.reason}")
        if not self.wanted.keep_rejected:
            if len(self.rejected) >= NAMED_REJECTS:
                return
            rejected = Rejected(rejected.where, rejected.reason, b"")
        self.rejected.append(rejected)
        self.rejected_bytes += len(rejected.raw) + REJECTED_OVERHEAD_BYTES

    def is_full(self) -> bool:
        limits = self.wanted.limits
        return (
            len(self.aggregator) >= limits.states
            or self.aggregator.held_bytes >= limits.held_bytes
            or self.bytes >= limits.bytes
            or self.rejected_bytes >= limits.rejected_bytes
            or time.monotonic() - self.began >= limits.seconds
        )

    def empty(self, source: str | None, begins: str | None, ends: str | None) -> Collected:
        collected = Collected(self.aggregator.close(source, begins, ends), self.rejected, self.bytes)
        self._start()
        return collected
