"""Following sources: reading on as they grow, until somebody says stop; also in a thread, beside something else."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest.growth import KnownDays
from tyk_endpoint_stats.ingest.loop import SourcesWithoutRecord, ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.ingest.watch import Watch
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.contract import StoreContract

__all__ = ["STORE", "Follower", "follow"]

STORE = "the store"
"""What a ``Watch`` is told of beside sources."""

LINE_EVERY_S = 60.0
_PAUSE_S = 1.0
_TURN_S = 20.0
"""One that grows faster than it can be read leaves the others their turn after this."""

_SOURCE_AGAIN_AFTER_S = 60.0
"""A source that failed and shows no change is tried again then: what was wrong may lie elsewhere."""

_STORE_AGAIN_AFTER_S = 5.0


class _Followed(Struct):
    """A source, and when it last had nothing new."""

    source: Source
    stamp: tuple[int, ...] | None = None
    again_at: float = 0.0

    def is_quiet(self, stamp: tuple[int, ...] | None) -> bool:
        """Whether reading it would bring nothing."""
        return stamp is not None and stamp == self.stamp and time.monotonic() < self.again_at


def follow(
    store: StoreContract,
    names: Sequence[str],
    find: Callable[[str], Sequence[Source]],
    options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
    *,
    wait: Callable[[float], bool],
    on_report: Callable[[IngestReport], None],
    on_problem: Callable[[str], None],
    watch: Watch | None = None,
) -> IngestReport:
    """Ingest what is there, again and again, until told to stop; what was read by then is merged.

    A source that can't be found or read is waited for: a log file may be made later, or be rotated just now.
    Where all that is named has ended (a pipe that was closed) there is nothing to wait for.

    Args:
        store: where to.
        names: of files, globs, URLs.
        find: gives the sources of a name; asked before every pass, so that new files of a glob are found.
        options: as for ``ingest``; ``stop`` is asked beside ``wait``.
        wait: waits so many seconds, at most, and says whether to stop.
        on_report: called once a minute with the sum so far.
        on_problem: called with each new problem, once.
        watch: told how it goes.

    Returns:
        The sum of all passes.

    Raises:
        StoreError: the store can't merge.
    """
    watch = watch or Watch()
    known_days = KnownDays(store)
    total = IngestReport("all sources")
    followed: dict[str, _Followed] = {}
    problems: set[str] = set()
    began = said = time.monotonic()

    def say_what_is_wrong(problem: SourceError) -> None:
        if str(problem) not in problems:
            problems.add(str(problem))
            on_problem(str(problem))

    def report_when_due(*_: Any) -> None:
        nonlocal said
        watch.moved(total)
        total.seconds = time.monotonic() - began
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            on_report(total)

    def on_progress(report: IngestReport, share: float | None) -> None:
        report_when_due()
        if options.on_progress is not None:
            options.on_progress(report, share)

    def is_told_to_stop(wait_s: float) -> bool:
        return wait(wait_s) or options.stop()

    def read_on(each: _Followed, without_record: SourcesWithoutRecord) -> None:
        stamp = each.source.stamp()
        if each.is_quiet(stamp):
            return
        turn_ends = time.monotonic() + _TURN_S
        is_over = False

        def stop() -> bool:
            nonlocal is_over
            is_over = is_told_to_stop(0) or time.monotonic() >= turn_ends
            return is_over

        again_at = float("inf")
        of_this_turn = replace(options, on_progress=on_progress, known_days=known_days, stop=stop)
        try:
            ingest(store, each.source, of_this_turn, report=total, await_more=False, without_record=without_record)
            for text in total.problems:
                say_what_is_wrong(SourceError(text))
            total.problems.clear()
            watch.worked(each.source.label)
        except SourceError as problem:
            watch.failed(each.source.label, "a source can't be read")
            say_what_is_wrong(problem)
            again_at = time.monotonic() + _SOURCE_AGAIN_AFTER_S
        each.stamp, each.again_at = (None, 0.0) if is_over else (stamp, again_at)

    while True:
        known_days.renew()
        found: dict[str, Source] = {}
        is_all_there = True
        for name in names:
            try:
                found |= {source.label: source for source in find(name)}
            except SourceError as problem:
                is_all_there = False
                say_what_is_wrong(problem)
        for label in followed.keys() - found.keys():
            watch.worked(label)  # it is gone, and nobody misses what it would bring
        # The same object for the same label: it remembers what it has found out about its bytes.
        followed = {label: followed.get(label) or _Followed(source) for label, source in found.items()}
        without_record = SourcesWithoutRecord(store)
        for each in followed.values():
            read_on(each, without_record)
            report_when_due()
        watch.moved(total)
        watch.worked(STORE)
        if followed and is_all_there and all(each.source.ended for each in followed.values()):
            return total
        if is_told_to_stop(_PAUSE_S):
            return total


class Follower:
    """Follows sources in a thread of its own. A context manager: leaving it merges what was read, then returns.

    A store that can't merge (a full disk) is tried again: nothing was counted, and nothing is left out.

    Args:
        store: where to; it is not closed.
        names: of files, globs, URLs.
        find: gives the sources of a name.
        options: as for ``follow``.
        on_report: called, in that thread, once a minute with the sum so far.
        on_problem: called, in that thread, with each new problem of a source, and with what the store has to say.
        on_failure: called, in that thread, if it ends by a mistake in the program; ``problem`` says which.

    Attributes:
        problem: what ended the thread, if that was a mistake.
        watch: how it goes.

    Raises:
        PluginError: a name can't be one of a source.
    """

    def __init__(
        self,
        store: StoreContract,
        names: Sequence[str],
        find: Callable[[str], Sequence[Source]],
        options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
        *,
        on_report: Callable[[IngestReport], None],
        on_problem: Callable[[str], None],
        on_failure: Callable[[], None],
    ) -> None:
        for name in names:
            with suppress(SourceError):  # it may be there later
                find(name)
        self.problem: Exception | None = None
        self.watch = Watch()
        self._stopped = Event()
        self._on_problem = on_problem
        self._on_failure = on_failure
        self._follow = partial(
            follow,
            store,
            names,
            find,
            options,
            wait=self._stopped.wait,
            on_report=on_report,
            on_problem=on_problem,
            watch=self.watch,
        )
        self._thread = Thread(target=self._run, name="follow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._has_ended():
                self._stopped.wait(_STORE_AGAIN_AFTER_S)
            self.watch.ended(None)
        except Exception as problem:
            self.problem = problem
            self.watch.ended("the ingest ended by a mistake in the program")
            self._on_failure()

    def _has_ended(self) -> bool:
        try:
            self._follow()
        except StoreError as problem:
            self.watch.failed(STORE, "the store can't be written to")
            self._on_problem(str(problem))
            return self._stopped.is_set()
        return True
