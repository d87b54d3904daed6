"""Ingesting several sources with all cores: processes decode and aggregate, this one merges in order.

Exactly once rests on the store alone, which compares and sets positions: whatever goes wrong between the
processes (a file changed, another writer, two files that begin alike) ends in a reading from where the store
stands, in this process.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.batch_builder import Collected, Limits, Wanted
from tyk_endpoint_stats.ingest.loop import (
    IngestReport,
    OnProgress,
    check_waiting,
    ingest,
    limits_for,
    merge_collected,
    problem_of,
)
from tyk_endpoint_stats.ingest.worker_pool import WorkerPool
from tyk_endpoint_stats.maintenance.copy_mark import refuse_half_copied
from tyk_endpoint_stats.sources.contract import Rejected, Source
from tyk_endpoint_stats.sources.file import FileSource

if TYPE_CHECKING:
    from tyk_endpoint_stats.stores.contract import Store

__all__ = ["ingest_all"]

WORTH_BYTES = 16 * 2**20
"""Starting processes takes longer than reading less."""

_LEAST_PIECE_BYTES, _MAX_PIECE_BYTES = 4 * 2**20, 256 * 2**20
"""A piece ends a batch, and a small batch has nearly as many states as a large one."""

_PIECES_A_JOB = 3  # so that the last ones end at nearly the same time; more would meet the same days more often


def ingest_all(
    store: "Store",
    sources: Sequence[Source],
    *,
    jobs: int = 1,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - frozen
    fail_on_malformed: bool = False,
    on_rejected: Callable[[Rejected], None] | None = None,
    on_progress: OnProgress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[IngestReport, SourceError | None]]:
    """Ingest sources one after the other, decoding and aggregating files in ``jobs`` processes.

    What is merged, and in which order, is the same for any number of processes.

    Args:
        store: where to; only this process touches it.
        sources: in the order in which to merge them.
        jobs: processes beside this one that read large files; 1: none, this one reads.
        rules: as for ``ingest``, and so are the other arguments.
        limits: see above.
        fail_on_malformed: see above.
        on_rejected: see above.
        on_progress: see above.
        stop: see above.

    Yields:
        What came of each source, and what ended it early.

    Raises:
        StoreError: the store can't merge.
    """
    files = [source for source in sources if isinstance(source, FileSource)]
    piece_bytes = _piece_bytes(files, jobs)
    refuse_half_copied(store.position)
    wanted = Wanted(rules, limits_for(store, limits), fail_on_malformed, on_rejected is not None)
    alone = partial(
        ingest,
        store,
        rules=rules,
        limits=limits,
        fail_on_malformed=fail_on_malformed,
        on_rejected=on_rejected,
        on_progress=on_progress,
        stop=stop,
    )
    merge_one = partial(merge_collected, store, on_rejected=on_rejected)
    with (
        WorkerPool(files, jobs, wanted, store.position, piece_bytes)
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
                    is_merged = _merge_file(worker_pool, merge_one, report, began, on_progress, stop)
                    if is_merged:
                        report.waiting = worker_pool.waiting
                        check_waiting(source.label, report.waiting, wanted)
                if not is_merged and not stop():
                    alone(source, report=report)
            except SourceError as found:
                problem = found
            report.seconds = time.monotonic() - began
            yield report, problem or problem_of(report, source)
            if stop():
                return


def _piece_bytes(files: Sequence[FileSource], jobs: int) -> int:
    """How much a process reads at a time; 0: there is too little for more than one process."""
    sizes = [_size(file) for file in files]
    if jobs < 2 or sum(sizes) < WORTH_BYTES or not sys.executable:
        return 0
    return max(_LEAST_PIECE_BYTES, min(_MAX_PIECE_BYTES, sum(sizes) // (jobs * _PIECES_A_JOB)))


def _size(file: FileSource) -> int:
    try:
        return Path(file.path).stat().st_size
    except (OSError, ValueError):
        return 0  # reading it will say what is wrong


def _merge_file(
    worker_pool: WorkerPool,
    merge_one: Callable[[Collected, IngestReport], bool],
    report: IngestReport,
    began: float,
    on_progress: OnProgress | None,
    stop: Callable[[], bool],
) -> bool:
    """Merge what the processes made of the next file; whether it fitted where the store stood, to its end."""
    fits = True
    for packed in worker_pool.batches():
        if not fits or stop():
            continue  # nothing more of this file can be merged, but it has to be taken off the worker_pool's hands
        collected = packed.collected()
        fits = merge_one(collected, report)
        report.bytes += collected.bytes
        report.seconds = time.monotonic() - began
        if on_progress is not None:
            on_progress(report, packed.share)
    return fits
