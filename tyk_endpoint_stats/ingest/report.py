"""What an ingest has done: ``read = counted + skipped + malformed + duplicate`` holds for every report."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct, field

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.growth import Grown, add_growth
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.sources.contract import Rejected
from tyk_endpoint_stats.sources.forms.log_lines import NO_RECORDS

__all__ = ["NAMED_REJECTS", "IngestReport", "OnProgress", "records_of"]

NAMED_REJECTS = 5
"""How many malformed records are named where nobody wants all of them; all of them are counted."""

OnProgress: TypeAlias = Callable[["IngestReport", float | None], None]
"""Called with the report so far, and which share of the source is behind it where that can be told."""


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
        waiting: bytes at the end of the source that are no whole record yet.
        problems: what is wrong with sources that could be read and in which nothing was a record.
        growth: by how much it made days grow, by days since 1970-01-01 UTC.
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
    waiting: int = 0
    problems: list[str] = field(default_factory=list)
    growth: dict[int, Grown] = field(default_factory=dict)

    @property
    def read(self) -> int:
        """Records read: counted, skipped, malformed and duplicate ones."""
        return self.counts.read + self.duplicate

    @property
    def records(self) -> int:
        """Records of Tyk's, counted or not: whatever is neither malformed nor a line of a log."""
        return records_of(self.counts)

    def merge(self, other: "IngestReport") -> None:
        """Take another report into this one."""
        self.counts.merge(other.counts)
        self.duplicate += other.duplicate
        self.batches += other.batches
        self.bytes += other.bytes
        self.seconds += other.seconds
        add_growth(self.growth, other.growth)
        self._take_newest(other.newest_us)
        self._name(other.named)
        self.max_endpoints_a_batch = max(self.max_endpoints_a_batch, other.max_endpoints_a_batch)
        self.waiting += other.waiting
        self.problems += other.problems

    def add_merged(self, batch: Batch, rejected: Sequence[Rejected]) -> None:
        """Add a batch that was merged, and the malformed records in it."""
        self.batches += 1
        self.counts.merge(batch.counts)
        add_growth(self.growth, batch.growth)
        self._take_newest(batch.newest_us)
        self.max_endpoints_a_batch = max(self.max_endpoints_a_batch, len(batch.endpoints))
        self._name(rejected)

    def _take_newest(self, newest_us: Instant | None) -> None:
        if newest_us is not None and (self.newest_us is None or newest_us > self.newest_us):
            self.newest_us = newest_us

    def _name(self, rejected: Sequence[Rejected]) -> None:
        room = NAMED_REJECTS - len(self.named)
        self.named += [Rejected(found.where, found.reason, b"") for found in rejected[:room]]


def records_of(counts: Counts) -> int:
    """Records of Tyk's, counted or not: whatever is neither malformed nor a line of a log."""
    return counts.counted + sum(count for reason, count in counts.skipped.items() if reason not in NO_RECORDS)
