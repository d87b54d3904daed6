"""Values of JSON that are not one a line: back to back, indented, an array over many lines.

What stands between values (space, commas, the brackets of an array) is nothing, so reading can go on behind any
value, and an array may be of any length. A value that is torn is one malformed value, and the next one is looked
for where it may begin.
"""

import re
from collections.abc import Iterator

from tyk_endpoint_stats.sources.forms.blocks import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    WINDOW_BYTES,
    Block,
    ByteStream,
    Mark,
    UnitBlock,
)
from tyk_endpoint_stats.sources.forms.json_text import (
    BYTE_ORDER_MARK,
    Scan,
    behind_separators,
    end_of_line,
    end_of_scalar,
    resumption,
    scan_value,
)

__all__ = ["first_value", "read_values"]

_HEAD_BYTES = 1024
_LIST_OF_OBJECTS = re.compile(rb"\[[ \t\r\n]*(?=\{)")


def read_values(stream: ByteStream, begins: Mark) -> Iterator[Block]:
    """The values of a stream.

    Args:
        stream: the bytes.
        begins: where to begin.
    """
    stream.seek(begins.offset)
    mark = begins
    at, seen = mark.offset, mark.before
    data = bytearray()
    scan = Scan()
    piece = memoryview(bytearray(BLOCK_BYTES))
    size = 0  # of what was there when it was looked at last
    ended = False
    while not ended:
        got = stream.readinto(piece)
        if got and not stream.still_has(at - len(seen), seen):
            return  # it was truncated and begun anew
        ended = not got
        at += got
        data += piece[:got]
        seen = (seen + piece[max(0, got - WINDOW_BYTES) : got])[-WINDOW_BYTES:]
        # A long value is looked at again when there is half as much more: its texts may be long, too.
        if not ended and len(data) < size + size // 2 and len(data) <= MAX_LINE_BYTES:
            continue
        units, starts, end, scan = _units(data, mark.offset, scan, ended)
        size = len(data) - end
        if end:
            ends = mark.past(bytes(data[:end]))
            yield UnitBlock(b"", mark.offset, ends, len(units), units=units, starts=starts)
            mark = ends
            del data[:end]
        if len(data) > MAX_LINE_BYTES and (opened := _LIST_OF_OBJECTS.search(data, 0, _HEAD_BYTES)):
            # A long list in an object: what stands before it is one malformed value, and its elements are values.
            end = opened.end()
            ends = mark.past(bytes(data[:end]))
            yield UnitBlock(b"", mark.offset, ends, 1, units=[bytes(data[:end])], starts=[mark.offset])
            mark, scan, size = ends, Scan(), 0
            del data[:end]
        elif len(data) > MAX_LINE_BYTES:
            overlong = Block(bytes(data[:_HEAD_BYTES]), mark.offset, mark.past(bytes(data)), overlong=len(data))
            yield overlong
            mark = overlong.ends
            data.clear()
            scan, size = Scan(), 0


def first_value(stream: ByteStream) -> bytes | None:
    """The first value of a stream; ``None`` while there is none."""
    for block in read_values(stream, Mark()):
        for unit in block.lines() if not block.overlong else [bytes(block.data)]:
            return unit
    return None


def _units(data: bytearray, offset: int, scan: Scan, ended: bool) -> tuple[list[bytes], list[int], int, Scan]:
    """The values that data begins with, where each begins, where the rest does, and how far that was looked at."""
    units: list[bytes] = []
    starts: list[int] = []
    at = 3 if not offset and data.startswith(BYTE_ORDER_MARK) else 0
    while True:
        start = behind_separators(data, at)
        if start >= len(data):
            return units, starts, start, Scan()
        if data[start] in b"{":
            if scan.at <= start:
                scan = Scan(start)
            if not scan_value(data, scan):
                return units, starts, start, _moved(scan, start)
            end = resumption(data, scan) if scan.broken else scan.end
            if end is None and ended:
                end = len(data)
        else:
            end = end_of_scalar(data, start) or end_of_line(data, start)
            if end is not None and end == len(data) and not ended:
                end = None  # a number may go on
        if end is None:
            return units, starts, start, Scan()
        units.append(bytes(data[start:end]))
        starts.append(offset + start)
        at = end
        scan = Scan()


def _moved(scan: Scan, start: int) -> Scan:
    return Scan(scan.at - start, scan.depth)
