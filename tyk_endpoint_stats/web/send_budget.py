"""SendBudget for the answers that are on their way to clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["SMALL_BYTES", "SendBudget"]

SMALL_BYTES = 65_536
"""A body up to here needs no room: as many of them as there may be connections take 64 MB."""


class SendBudget:
    """So many bytes of large bodies may be in memory at once; one that is larger than that, alone. Thread-safe.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._lock = Lock()

    @contextmanager
    def taken(self, size: int) -> Iterator[bool]:
        """Take room for a body as long as the block lasts; whether there was some. Never waits."""
        if size <= SMALL_BYTES:
            yield True
            return
        with self._lock:
            if there_is := size <= self._left or self._left == self._size:
                self._left -= size
        try:
            yield there_is
        finally:
            if there_is:
                with self._lock:
                    self._left += size
