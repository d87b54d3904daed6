"""So many at once: a place is given back when whoever took it is gone, however it went.

An exception may come at any line, also in a ``finally``. A place is an object that only its user's frame refers to,
so it goes with the frame; a semaphore would count it for ever, and the next question would wait.
"""

import time
from threading import Condition
from weakref import WeakSet

from tyk_endpoint_stats.errors import StoreBusy

__all__ = ["Place", "Places"]

_LOOK_S = 0.05
"""A place that went without a word is noticed after so long."""


class Place:
    """Taken until it is given back, or until nobody refers to it any more."""

    __slots__ = ("__weakref__",)


class Places:
    """At most so many places. Thread-safe.

    Args:
        limit: how many.
        busy: what is said when none is to be had.
    """

    def __init__(self, limit: int, busy: str) -> None:
        self._limit, self._busy = limit, busy
        self._changed = Condition()
        self._taken: WeakSet[Place] = WeakSet()

    def take(self, timeout_s: float) -> Place:
        """A place, as soon as there is one.

        Raises:
            StoreBusy: there was none within ``timeout_s``.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while len(self._taken) >= self._limit:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise StoreBusy(self._busy)
                self._changed.wait(min(left_s, _LOOK_S))
            place = Place()
            self._taken.add(place)
            return place

    def give_back(self, place: Place) -> None:
        """Let the next one in at once."""
        with self._changed:
            self._taken.discard(place)
            self._changed.notify()

    def wait_until_free(self, timeout_s: float) -> None:
        """Wait for all places to be given back, but not for ever."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._taken and time.monotonic() < deadline:
                self._changed.wait(_LOOK_S)
