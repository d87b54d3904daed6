"""Interrupts a program at its n-th line, as Ctrl-C may: an exception is raised out of a line, whichever it is."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.base import Store

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
        if _is_unraisable(frame.f_code) or _is_of_pymongo(frame):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_qualname})"
                raise Interruption(self.where)
        return self._trace


def _is_unraisable(code: CodeType) -> bool:
    return code.co_name == "__del__" or "/importlib/" in code.co_filename or code.co_filename.startswith("<frozen")


def _is_of_pymongo(frame: FrameType | None) -> bool:
    """Whether pymongo runs it: its locks stay locked there, which nothing around it can mend."""
    while frame is not None and "/tyk_endpoint_stats" not in frame.f_code.co_filename:
        if "/pymongo/" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


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


LINE = b'{"path":"/%d","api_key":"%b","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'
RECORDS = 3
SAMPLE, SERVER_SAMPLE = 30, 10
"""Interruptions a store in the usual tests; in torture each line of some thousands has its own."""

_VERIFIED_EACH = 7
"""The store is looked through after each interruption at so many lines: it grows with every one of them."""

Open = Callable[[Path], Store]
"""Opens a store; what is in it already does not matter."""


class Work:
    """An ingest and a question about it, for a consumer of its own: others have used the store before.

    Args:
        open_store: opens it.
        folder: made; its name is the consumer.
    """

    def __init__(self, open_store: Open, folder: Path) -> None:
        folder.mkdir()
        log = folder / "log"
        self._consumer = Consumer(Kind.KEY, folder.name)
        log.write_bytes(b"".join(LINE % (number, folder.name.encode()) for number in range(RECORDS)) + b"{bad\n")
        self._source = FileSource(str(log))
        self.store = open_store(folder)

    def do(self) -> int:
        """The hits that are there after an ingest."""
        self.store.ingest(self._source, IngestOptions(on_rejected=lambda rejected: None))
        return sum(row.hits for row in self.store.endpoints(self._consumer))


def wrong_after(open_store: Open, folder: Path, at: int) -> str:
    """What is wrong after an interruption at that line; ``""``: nothing."""
    work, interrupter = Work(open_store, folder), Interrupter(at)
    interrupter.run(work.do)
    found: list[int] = []
    problem = ends_in_time(lambda: found.append(work.do()))
    problem = problem or (found != [RECORDS] and f"{found} hits and not {RECORDS}")
    if not problem and at % _VERIFIED_EACH == 0:
        problem = str([each.what for each in verify(work.store).problems] or "")
    problem = problem or ends_in_time(work.store.close)
    return f"line {at}, {interrupter.where}: {problem!r}" if problem else ""


def wrong_after_closing(open_store: Open, folder: Path, at: int) -> str:
    """What is wrong after an interruption of closing at that line; ``""``: nothing."""
    work, interrupter = Work(open_store, folder), Interrupter(at)
    work.do()
    interrupter.run(work.store.close)
    problem = ends_in_time(work.store.close)
    return f"line {at}, {interrupter.where}: {problem!r}" if problem else ""


def count_lines(open_store: Open, folder: Path) -> tuple[int, int]:
    """How many lines an ingest with a question runs through, and how many a closing."""
    work, working, closing = Work(open_store, folder), Interrupter(), Interrupter()
    assert not working.run(work.do)
    assert not closing.run(work.store.close)
    return working.lines, closing.lines


def assert_nothing_is_wrong(open_store: Open, folder: Path, most: int) -> None:
    """Interrupt at so many lines of an ingest and a question, and at as many of a closing."""
    working, closing = count_lines(open_store, folder / "whole")
    assert working > 300, "an ingest is more than that: is it traced?"
    wrong = []
    for name, lines, look in (("work", working, wrong_after), ("close", closing, wrong_after_closing)):
        step = max(1, -(-lines // most))
        for at in range(1 + step // 2, lines + 1, step):
            if problem := look(open_store, folder / f"{name}-{at}", at):
                wrong.append(problem)
    print(f"\n{working:,} lines of an ingest and a question, {closing:,} of a closing, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
