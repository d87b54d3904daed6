"""Moving records from a source into a store: exactly once where the source is resumable."""

import time
from collections.abc import Iterable

from msgspec.structs import replace

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.errors import PositionConflict, SourceError
from tyk_endpoint_stats.ingest.batch_builder import Collected, collect
from tyk_endpoint_stats.ingest.growth import KnownDays
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport, records_of
from tyk_endpoint_stats.maintenance.copy_mark import refuse_half_copied
from tyk_endpoint_stats.sources.contract import Reading, Source
from tyk_endpoint_stats.sources.file import identity_of
from tyk_endpoint_stats.sources.in_memory import RecordsSource
from tyk_endpoint_stats.stores.contract import StoreContract

__all__ = ["SourcesWithoutRecord", "check_waiting", "ingest", "merge_collected"]


def ingest(
    store: StoreContract,
    source: Source | Iterable[Record],
    options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
    *,
    report: IngestReport | None = None,
    await_more: bool = True,
    without_record: "SourcesWithoutRecord | None" = None,
) -> IngestReport:
    """Read a source to its end and merge what it holds, batch by batch.

    A resumable source (a file) is counted exactly once, through crashes, repeated calls and other processes
    that ingest the same; plain records are counted every time they are given.

    Args:
        store: where to.
        source: a ``Source``, or any iterable of records.
        options: which records count, when a batch ends, who is told of what.
        report: what to add to, for a caller who wants it after an error too; a new one by default.
        await_more: whether to wait for more of a pipe that somebody still writes to, or to return once nothing
            comes for a while.
        without_record: of the store, for a caller who ingests many sources; a new one by default.

    Raises:
        TypeError: ``source`` is the name of one: see ``read_records`` and ``open_sources``.
        SourceError: the source can't be read (on); what was merged before stays merged.
        StoreError: the store can't merge.
    """
    if not isinstance(source, Source):
        source = RecordsSource(source)
    refuse_half_copied(store.position)
    options = options if options.known_days else replace(options, known_days=KnownDays(store))
    report = report or IngestReport(source.label)
    began = time.monotonic()
    own_files = {identity_of(path) for path in store.files()} - {None}
    waiting = 0
    without_record = without_record or SourcesWithoutRecord(store)
    for part in source.parts():
        if own_files and part.identity() in own_files:
            raise SourceError(f"{part.label}: a file of the store itself")
        read, records = report.counts.read, report.records
        reading = None
        part_waits = 0
        ended = False
        while not ended and not options.stop():
            # Not at its end: another writer was met, and the store is asked again where the source stands.
            reading = _read_once(store, part, options, report, began)
            if reading is not None:
                ended = not (reading.waits and await_more)
                part_waits = reading.waiting if ended else 0
        waiting += part_waits
        if reading is not None and ended and report.records == records:
            is_new = report.counts.read > read or (await_more and part_waits > 0)
            if (is_new or (await_more and reading.begins is not None)) and without_record.has(reading.source):
                report.problems.append(without_record.problem_of(part))
    if await_more:
        report.waiting = waiting
        check_waiting(report, options)
    report.seconds = time.monotonic() - began
    return report


def check_waiting(report: IngestReport, options: IngestOptions) -> None:
    """Refuse a half record at the end of what does not grow, where none may be malformed.

    Raises:
        SourceError: there is one.
    """
    if report.waiting and options.fail_on_malformed and not options.stop():
        raise SourceError(f"{report.label}: {report.waiting:,} bytes at its end are no whole record")


class SourcesWithoutRecord:
    """The sources of a store in which nothing was a record of Tyk's so far: such a source is a failure, each time.

    The store is asked once, and only where somebody wants to know: of a source that had none now, either.
    """

    def __init__(self, store: StoreContract) -> None:
        self._store = store
        self._with_record: frozenset[str] | None = None

    def has(self, source: str | None) -> bool:
        """Whether nothing that was merged of a source was a record.

        Args:
            source: its name; ``None``: nothing of it is merged, because it keeps no position or has no whole unit.
        """
        if self._with_record is None:
            self._with_record = frozenset(each.source for each in self._store.sources() if records_of(each.counts))
        return source not in self._with_record

    @staticmethod
    def problem_of(source: Source) -> str:
        """What is wrong with a source that was read and in which nothing was a record."""
        try:
            looks = source.looks()
        except SourceError as problem:
            return str(problem)
        return f"{source.label}: no record of Tyk's in it, but {looks}"


def _read_once(
    store: StoreContract, source: Source, options: IngestOptions, report: IngestReport, began: float
) -> Reading | None:
    """Merge what one reading gives; the reading, or ``None`` where the store turned out to stand elsewhere."""
    with source.open(store.position) as reading:
        done = reading.done

        def on_chunk(size: int) -> None:
            nonlocal done
            done += size
            report.bytes += size
            report.seconds = time.monotonic() - began
            if options.on_progress is not None:
                options.on_progress(report, done / reading.total if reading.total else None)

        merged = reading.begins
        wanted = options.wanted(store.max_states_a_batch)
        for collected in collect(reading, source.label, wanted, on_chunk, options.stop):
            if not merge_collected(store, collected, report, options):
                return None
            merged = collected.batch.ends
            reading.acknowledge(merged)
        if merged == reading.begins:
            reading.acknowledge(merged)  # all of it was merged by somebody who could not say so any more
        return reading


def merge_collected(
    store: StoreContract, collected: Collected, report: IngestReport, options: IngestOptions
) -> bool:
    """Merge one batch and add it to the report; ``False``: the store stands elsewhere, ask it for the position."""
    batch = collected.batch
    if options.on_rejected is not None and collected.rejected:
        # Before the merge, behind which nobody reads these lines again: what is not kept by then may be lost.
        options.on_rejected(collected.rejected)
    batch.growth = options.known_days.growth_by(batch) if options.known_days else {}
    try:
        merged = store.merge(batch)
    except PositionConflict:
        return False
    if not merged:
        report.duplicate += batch.counts.read
        return False
    report.add_merged(batch, collected.rejected)
    return True
