"""Waits on what a test is about, not on a clock."""

import time
from collections.abc import Callable

__all__ = ["wait_for"]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return once the condition holds. The time is for a busy machine; a quiet one needs none of it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
