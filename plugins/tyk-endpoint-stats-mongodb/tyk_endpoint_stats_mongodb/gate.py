"""Who may use a store: nobody after its close, and nobody in a forked child."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from tyk_endpoint_stats.errors import StoreClosed

__all__ = ["Gate"]


class Gate:
    """Lets calls through until it is closed; closing waits for those inside."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = os.getpid()
        self._changed = Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """One call.

        Raises:
            StoreClosed: the store is closed, or was opened before a fork.
        """
        # Before the lock is touched: a thread of the parent may have held it at the fork.
        if os.getpid() != self._pid:
            raise StoreClosed(f"{self._name} was opened before a fork; open it again in this process")
        with self._changed:
            if self._closed:
                raise StoreClosed(f"{self._name} is closed")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self) -> bool:
        """Let nobody in any more and wait for those inside; whether this call has closed it."""
        if os.getpid() != self._pid:
            return False  # what a child inherited is its parent's
        with self._changed:
            if self._closed:
                return False
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)
            return True
