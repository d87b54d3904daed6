"""Following sources: reading on as they grow, until somebody says stop."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.loop import IngestReport, ingest
from tyk_endpoint_stats.ingest.watch import Watch
from tyk_endpoint_stats.sources.contract import Rejected, Source
from tyk_endpoint_stats.stores.contract import Store

__all__ = ["STORE", "follow"]

STORE = "the store"
"""What a ``Watch`` is told of beside sources."""

LINE_EVERY_S = 60.0
_PAUSE_S = 1.0
_TURN_S = 20.0
"""One that grows faster than it can be read leaves the others their turn after this."""

_AGAIN_AFTER_S = 60.0
"""A source that failed and shows no change is tried again then: what was wrong may lie elsewhere."""


class _Followed(Struct):
    """A source, and when it last had nothing new."""

    source: Source
    stamp: tuple[int, ...] | None = None
    again_at: float = 0.0

    def is_quiet(self, stamp: tuple[int, ...] | None) -> bool:
        """Whether reading it would bring nothing."""
        return stamp is not None and stamp == self.stamp and time.monotonic() < self.again_at


def follow(
    store: Store,
    names: Sequence[str],
    find: Callable[[str], Sequence[Source]],
    *,
    wait: Callable[[float], bool],
    on_report: Callable[[IngestReport], None],
    on_problem: Callable[[str], None],
    rules: Rules = Rules(),  # noqa: B008 - frozen
    on_rejected: Callable[[Rejected], None] | None = None,
    watch: Watch | None = None,
) -> IngestReport:
    """Ingest what is there, again and again, until told to stop; what was read by then is merged.

    A source that can't be found or read is waited for: a log file may be made later, or be rotated just now.
    Where all that is named has ended (a pipe that was closed) there is nothing to wait for.

    Args:
        store: where to.
        names: of files, globs, URLs.
        find: gives the sources of a name; asked before every pass, so that new files of a glob are found.
        wait: waits so many seconds, at most, and says whether to stop.
        on_report: called once a minute with the sum so far.
        on_problem: called with each new problem, once.
        rules: which records count.
        on_rejected: called with each malformed record once its batch is merged.
        watch: told how it goes.

    Returns:
        The sum of all passes.

    Raises:
        StoreError: the store can't merge.
    """
    watch = watch or Watch()
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

    def read_on(each: _Followed) -> None:
        stamp = each.source.stamp()
        if each.is_quiet(stamp):
            return
        turn_ends = time.monotonic() + _TURN_S
        is_over = False

        def stop() -> bool:
            nonlocal is_over
            is_over = wait(0) or time.monotonic() >= turn_ends
            return is_over

        again_at = float("inf")
        try:
            ingest(
                store,
                each.source,
                rules=rules,
                on_rejected=on_rejected,
                on_progress=report_when_due,
                stop=stop,
                report=total,
                await_more=False,
            )
            watch.worked(each.source.label)
        except SourceError as problem:
            watch.failed(each.source.label, "a source can't be read")
            say_what_is_wrong(problem)
            again_at = time.monotonic() + _AGAIN_AFTER_S
        each.stamp, each.again_at = (None, 0.0) if is_over else (stamp, again_at)

    while True:
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
        for each in followed.values():
            read_on(each)
            report_when_due()
        watch.moved(total)
        watch.worked(STORE)
        if followed and is_all_there and all(each.source.ended for each in followed.values()):
            return total
        if wait(_PAUSE_S):
            return total
