"""Bytes into blocks of whole lines, in memory that no input can grow.

A line is at most 16 MiB long (a record may carry a whole request and response); a longer one is passed over in
pieces and is one malformed record. What follows the last newline waits, unless it is complete already.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

from msgspec import Struct

from tyk_endpoint_stats.sources.second_look import is_complete

__all__ = ["MAX_LINE_BYTES", "WINDOW_BYTES", "Block", "ByteStream", "read_blocks"]

MAX_LINE_BYTES = 16 * 2**20
BLOCK_BYTES = 256 * 2**10
HEAD_BYTES = 1024
"""What is kept of a line over the cap."""

WINDOW_BYTES = 1024
"""A position is known again by this many bytes before it."""


class ByteStream(Protocol):
    """What a source reads its bytes from."""

    def seek(self, offset: int) -> None:
        """Go to an offset; past the end is the end."""

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``; 0 at the end."""


class Block(Struct):
    """Some whole lines.

    Attributes:
        lines: the bytes of each, with its newline.
        offset: where the first begins.
        ends: the offset behind the last.
        before: the last bytes before ``ends``: ``WINDOW_BYTES`` of them unless the stream has fewer.
        overlong: the length of the only line, which is over the cap: ``lines`` has its beginning alone.
    """

    lines: list[bytes]
    offset: int
    ends: int
    before: bytes
    overlong: int = 0


def read_blocks(stream: ByteStream, offset: int, before: bytes) -> Iterator[Block]:
    """The lines of a stream from an offset on; ``before`` are the last bytes before it."""
    # One buffer for all of the stream: fresh ones cost a page fault for each 4 KiB. It is a BytesIO because
    # its readlines() is the fastest way to lines; its last byte is for the newline that ends the last piece.
    buffer = BytesIO(bytes(BLOCK_BYTES + 1))
    view = buffer.getbuffer()
    stream.seek(offset)
    beginning = _Beginning()
    filled = 0
    while got := stream.readinto(view[filled:-1]):
        filled += got
        if got < filled - got and b"\n" not in bytes(view[filled - got : filled]):
            lines = []  # a long line in small pieces: not looked through again from its beginning
        else:
            view[filled] = 0x0A
            buffer.seek(0)
            lines = buffer.readlines(filled + 1)
            rest = lines.pop()[:-1]
        if not lines:
            if filled == BLOCK_BYTES:
                beginning.add(bytes(view[:filled]))
                filled = 0
            continue
        size = filled - len(rest)
        if beginning.size:
            line = lines.pop(0)
            size -= len(line)
            yield (block := beginning.ended_by(line, offset, before))
            offset, before = block.ends, block.before
            beginning = _Beginning()
        if lines:
            end = filled - len(rest)
            before = (before + view[end - min(size, WINDOW_BYTES) : end])[-WINDOW_BYTES:]
            yield Block(lines, offset, offset + size, before)
            offset += size
        filled = len(rest)
        view[:filled] = rest
    last = beginning.ended_by(bytes(view[:filled]), offset, before)
    if not last.overlong and is_complete(last.lines[0], offset):
        yield last


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
        return Block([b"".join(self._pieces)], offset, offset + self.size, before, overlong)
