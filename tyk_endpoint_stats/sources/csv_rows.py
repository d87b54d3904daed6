"""Blocks of lines into blocks of CSV rows (RFC 4180): a quoted field may hold newlines, so a row may be many lines.

Tyk Pump quotes as Go does, so quotes never stand wrong in what it wrote whole. A row that was torn (a full disk, a
killed Pump) may leave one open, which would swallow all that follows: then its first line alone is malformed, and
reading goes on with the next one. What a field holds is never taken for a row as long as its quotes are right, or
whoever calls an API with a newline in the path could write records.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO

from tyk_endpoint_stats.sources.blocks import WINDOW_BYTES, Block

__all__ = ["MAX_FURTHER_BYTES", "RowBlock", "fields_of", "first_columns", "read_rows"]

MAX_FURTHER_BYTES = 2 * 2**20
"""How much may follow the first line of a row inside its quotes; Go's server takes no longer head of a request."""

_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+(?:"\r?|\Z)|(?!")[^,\n]*+)'
_BUT_LAST = re.compile(rb"(?:%b,)*+" % _FIELD)
_ROW = re.compile(rb"(?:%b,)*+%b(\n|\Z)" % (_FIELD, _FIELD))
_TEXT_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|((?!")[^,]*+)),')


class RowBlock(Block, kw_only=True):
    """Some whole rows.

    Attributes:
        rows: with their newlines; one that is no row is a line of its own.
    """

    rows: list[bytes]

    def lines(self) -> list[bytes]:
        """The rows one by one."""
        return self.rows


def read_rows(
    blocks: Iterable[Block], offset: int, before: bytes, is_whole: Callable[[bytes], bool]
) -> Iterator[RowBlock | Block]:
    """The rows of some lines.

    Args:
        blocks: of lines, the last of which may lack its newline.
        offset: where they begin.
        before: the last bytes before that.
        is_whole: whether a row without its newline is one already.

    Yields:
        Rows, and lines over the cap as they came.
    """
    # A row that was whole without its newline: what came later is the rest of a column that nobody reads.
    rest_is_due = bool(before) and not before.endswith(b"\n")
    open_row = b""
    for block in blocks:
        data = open_row if block.overlong else open_row + block.data
        rows = _rows(data, bool(block.overlong), is_whole)
        size = sum(map(len, rows))
        open_row = data[size:]
        if rows:
            before = (before + data[:size])[-WINDOW_BYTES:]
            ends = offset + size
            if rest_is_due:
                offset += len(rows.pop(0))
                rest_is_due = False
            yield RowBlock(b"", offset, ends, before, len(rows), rows=rows)
            offset = ends
        if block.overlong:
            yield block
            offset, before = block.ends, block.before


def fields_of(row: str) -> list[str] | None:
    """The fields of a row without its newline; ``None``: its quotes are wrong."""
    if '"' not in row:
        return row.split(",")
    row += ","
    fields: list[str] = []
    at = 0
    while match := _TEXT_FIELD.match(row, at):
        quoted, plain = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        at = match.end()
    return fields if at == len(row) else None


def first_columns(row: bytes) -> bytes:
    """A row but for its last column, which may still grow where a newline is missing."""
    match = _BUT_LAST.match(row)
    return match[0] if match else b""


def _rows(data: bytes, interrupted: bool, is_whole: Callable[[bytes], bool]) -> list[bytes]:
    """The rows that data begins with; what is left is a row that may still become whole."""
    if b'"' not in data:
        rows = BytesIO(data).readlines()
        if rows and not rows[-1].endswith(b"\n") and not is_whole(rows[-1]):
            rows.pop()
        return rows
    rows = []
    at = 0
    while at < len(data):
        match = _ROW.match(data, at)
        end = match.end() if match else len(data)
        newline = data.find(b"\n", at, end) + 1
        is_closed = match is not None and (bool(match[1]) or is_whole(data[at:end]))
        if match is None or (newline and end - newline > MAX_FURTHER_BYTES) or (interrupted and not is_closed):
            if not newline:
                break
            end = newline
        elif not is_closed:
            break
        rows.append(data[at:end])
        at = end
    return rows
