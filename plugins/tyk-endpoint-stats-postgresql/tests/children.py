"""Processes that tests start to kill them."""

import os
from collections.abc import Callable

__all__ = ["in_child"]


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        os._exit(3)
