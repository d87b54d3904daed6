"""A file in pieces that other processes can read side by side.

A piece begins and ends behind a newline, and its positions are those that a single reading of the file would
have there: whoever merges the pieces in their order does the same as one reading.
"""

import os
from collections.abc import Iterator
from io import FileIO

from msgspec import Struct

from tyk_endpoint_stats.sources.blocks import MAX_LINE_BYTES
from tyk_endpoint_stats.sources.contract import PositionLookup, Reading
from tyk_endpoint_stats.sources.file import PlainStream, open_regular, read_place
from tyk_endpoint_stats.sources.gzipped import MAGIC, GzipStream
from tyk_endpoint_stats.sources.place import Place, bytes_before, find_place, position_text, read_at
from tyk_endpoint_stats.sources.reading import LineReading

__all__ = ["Piece", "cut"]

_PIECE_BYTES = 64 * 2**10


class Piece(Struct, frozen=True):
    """Some lines of a file. A value: it can be sent to another process.

    Attributes:
        path: where the file is.
        place: where the piece begins; in a file that was changed since, reading it gives nothing.
        end: the offset behind it, ``None``: the end of the file.
    """

    path: str
    place: Place
    end: int | None

    def open(self) -> Reading:
        """Read the piece.

        Raises:
            SourceError: the file can't be read.
        """
        raw = open_regular(self.path)
        if self.end is None:
            return read_place(raw, self.path, self.place)
        return LineReading(_Capped(raw, self.path, self.end), self.place, self.end, raw.close)


def cut(path: str, position: PositionLookup, size: int) -> tuple[list[Piece], int | None]:
    """The pieces of what a store has not merged of a file, of about ``size`` bytes each; gzip and CSV stay whole.

    Args:
        path: where the file is.
        position: the store's.
        size: more than the ``WINDOW_BYTES`` by which a file is known again.

    Returns:
        The pieces, and how many bytes the file has; ``None``: gzip, so nobody knows yet.

    Raises:
        SourceError: the file can't be read.
    """
    with open_regular(path) as raw:
        total = os.fstat(raw.fileno()).st_size
        plain = PlainStream(raw, path)
        if read_at(plain, 0, len(MAGIC)) == MAGIC:
            place = find_place(GzipStream(raw, path), position)
            return ([Piece(path, place, None)] if place else []), None
        place = find_place(plain, position)
        if place is None:
            return [], total
        # A newline of a CSV file may stand inside quotes: only who reads from the beginning can tell.
        places = [place] if place.header else [place, *_places_behind(plain, place, total, size)]
    ends = [*(later.offset for later in places[1:]), None]
    return [Piece(path, at, end) for at, end in zip(places, ends, strict=True)], total


def _places_behind(plain: PlainStream, first: Place, total: int, size: int) -> Iterator[Place]:
    wanted = first.offset + size
    while wanted < total:
        offset = _behind_next_newline(plain, wanted)
        if offset is None or offset >= total:
            return
        before = bytes_before(plain, offset)
        yield Place(first.source, position_text(offset, before), offset, before)
        wanted = offset + size


def _behind_next_newline(plain: PlainStream, offset: int) -> int | None:
    """``None``: there is none, or the line is too long to be a record."""
    for at in range(offset, offset + 2 * MAX_LINE_BYTES, _PIECE_BYTES):
        piece = read_at(plain, at, _PIECE_BYTES)
        found = piece.find(b"\n")
        if found >= 0:
            return at + found + 1
        if len(piece) < _PIECE_BYTES:
            return None
    return None


class _Capped(PlainStream):
    """The bytes of a file up to an offset."""

    def __init__(self, raw: FileIO, label: str, end: int) -> None:
        super().__init__(raw, label)
        self._end = end

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``."""
        left = self._end - self._raw.tell()
        return super().readinto(view[: max(left, 0)])
