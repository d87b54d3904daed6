"""Following sources beside something else: one process that reads and answers."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest.following import STORE, follow
from tyk_endpoint_stats.ingest.loop import IngestReport
from tyk_endpoint_stats.ingest.watch import Watch
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.contract import Store

__all__ = ["Follower"]

_AGAIN_AFTER_S = 5.0


class Follower:
    """Follows sources in a thread of its own. A context manager: leaving it merges what was read, then returns.

    A store that can't merge (a full disk) is tried again: nothing was counted, and nothing is left out.

    Args:
        store: where to; it is not closed.
        names: of files, globs, URLs; as for ``follow``, and so are the next arguments.
        find: see there.
        on_report: see there.
        on_problem: see there; also called with what the store has to say.
        on_failure: called, in that thread, if it ends by a mistake in the program; ``problem`` says which.
        rules: see there.

    Attributes:
        problem: what ended the thread, if that was a mistake.
        watch: how it goes.

    Raises:
        PluginError: a name can't be one of a source.
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str],
        find: Callable[[str], Sequence[Source]],
        *,
        on_report: Callable[[IngestReport], None],
        on_problem: Callable[[str], None],
        on_failure: Callable[[], None],
        rules: Rules = Rules(),  # noqa: B008 - frozen
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
            wait=self._stopped.wait,
            on_report=on_report,
            on_problem=on_problem,
            rules=rules,
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
                self._stopped.wait(_AGAIN_AFTER_S)
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
