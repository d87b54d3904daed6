"""How far a table without a key has been read: by the transactions that wrote its rows.

A window holds the rows of the transactions from ``begins`` on, without ``ends``, where every transaction before
``ends`` has finished: which rows those are does not change any more, whenever and in which order they came. Windows
follow each other without a gap, so every row is in exactly one. Inside a window rows are read in order of time.
"""

import re

from msgspec import Struct

__all__ = ["RawPosition", "parse_position"]

_TEXT = re.compile(r"(\d+)-(\d+) since (-?\d+) to (-?\d+) file (\d+)(?: at (.+))?", re.ASCII)


class RawPosition(Struct, frozen=True):
    """A position in a table.

    Attributes:
        begins: the first transaction of the window; 0: the window of all that was there at first.
        ends: the transaction that ends it. If it is ``begins``, all of the windows so far have been read.
        since_us: when the window before was ended, by the server's clock.
        until_us: when this window was ended.
        file: the file that the rows lay in; another one: somebody rewrote the table.
        at: rows of the window whose timestamp is earlier have been read; ``None``: none has.
    """

    begins: int
    ends: int
    since_us: int
    until_us: int
    file: int
    at: str | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether the window has been read to its end."""
        return self.begins == self.ends

    def done(self) -> "RawPosition":
        """The position behind this window."""
        return RawPosition(self.ends, self.ends, self.until_us, self.until_us, self.file)

    def text(self) -> str:
        """As a store keeps it."""
        at = "" if self.at is None else f" at {self.at}"
        return f"{self.begins}-{self.ends} since {self.since_us} to {self.until_us} file {self.file}{at}"


def parse_position(text: str) -> RawPosition | None:
    """The position of a text, ``None`` if it is none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    begins, ends, since_us, until_us, file, at = found.groups()
    return RawPosition(int(begins), int(ends), int(since_us), int(until_us), int(file), at)
