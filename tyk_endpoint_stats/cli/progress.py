"""How far a command is, on a terminal's last line."""

import sys
import time
from collections.abc import Callable

__all__ = ["ProgressLine"]

_EVERY_S = 0.2


class ProgressLine:
    """One line that is written over itself on stderr, where that is a terminal."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._shown = self._stream.isatty()
        self._next = 0.0

    def show(self, text: Callable[[], str]) -> None:
        """Write what ``text`` gives; most calls do nothing."""
        if self._shown and (now := time.monotonic()) >= self._next:
            self._next = now + _EVERY_S
            self._write(text())

    def clear(self) -> None:
        """Take the line away."""
        if self._shown and self._next:
            self._write("")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\x1b[2K{text}")
        self._stream.flush()
