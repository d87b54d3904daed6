"""So many at once and no more, whatever interrupts them: a place is free again when whoever took it is gone."""

import time
from queue import Empty, SimpleQueue
from types import TracebackType

from tyk_endpoint_stats.errors import StoreBusy

__all__ = ["Place", "Places"]


class Place:
    """The right to go on, until the ``with`` ends, or until this object does: ``with places.take(5.0):``.

    Ctrl-C may come between any two lines, also between the last one of a ``with`` and its end.
    """

    _is_taken = False

    def __init__(self, free: SimpleQueue[bool]) -> None:
        self._free = free

    def take(self, timeout_s: float) -> None:
        """Take it as soon as there is one.

        Raises:
            Empty: there was none in time.
        """
        self._is_taken = self._free.get(timeout=timeout_s)

    def __enter__(self) -> None:
        """It was taken before."""

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_taken:
            # One line, so that no interruption comes between.
            self._is_taken = self._free.put(True) is not None  # type: ignore[func-returns-value]

    def __del__(self) -> None:
        # By no call of ours: what interrupts one here is passed over, and the place would be lost.
        if self._is_taken:
            self._free.put(True)


class Places:
    """At most so many places. Thread-safe.

    A queue that is written in C, because an exception inside of a ``Condition`` leaves its lock locked.

    Args:
        limit: how many.
        busy: what is said when none is to be had.
    """

    def __init__(self, limit: int, busy: str) -> None:
        self._limit, self._busy = limit, busy
        self._free: SimpleQueue[bool] = SimpleQueue()
        for _ in range(limit):
            self._free.put(True)

    def take(self, timeout_s: float) -> Place:
        """A place, as soon as there is one.

        Raises:
            StoreBusy: there was none within ``timeout_s``.
        """
        place = Place(self._free)
        try:
            place.take(timeout_s)
        except Empty:
            raise StoreBusy(self._busy) from None
        return place

    def wait_until_free(self, timeout_s: float) -> None:
        """Wait for all places to be given back, but not for ever."""
        deadline = time.monotonic() + timeout_s
        places = [Place(self._free) for _ in range(self._limit)]  # free again with this frame
        for place in places:
            try:
                place.take(max(0.0, deadline - time.monotonic()))
            except Empty:
                return
