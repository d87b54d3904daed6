"""Values of JSON that are not one a line: back to back, indented, an array over many lines.

What stands between values (space, commas, the brackets of an array) is nothing, so reading can go on behind any
value, and an array may be of any length. A value that is torn is one malformed value, and the next one is looked
for where it may begin.
"""

import re
from collections.abc import Iterable, Iterator

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
    end_of_frame,
    end_of_line,
    end_of_scalar,
    resumption,
    scan_value,
)

__all__ = ["first_value", "read_values", "with_elements"]

_HEAD_BYTES = 1024
_UNITS_A_BLOCK = 2_000
_LIST = re.compile(rb'(?:\xef\xbb\xbf)?[ \t]*\[[ \t]*(?=[{"])')
_ELEMENT = re.compile(rb'[{"]')
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
            for block in _blocks(bytes(data[:end]), mark, units, starts):
                yield block
                mark = block.ends
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


def with_elements(blocks: Iterable[Block], begins: Mark) -> Iterator[Block]:
    """Blocks of lines, but instead of a long line that is a list its elements: there may be any number of them.

    Reading can go on behind any of them: then what is left of the line is taken for more of the same.

    Args:
        blocks: of lines.
        begins: where they begin.
    """
    mark = begins
    may_begin = _LIST if begins.before[-1:] in (b"", b"\n") else _ELEMENT
    for block in blocks:
        if block.count > 1 or block.overlong or len(block.data) <= BLOCK_BYTES or not may_begin.match(block.data):
            yield block
            mark = block.ends
        else:
            for elements in _elements(bytes(block.data), mark):
                yield elements
                mark = elements.ends
        may_begin = _LIST


def _elements(line: bytes, mark: Mark) -> Iterator[Block]:
    units, starts, end, _ = _units(bytearray(line), mark.offset, Scan(), ended=True)
    if end < len(line):
        units.append(line[end:])
        starts.append(mark.offset + end)
    for block in _blocks(line, mark, units, starts):
        # None of them has a number of its own, but behind the last one the line is over.
        block.is_in_line, block.count = True, int(block.ends.offset == mark.offset + len(line))
        yield block


def _blocks(data: bytes, mark: Mark, units: list[bytes], starts: list[int]) -> Iterator[UnitBlock]:
    """The units of some bytes that begin at a mark, so many at a time that their records take little memory."""
    begins = mark.offset
    for first in range(0, max(1, len(units)), _UNITS_A_BLOCK):
        last = first + _UNITS_A_BLOCK
        ends = starts[last] - begins if last < len(units) else len(data)
        offset = mark.offset
        mark = mark.past(data[offset - begins : ends])
        some, at = units[first:last], starts[first:last]
        yield UnitBlock(b"", offset, mark, len(some), units=some, starts=at)


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
        elif (end := end_of_frame(data, start)) is not None:
            end = end if end <= len(data) else None
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
