"""What was worked out once and stays right as long as what it was made of stays as it is."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Cache"]

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Values of one version, the last ones that were used, bounded in bytes. Thread-safe.

    Args:
        max_bytes: of all values together; whoever keeps one says what it takes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._version = ""
        self._bytes = 0
        self._values: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def find(self, version: str, key: Key) -> Value | None:
        """The value of this version, if it was kept."""
        with self._lock:
            found = self._values.get(key) if version == self._version else None
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def keep(self, version: str, key: Key, value: Value, size: int) -> None:
        """Keep a value of so many bytes, unless it is too large; those of other versions go."""
        if size > self._max_bytes:
            return
        with self._lock:
            if version != self._version:
                # Whether it is newer can't be told; one that is older is replaced by the next that is kept.
                self._version, self._bytes = version, 0
                self._values.clear()
            if key not in self._values:
                self._values[key] = (value, size)
                self._bytes += size
                while self._bytes > self._max_bytes:
                    _, (_, oldest) = self._values.popitem(last=False)
                    self._bytes -= oldest
