"""Forked processes that tests start to kill them: cheaper than programs, and as easily dead."""

import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["child", "in_child", "kill"]


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child; its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python and pymongo warn of forks; the child opens what it uses itself
        pid = os.fork()
    if pid:
        return pid
    status = 3
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def kill(pid: int) -> None:
    """``kill -9``, whether it still runs or not."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


@contextmanager
def child(work: Callable[[], object]) -> Iterator[int]:
    """A forked process that does the work, its id; killed at the end if it still runs."""
    pid = in_child(work)
    try:
        yield pid
    finally:
        kill(pid)
