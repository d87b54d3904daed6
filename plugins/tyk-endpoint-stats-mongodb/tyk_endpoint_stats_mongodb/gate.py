"""Who may use a store and for how long: nobody after its close, nobody in a forked child, no call without an end."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import pymongo

from tyk_endpoint_stats.errors import StoreClosed
from tyk_endpoint_stats.stores.places import Places

__all__ = ["Deadline", "Gate"]

CALLS = 256
"""At once; more would wait for one of the driver's connections, of which it has 100 unless the URL says otherwise."""

WAIT_S = 120.0
"""As long as a merge may take."""


class Deadline:
    """The total deadline of a call: ``with Deadline(5.0):``.

    ``pymongo.timeout`` by itself would stay with the thread where an interruption comes at the end of its ``with``, and
    every later call of the thread would be too late. This ends with its frame.

    Args:
        seconds: how long all of the driver's calls inside may take together.
    """

    _is_on = False

    def __init__(self, seconds: float) -> None:
        self._timeout = pymongo.timeout(seconds)

    def __enter__(self) -> None:
        self._is_on = self._timeout.__enter__() is None

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_on:
            # One line, so that no interruption comes between.
            self._is_on = self._timeout.__exit__(kind, problem, trace) is True

    def __del__(self) -> None:
        if self._is_on:
            self._timeout.__exit__(None, None, None)


class Gate:
    """Lets calls through until it is closed; closing waits for those inside.

    Args:
        name: the store's, for messages.
        on_close: called once, when nobody is inside any more: the driver's lock may hang where it was interrupted.
    """

    def __init__(self, name: str, on_close: Callable[[], None]) -> None:
        self._name, self._on_close = name, [on_close]
        self._pid = os.getpid()
        self._places = Places(CALLS, f"{name}: {CALLS} calls are being answered; try again")
        self._is_closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """One call.

        Raises:
            StoreBusy: too many are inside.
            StoreClosed: the store is closed, or was opened before a fork.
        """
        # Before anything is touched that a thread of the parent may have held at the fork.
        if os.getpid() != self._pid:
            raise StoreClosed(f"{self._name} was opened before a fork; open it again in this process")
        self._check_open()
        with self._places.take(WAIT_S):
            self._check_open()
            yield

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreClosed(f"{self._name} is closed")

    def close(self) -> None:
        """Let nobody in any more and wait for those inside; what a forked child inherited is its parent's."""
        if os.getpid() != self._pid:
            return
        self._is_closed = True
        self._places.wait_until_free(WAIT_S)
        while self._on_close:
            self._on_close.pop()()
