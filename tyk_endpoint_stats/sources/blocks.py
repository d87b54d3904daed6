"""Bytes into blocks of whole lines, in memory that no input can grow.

A line is at most 16 MiB long (a record may carry a whole request and response); a longer one is passed over in
pieces and is one malformed record. What follows the last newline waits, unless it is complete already.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from io import BytesIO
from operator import itemgetter

from msgspec import Struct

from tyk_endpoint_stats.sources.lenient_json import is_complete

__all__ = ["BLOCK_BYTES", "MAX_LINE_BYTES", "WINDOW_BYTES", "Block", "ByteStream", "read_blocks"]

MAX_LINE_BYTES = 16 * 2**20
BLOCK_BYTES = 256 * 2**10
HEAD_BYTES = 1024
"""What is kept of a line over the cap."""

WINDOW_BYTES = 1024
"""A position is known again by this many bytes before it."""

_first_byte = itemgetter(0)
_last_byte = itemgetter(-2)  # before the newline


class ByteStream(ABC):
    """What a source reads its bytes from."""

    @abstractmethod
    def seek(self, offset: int) -> None:
        """Go to an offset; past the end is the end."""

    @abstractmethod
    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``; 0 at the end."""

    def still_has(self, offset: int, data: bytes) -> bool:
        """Whether ``data`` stands at an offset now; asked of streams that somebody may write to meanwhile."""
        return True


class Block(Struct):
    """Some whole lines. It lasts until the next one is asked for.

    Attributes:
        data: their bytes.
        offset: where they begin.
        ends: the offset behind them.
        before: the last bytes before ``ends``: ``WINDOW_BYTES`` of them unless the stream has fewer.
        count: how many lines.
        braced: every line begins with an opening brace and ends with a closing one, so none is blank, and no
            object lies in two lines: between ``}`` and ``{`` in an object there is a comma.
        overlong: the length of the only line, which is over the cap; ``data`` has its beginning alone.
    """

    data: memoryview | bytes
    offset: int
    ends: int
    before: bytes
    count: int = 1
    braced: bool = False
    overlong: int = 0

    def lines(self) -> list[bytes]:
        """The lines one by one, with their newlines."""
        return [bytes(self.data)] if self.count == 1 else BytesIO(self.data).readlines()


def read_blocks(
    stream: ByteStream, offset: int, before: bytes, is_whole: Callable[[bytes, int], bool] = is_complete
) -> Iterator[Block]:
    """The lines of a stream.

    Args:
        stream: the bytes.
        offset: where to begin.
        before: the last bytes before that.
        is_whole: whether what follows the last newline is a line already; asked with its offset.
    """
    # One buffer for all of the stream: fresh ones cost a page fault for each 4 KiB. It is a BytesIO because
    # readlines() is the fastest way to count lines (``count`` and ``re`` go byte by byte: four times as
    # long); its last byte is for the newline that ends the last piece.
    buffer = BytesIO(bytes(BLOCK_BYTES + 1))
    view = buffer.getbuffer()
    stream.seek(offset)
    beginning = _Beginning()
    filled = 0
    at, seen = offset, before  # the last bytes that were read: half a line, it may be, that is in no block yet
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
            yield (block := beginning.ended_by(lines.pop(0), offset, before))
            offset, before = block.ends, block.before
            beginning = _Beginning()
        if lines:
            braced = _all_are(b"{", _first_byte, lines) and _all_are(b"}", _last_byte, lines)
            count = len(lines)
            del lines  # or the next ones would lie in memory that is not in the processor's cache
            before = (before + view[max(start, end - WINDOW_BYTES) : end])[-WINDOW_BYTES:]
            ends = offset + end - start
            yield Block(view[start:end], offset, ends, before, count, braced)
            offset = ends
        filled = rest
        view[:filled] = view[end : end + rest]
    last = beginning.ended_by(bytes(view[:filled]), offset, before)
    if not last.overlong and is_whole(bytes(last.data), offset):
        yield last


def _all_are(byte: bytes, byte_of: Callable[[bytes], int], lines: list[bytes]) -> bool:
    return not bytes(map(byte_of, lines)).strip(byte)


class _Beginning:
    """The beginning of a line that did not fit into the buffer."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []
        self._last = b""

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._last = (self._last + piece)[-WINDOW_BYTES:]
        if self.size <= MAX_LINE_BYTES:
            self._pieces.append(piece)
        else:
            self._pieces = [b"".join(self._pieces)[:HEAD_BYTES] or piece[:HEAD_BYTES]]

    def ended_by(self, piece: bytes, offset: int, before: bytes) -> Block:
        """The block of the line that is whole now."""
        self.add(piece)
        before = (before + self._last)[-WINDOW_BYTES:]
        overlong = self.size if self.size > MAX_LINE_BYTES else 0
        data = b"".join(self._pieces)
        self._pieces = []
        return Block(data, offset, offset + self.size, before, overlong=overlong)
