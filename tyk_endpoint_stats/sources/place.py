"""Which source some bytes are, and how far into them a store has come.

A source's name is made of its first record, so a renamed or compressed file is the same source. A position is an
offset and a hash of the bytes before it, so a file that merely begins alike is told apart.
"""

import re
from hashlib import sha256

from msgspec import Struct

from tyk_endpoint_stats.sources.blocks import MAX_LINE_BYTES, WINDOW_BYTES, ByteStream
from tyk_endpoint_stats.sources.contract import PositionLookup
from tyk_endpoint_stats.sources.lenient_json import BYTE_ORDER_MARK, JSON_SPACE, is_complete
from tyk_endpoint_stats.sources.pump_csv import first_row, is_header

__all__ = [
    "Beginning",
    "Place",
    "beginning_of",
    "bytes_before",
    "find_place",
    "offset_of",
    "position_text",
    "read_at",
]

_POSITION = re.compile(r"(\d{20}):([0-9a-f]{16})", re.ASCII)
_NEWLINE = b"\n"
_PIECE_BYTES = 64 * 2**10


class Beginning(Struct, frozen=True):
    """What a stream's first lines say about it.

    Attributes:
        name: of the source.
        header: the first line of a CSV file, ``b""``: there are JSON lines.
        head: the first bytes of all.
    """

    name: str
    header: bytes = b""
    head: bytes = b""


class Place(Struct, frozen=True):
    """Where to begin reading.

    Attributes:
        source: the name under which the store keeps the position.
        begins: the stored position, ``None``: the store has not met these bytes.
        offset: the same as a number of bytes.
        before: the last bytes before it.
        head: the first bytes of all.
        header: the first line of a CSV file, ``b""``: there are JSON lines.
    """

    source: str
    begins: str | None = None
    offset: int = 0
    before: bytes = b""
    head: bytes = b""
    header: bytes = b""


def position_text(offset: int, before: bytes) -> str:
    """The position behind ``offset`` bytes, of which ``before`` are the last ``WINDOW_BYTES``."""
    return f"{offset:020d}:{sha256(before).hexdigest()[:16]}"


def find_place(stream: ByteStream, position: PositionLookup, beginning: Beginning | None = None) -> Place | None:
    """Where the store left these bytes; ``None`` while there is no whole record in them.

    Of the sources whose first record is the same, it is the one whose position fits the bytes and is furthest;
    where none fits, it is a new one.

    Args:
        stream: the bytes.
        position: asked for the position of every source that may be these.
        beginning: ``beginning_of(stream)``, where it is known already.
    """
    beginning = beginning or beginning_of(stream)
    if beginning is None:
        return None
    name, header, head = beginning.name, beginning.header, beginning.head
    number = 0
    known: list[tuple[int, str, str]] = []
    while (stored := position(name)) is not None:
        offset = offset_of(stored)
        if offset is not None:
            known.append((offset, name, stored))
        number += 1
        name = f"{beginning.name}~{number}"
    found = Place(name, head=head, header=header)
    # Upwards, because some streams can only go forwards.
    for offset, source, stored in sorted(known):
        before = bytes_before(stream, offset)
        if position_text(offset, before) == stored:
            found = Place(source, stored, offset, before, head, header)
    return found


def beginning_of(stream: ByteStream) -> Beginning | None:
    """What a stream's first lines say about it; ``None`` while there is no whole record in them.

    All files of Tyk Pump's CSV have the same first line, so their first row names them too: but for its last
    column, which may still grow.
    """
    head = read_at(stream, 0, WINDOW_BYTES)
    line = _first_line(stream)
    if line is None:
        return None
    header = line.removeprefix(BYTE_ORDER_MARK)
    if not is_header(header):
        return Beginning(f"file:{sha256(line).hexdigest()}", b"", head)
    row = first_row(stream, header)
    if row is None:
        return None
    return Beginning(f"file:{sha256(header + _NEWLINE + row).hexdigest()}", header, head)


def offset_of(position: str) -> int | None:
    """The offset that a position says; ``None``: it is none of ours."""
    match = _POSITION.fullmatch(position)
    return int(match[1]) if match else None


def bytes_before(stream: ByteStream, offset: int) -> bytes:
    """The bytes by which a position at this offset is known; too few where it is past the end."""
    return read_at(stream, max(offset - WINDOW_BYTES, 0), min(offset, WINDOW_BYTES))


def read_at(stream: ByteStream, offset: int, size: int) -> bytes:
    """The bytes at an offset, fewer where the stream ends."""
    stream.seek(offset)
    view = memoryview(bytearray(size))
    filled = 0
    while filled < len(view) and (got := stream.readinto(view[filled:])):
        filled += got
    return bytes(view[:filled])


def _first_line(stream: ByteStream) -> bytes | None:
    """The first line that is not blank, without the space around it, as far as the cap; ``None``: half a line."""
    stream.seek(0)
    view = memoryview(bytearray(_PIECE_BYTES))
    line = bytearray()
    while len(line) < MAX_LINE_BYTES and (got := stream.readinto(view)):
        piece = bytes(view[:got])
        line += piece if line else piece.lstrip(JSON_SPACE)
        end = line.find(b"\n", -len(piece))
        if end >= 0:
            return bytes(line[: min(end, MAX_LINE_BYTES)].rstrip(JSON_SPACE))
    if len(line) >= MAX_LINE_BYTES or is_complete(bytes(line), 0):
        return bytes(line[:MAX_LINE_BYTES].rstrip(JSON_SPACE))
    return None
