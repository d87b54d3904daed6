"""Interrupts a program at its n-th line, as Ctrl-C may: an exception is raised out of a line, whichever it is."""

import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

WITHIN_S = 10.0
"""So long may the next calls and the closing take, all together."""


class Interruption(KeyboardInterrupt):
    """Raised by the tracing, so that no other interruption is taken for it."""


class Interrupter:
    """Counts the lines that a call runs through, and raises ``Interruption`` at one of them.

    Lines of generators' and files' clean-up that Python runs where no exception can be raised are none of them.

    Args:
        at: the line's number, counted from 1; 0: none.

    Attributes:
        lines: how many were run through.
        where: the file and line at which it was raised, for messages.
    """

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.lines = 0
        self.where = ""

    def run(self, call: Callable[[], object]) -> bool:
        """Call it; whether it was interrupted. An interruption that somebody swallowed counts too."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            call()
        except Interruption:
            pass
        except Exception:
            if not self.where:
                raise  # else: what somebody made of the interruption
        finally:
            sys.settrace(before)
        return bool(self.where)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if _is_unraisable(frame.f_code):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_qualname})"
                raise Interruption(self.where)
        return self._trace


def _is_unraisable(code: CodeType) -> bool:
    return code.co_name == "__del__" or "/importlib/" in code.co_filename or code.co_filename.startswith("<frozen")


def ends_in_time(call: Callable[[], object]) -> BaseException | str | None:
    """Call it in a thread of its own; what it raised, ``None`` if nothing, a text if it does not end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as problem:
            raised.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    if thread.is_alive():
        return "it hangs"
    return raised[0] if raised else None
