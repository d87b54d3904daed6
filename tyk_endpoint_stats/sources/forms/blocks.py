"""Bytes into blocks of whole lines, in memory that no input can grow.

A line is at most 16 MiB long (a record may carry a whole request and response); a longer one is passed over in
pieces and is one malformed record. What follows the last newline waits, unless it is complete already.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import accumulate
from operator import itemgetter
from zlib import crc32

from msgspec import Struct

__all__ = [
    "BLOCK_BYTES",
    "MAX_LINE_BYTES",
    "WINDOW_BYTES",
    "Block",
    "ByteStream",
    "Mark",
    "UnitBlock",
    "read_blocks",
]

MAX_LINE_BYTES = 16 * 2**20
BLOCK_BYTES = 256 * 2**10
HEAD_BYTES = 1024
"""What is kept of a line over the cap."""

WINDOW_BYTES = 1024
"""A position is known again by this many bytes before it."""

_first_byte = itemgetter(0)
_last_byte = itemgetter(-2)  # before the newline


class ByteStream(ABC):
    """What a source reads its bytes from.

    Attributes:
        rewinds: whether going back costs nothing; a compressed file begins again at its first byte.
    """

    rewinds: bool = True

    @property
    @abstractmethod
    def at(self) -> int:
        """The offset of the next byte."""

    @abstractmethod
    def seek(self, offset: int) -> None:
        """Go to an offset; past the end is the end."""

    @abstractmethod
    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``; 0 at the end."""

    def still_has(self, offset: int, data: bytes) -> bool:
        """Whether ``data`` stands at an offset now; asked of streams that somebody may write to meanwhile."""
        return True


class Mark(Struct, frozen=True):
    """A place in a stream, and what tells whether other bytes have the same before it.

    Attributes:
        offset: how many bytes are before it.
        before: the last of them, ``WINDOW_BYTES`` unless there are fewer.
        crc: the CRC-32 of all of them: so that two files that differ in the middle alone are not taken for one.
    """

    offset: int = 0
    before: bytes = b""
    crc: int = 0

    def past(self, data: bytes | memoryview) -> "Mark":
        """The place behind some bytes that follow."""
        return Mark(
            self.offset + len(data), (self.before + data[-WINDOW_BYTES:])[-WINDOW_BYTES:], crc32(data, self.crc)
        )


class Block(Struct):
    """Some whole lines. It lasts until the next one is asked for.

    Attributes:
        data: their bytes.
        offset: where they begin.
        ends: the place behind them.
        count: how many lines.
        braced: every line begins with an opening brace and ends with a closing one, so none is blank, and no
            object lies in two lines: between ``}`` and ``{`` in an object there is a comma.
        overlong: the length of the only line, which is over the cap; ``data`` has its beginning alone.
    """

    data: memoryview | bytes
    offset: int
    ends: Mark
    count: int = 1
    braced: bool = False
    overlong: int = 0

    def lines(self) -> list[bytes]:
        """The lines one by one, with their newlines."""
        return [bytes(self.data)] if self.count == 1 else BytesIO(self.data).readlines()

    def offsets(self) -> list[int]:
        """Where each of the lines begins."""
        return list(accumulate(map(len, self.lines()[:-1]), initial=self.offset))


class UnitBlock(Block, kw_only=True):
    """Some units that are no lines: rows of CSV, values of JSON, entries of several lines.

    Attributes:
        units: their bytes.
        starts: where each begins.
        is_in_line: all of them stand in one line, so none has a number of its own; ``count`` is 1 where it ends.
    """

    units: list[bytes]
    starts: list[int]
    is_in_line: bool = False

    def lines(self) -> list[bytes]:
        """The units one by one."""
        return self.units

    def offsets(self) -> list[int]:
        """Where each of the units begins."""
        return self.starts


def read_blocks(stream: ByteStream, begins: Mark, is_whole: Callable[[bytes, int], bool]) -> Iterator[Block]:
    """The lines of a stream.

    Args:
        stream: the bytes.
        begins: where to begin.
        is_whole: whether what follows the last newline is a line already; asked with its offset.
    """
    # One buffer for all of the stream: fresh ones cost a page fault for each 4 KiB. It is a BytesIO because
    # readlines() is the fastest way to count lines (``count`` and ``re`` go byte by byte: four times as
    # long); its last byte is for the newline that ends the last piece.
    buffer = BytesIO(bytes(BLOCK_BYTES + 1))
    view = buffer.getbuffer()
    stream.seek(begins.offset)
    mark = begins
    beginning = _Beginning(mark)
    filled = 0
    at, seen = mark.offset, mark.before  # what was read last: half a line, it may be, that is in no block yet
    while got := stream.readinto(view[filled:-1]):
        if not stream.still_has(at - len(seen), seen):
            return  # it was truncated and begun anew: these bytes are no continuation of those
        filled += got
        at += got
        seen = (seen + view[max(filled - got, filled - WINDOW_BYTES) : filled])[-WINDOW_BYTES:]
        if got < filled - got and b"\n" not in bytes(view[filled - got : filled]):
            count = 0  # a long line in small pieces: not gone through again from its beginning
        else:
            view[filled] = 0x0A
            buffer.seek(0)
            lines = buffer.readlines(filled + 1)
            rest = len(lines.pop()) - 1
            count = len(lines)
        if not count:
            if filled == BLOCK_BYTES:
                beginning.add(bytes(view[:filled]))
                filled = 0
            continue
        start, end = 0, filled - rest
        if beginning.size:
            start = len(lines[0])
            yield (block := beginning.ended_by(lines.pop(0)))
            mark = block.ends
        if lines:
            braced = _all_are(b"{", _first_byte, lines) and _all_are(b"}", _last_byte, lines)
            count = len(lines)
            del lines  # or the next ones would lie in memory that is not in the processor's cache
            ends = mark.past(view[start:end])
            yield Block(view[start:end], mark.offset, ends, count, braced)
            mark = ends
        beginning = _Beginning(mark)
        filled = rest
        view[:filled] = view[end : end + rest]
    last = beginning.ended_by(bytes(view[:filled]))
    if not last.overlong and is_whole(bytes(last.data), last.offset):
        yield last


def _all_are(byte: bytes, byte_of: Callable[[bytes], int], lines: list[bytes]) -> bool:
    return not bytes(map(byte_of, lines)).strip(byte)


class _Beginning:
    """The beginning of a line that did not fit into the buffer."""

    def __init__(self, begins: Mark) -> None:
        self.size = 0
        self._offset = begins.offset
        self._mark = begins
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._mark = self._mark.past(piece)
        if self.size <= MAX_LINE_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces = [b"".join(self._pieces)[:HEAD_BYTES] or piece[:HEAD_BYTES]]

    def ended_by(self, piece: bytes) -> Block:
        """The block of the line that is whole now."""
        self.add(piece)
        overlong = self.size if self.size > MAX_LINE_BYTES else 0
        data = b"".join(self._pieces)
        self._pieces = []
        return Block(data, self._offset, self._mark, overlong=overlong)
