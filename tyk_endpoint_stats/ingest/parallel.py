"""Ingesting several sources with all cores: processes decode and aggregate, this one merges in order.

Exactly once rests on the store alone, which compares and sets positions: whatever goes wrong between the
processes (a file changed, another writer, two files that begin alike) ends in a reading from where the store
stands, in this process.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from msgspec.structs import replace

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.growth import KnownDays
from tyk_endpoint_stats.ingest.loop import SourcesWithoutRecord, check_waiting, ingest, merge_collected
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.ingest.worker_pool import WorkerPool
from tyk_endpoint_stats.maintenance.copy_mark import refuse_half_copied
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.contract import StoreContract

__all__ = ["ingest_all"]

WORTH_BYTES = 16 * 2**20
"""Starting processes takes longer than reading less."""

_LEAST_PIECE_BYTES, _MAX_PIECE_BYTES = 4 * 2**20, 256 * 2**20
"""A piece ends a batch, and a small batch has nearly as many states as a large one."""

_PIECES_A_JOB = 3  # so that the last ones end at nearly the same time; more would meet the same days more often


def ingest_all(
    store: StoreContract,
    sources: Sequence[Source],
    options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
    *,
    jobs: int = 1,
) -> Iterator[tuple[IngestReport, SourceError | None]]:
    """Ingest sources one after the other, decoding and aggregating files in ``jobs`` processes.

    What is merged, and in which order, is the same for any number of processes.

    Args:
        store: where to; only this process touches it.
        sources: in the order in which to merge them.
        options: which records count, when a batch ends, who is told of what.
        jobs: processes beside this one that read large files, while this one merges: 2 keep three processors
            busy. 1: none, this one reads. A program that was frozen into one file reads by itself, too.

    Yields:
        What came of each source, and what ended it early.

    Raises:
        StoreError: the store can't merge.
    """
    files = [source for source in sources if isinstance(source, FileSource)]
    piece_bytes = _piece_bytes(files, jobs)
    refuse_half_copied(store.position)
    options = replace(options, known_days=KnownDays(store))
    without_record = SourcesWithoutRecord(store)
    with (
        WorkerPool(files, jobs, options.wanted(store.max_states_a_batch), store.position, piece_bytes)
        if piece_bytes
        else nullcontext() as worker_pool
    ):
        for source in sources:
            report = IngestReport(source.label)
            began = time.monotonic()
            problem = None
            try:
                is_merged = False
                if worker_pool is not None and isinstance(source, FileSource):
                    is_merged = _merge_file(worker_pool, store, options, report, began)
                    if is_merged:
                        _check_whole(worker_pool, source, options, report, without_record)
                if not is_merged and not options.stop():
                    ingest(store, source, options, report=report, without_record=without_record)
            except SourceError as found:
                problem = found
            report.seconds = time.monotonic() - began
            if problem is None and report.problems:
                problem = SourceError("; ".join(report.problems))
            yield report, problem
            if options.stop():
                return


def _check_whole(
    worker_pool: WorkerPool,
    source: FileSource,
    options: IngestOptions,
    report: IngestReport,
    without_record: SourcesWithoutRecord,
) -> None:
    """What ``ingest`` finds out at the end of a source, of one that others have read."""
    if not report.records and without_record.has(worker_pool.source):
        report.problems.append(without_record.problem_of(source))
    report.waiting = worker_pool.waiting
    check_waiting(report, options)


def _piece_bytes(files: Sequence[FileSource], jobs: int) -> int:
    """How much a process reads at a time; 0: there is too little for more than one process."""
    sizes = [_size(file) for file in files]
    # A program that PyInstaller or the like made is its own sys.executable: it would start itself.
    has_interpreter = bool(sys.executable) and not getattr(sys, "frozen", False)
    if jobs < 2 or sum(sizes) < WORTH_BYTES or not has_interpreter:
        return 0
    return max(_LEAST_PIECE_BYTES, min(_MAX_PIECE_BYTES, sum(sizes) // (jobs * _PIECES_A_JOB)))


def _size(file: FileSource) -> int:
    try:
        return Path(file.path).stat().st_size
    except (OSError, ValueError):
        return 0  # reading it will say what is wrong


def _merge_file(
    worker_pool: WorkerPool, store: StoreContract, options: IngestOptions, report: IngestReport, began: float
) -> bool:
    """Merge what the processes made of the next file; whether it fitted where the store stood, to its end.

    Nothing does of a file without a whole unit, of which they have made nothing.
    """
    fits = True
    for packed in worker_pool.batches():
        if not fits or options.stop():
            continue  # nothing more of this file can be merged, but it has to be taken off the worker_pool's hands
        collected = packed.collected()
        fits = merge_collected(store, collected, report, options)
        report.bytes += collected.bytes
        report.seconds = time.monotonic() - began
        if options.on_progress is not None:
            options.on_progress(report, packed.share)
    return fits and worker_pool.source is not None
