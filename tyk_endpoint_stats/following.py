"""Following sources: reading on as they grow, until somebody says stop."""

import time
from collections.abc import Callable, Sequence

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest import IngestReport, ingest
from tyk_endpoint_stats.sources.contract import Rejected, Source
from tyk_endpoint_stats.stores.contract import Store

__all__ = ["follow"]

LINE_EVERY_S = 60.0
_PAUSE_S = 1.0


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
) -> IngestReport:
    """Ingest what is there, again and again, until told to stop; what was read by then is merged.

    A source that can't be found or read is waited for: a log file may be made later, or be rotated just now.

    Args:
        store: where to.
        names: of files, globs, URLs.
        find: gives the sources of a name; asked before every pass, so that new files of a glob are found.
        wait: waits so many seconds, at most, and says whether to stop.
        on_report: called once a minute with the sum so far.
        on_problem: called with each new problem, once.
        rules: which records count.
        on_rejected: called with each malformed record once its batch is merged.

    Returns:
        The sum of all passes.

    Raises:
        StoreError: the store can't merge.
    """
    total = IngestReport("all sources")
    known: dict[str, Source] = {}
    problems: set[str] = set()
    began = said = time.monotonic()

    def say_what_is_wrong(problem: SourceError) -> None:
        if str(problem) not in problems:
            problems.add(str(problem))
            on_problem(str(problem))

    def report_when_due() -> None:
        nonlocal said
        total.seconds = time.monotonic() - began
        if time.monotonic() - said >= LINE_EVERY_S:
            said = time.monotonic()
            on_report(total)

    while True:
        found: list[Source] = []
        for name in names:
            try:
                found += find(name)
            except SourceError as problem:
                say_what_is_wrong(problem)
        # The same object for the same label: it remembers what it has found out about its bytes.
        known = {source.label: known.get(source.label, source) for source in found}
        for source in known.values():
            try:
                ingest(
                    store,
                    source,
                    rules=rules,
                    on_rejected=on_rejected,
                    stop=lambda: wait(0),
                    report=total,
                )
            except SourceError as problem:
                say_what_is_wrong(problem)
            report_when_due()
        report_when_due()
        if wait(_PAUSE_S):
            return total
