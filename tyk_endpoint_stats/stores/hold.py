"""A lock that no interruption leaves locked: whoever holds it is an object, and its end is the lock's release."""

from threading import Lock
from types import TracebackType

__all__ = ["Hold"]


class Hold:
    """Holds a lock until the ``with`` ends, or until this object does: ``with Hold(lock):``.

    Ctrl-C may come between any two lines, also between the last one of a ``with`` and its end, or inside of a
    ``finally``. An exception that comes there leaves a plain lock locked for ever.

    Args:
        lock: not re-entrant: the thread that ends this may be another one.
        timeout_s: how long to wait for it; -1: without end.
    """

    def __init__(self, lock: Lock, timeout_s: float = -1) -> None:
        self._lock = lock
        self._timeout_s = timeout_s
        self._is_held = False

    def __enter__(self) -> bool:
        """Whether the lock was to be had in time."""
        self._is_held = self._lock.acquire(timeout=self._timeout_s)
        return self._is_held

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def __del__(self) -> None:
        self._release()

    def _release(self) -> None:
        if self._is_held:
            # One line, so that nothing comes between.
            self._is_held = self._lock.release() is not None  # type: ignore[func-returns-value]
