"""A file in pieces that other processes can read side by side.

A piece begins and ends behind a newline, and its positions are those that a single reading of the file would
have there: whoever merges the pieces in their order does the same as one reading.
"""

import os
from collections.abc import Iterator
from io import FileIO

from msgspec import Struct

from tyk_endpoint_stats.sources.contract import PositionLookup, Reading
from tyk_endpoint_stats.sources.file import PlainStream, open_regular, read_place, stream_of
from tyk_endpoint_stats.sources.forms.blocks import MAX_LINE_BYTES
from tyk_endpoint_stats.sources.forms.form import LinesForm
from tyk_endpoint_stats.sources.forms.sniffer import read_at
from tyk_endpoint_stats.sources.place import Place, find_place, mark_at, position_text
from tyk_endpoint_stats.sources.reading import StreamReading

__all__ = ["Piece", "cut"]

_PIECE_BYTES = 64 * 2**10


class Piece(Struct, frozen=True):
    """Some lines of a file. A value: it can be sent to another process.

    Attributes:
        path: where the file is.
        place: where the piece begins; in a file that was changed since, reading it gives nothing.
        end: the offset behind it, ``None``: the end of the file.
        total: how many bytes the file has; ``None``: packed, so nobody knows yet.
    """

    path: str
    place: Place
    end: int | None
    total: int | None

    def open(self) -> Reading:
        """Read the piece.

        Raises:
            SourceError: the file can't be read.
        """
        raw = open_regular(self.path)
        if self.end is None:
            return read_place(raw, self.path, self.place)
        return StreamReading(_Capped(raw, self.path, self.end), self.place, self.end, raw.close)


def cut(path: str, position: PositionLookup, size: int) -> Iterator[Piece]:
    """The pieces of what a store has not merged of a file, of about ``size`` bytes each.

    Only plain lines are cut; all other forms stay whole, since a newline in them need not end anything. A piece is
    made when it is asked for: the bytes before it have to be read, for its position.

    Args:
        path: where the file is.
        position: the store's.
        size: more than the ``WINDOW_BYTES`` by which a file is known again.

    Raises:
        SourceError: the file can't be read.
    """
    with open_regular(path) as raw:
        total = os.fstat(raw.fileno()).st_size
        stream = stream_of(raw, path)
        place = find_place(stream, position)
        if place is None:
            return
        if not isinstance(stream, PlainStream):
            yield Piece(path, place, None, None)
            return
        end = place.mark.offset + size
        while isinstance(place.form, LinesForm) and end < total:
            offset = _behind_next_newline(stream, end)
            if offset is None or offset >= total:
                break
            yield Piece(path, place, offset, total)
            mark = mark_at(stream, offset, place.mark)
            place = Place(place.source, place.form, position_text(mark), mark)
            end = offset + size
        yield Piece(path, place, None, total)


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
