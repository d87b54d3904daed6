"""Retention while a server runs: once a day, rows older than so many days are dropped."""

import logging
import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.contract import Retaining

__all__ = ["Retention", "oldest_kept"]

_DAY_S = 86_400.0
_RETRY_S = 600.0
"""After a store that could not do it: busy, or out of reach."""

_log = logging.getLogger(__name__)


def oldest_kept(now: Instant, days: int) -> Instant:
    """The beginning of the first UTC day that is kept where so many days before today's are.

    Args:
        now: microseconds since 1970.
        days: how many whole days before today's stay.
    """
    return (now // DAY_US - days) * DAY_US


class Retention:
    """Drops what is too old, at its start and then once a day. A context manager; leaving it ends it.

    What could not be dropped is logged, and tried again after ten minutes; questions and ingests go on.

    Args:
        store: whose rows.
        days: how many whole days before today's stay.
        clock: gives the time in microseconds since 1970.
    """

    def __init__(
        self, store: Retaining, days: int, clock: Callable[[], Instant] = lambda: time.time_ns() // 1000
    ) -> None:
        self._store, self._days, self._clock = store, days, clock
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True, name="retention")

    def drop(self) -> int:
        """Drop what is too old now; how many rows.

        Raises:
            StoreError: the store can't.
        """
        before = oldest_kept(self._clock(), self._days)
        dropped = self._store.drop(before)
        if dropped:
            _log.info("retention: %d rows older than %d days were dropped", dropped, self._days)
        return dropped

    def _run(self) -> None:
        wait_s = 0.0
        while not self._ended.wait(wait_s):
            try:
                self.drop()
                wait_s = _DAY_S
            except StoreError as problem:
                _log.warning("retention: %s", problem)
                wait_s = _RETRY_S

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(timeout=10)
