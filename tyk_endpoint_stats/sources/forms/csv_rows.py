"""Blocks of lines into blocks of CSV rows (RFC 4180): a quoted field may hold newlines, so a row may be many lines.

Tyk Pump quotes as Go does, so quotes never stand wrong in what it wrote whole. A row that was torn (a full disk, a
killed Pump) may leave one open, which would swallow all that follows: then its first line alone is malformed, and
reading goes on with the next one. What a field holds is never taken for a row as long as its quotes are right, or
whoever calls an API with a newline in the path could write records.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from itertools import accumulate

from msgspec import Struct

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, text_from_utf8
from tyk_endpoint_stats.sources.forms.blocks import Block, Mark, UnitBlock
from tyk_endpoint_stats.sources.forms.json_text import BYTE_ORDER_MARK, JSON_SPACE

__all__ = ["MAX_FURTHER_BYTES", "Quoting", "Table", "columns_of", "quoting_of", "read_rows"]

MAX_FURTHER_BYTES = 2 * 2**20
"""How much may follow the first line of a row inside its quotes; Go's server takes no longer head of a request."""


class Quoting(Struct, frozen=True):
    """How rows are cut into fields: RFC 4180 with any one byte between them.

    Attributes:
        delimiter: that byte.
        row: matches a row, its newline in group 1.
        but_last: matches all of a row but its last field.
        field: matches a field and its delimiter in text.
    """

    delimiter: str
    row: re.Pattern[bytes]
    but_last: re.Pattern[bytes]
    field: re.Pattern[str]

    def fields_of(self, row: str) -> list[str] | None:
        """The fields of a row without its newline; ``None``: its quotes are wrong."""
        if '"' not in row:
            return row.split(self.delimiter)
        row += self.delimiter
        fields: list[str] = []
        at = 0
        while match := self.field.match(row, at):
            quoted, plain = match.groups()
            fields.append(plain if quoted is None else quoted.replace('""', '"'))
            at = match.end()
        return fields if at == len(row) else None

    def first_columns(self, row: bytes) -> bytes:
        """A row but for its last column, which may still grow where a newline is missing."""
        match = self.but_last.match(row)
        return match[0] if match else b""


@lru_cache(8)
def quoting_of(delimiter: str) -> Quoting:
    """The patterns for a delimiter."""
    text, data = re.escape(delimiter), re.escape(delimiter.encode())
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+(?:"\r?|\Z)|(?!")[^%b\n]*+)' % data
    return Quoting(
        delimiter,
        row=re.compile(rb"(?:%b%b)*+%b(\n|\Z)" % (field, data, field)),
        but_last=re.compile(rb"(?:%b%b)*+" % (field, data)),
        field=re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|((?!")[^{text}]*+)){text}'),
    )


def columns_of(header: bytes, delimiter: str) -> list[str]:
    """The columns of a header line."""
    return quoting_of(delimiter).fields_of(text_from_utf8(header)) or [""]


class Table:
    """What every row of a file is held against: its header, and what stands between its columns.

    Args:
        header: the file's header line.
        delimiter: what stands between its columns.

    Attributes:
        names: of the columns.
    """

    def __init__(self, header: bytes, delimiter: str) -> None:
        self._header = header
        self._quoting = quoting_of(delimiter)
        self.names = columns_of(header, delimiter)

    def line_of(self, row: bytes, offset: int) -> bytes:
        """A row without its newline; empty where it is blank, or the header again as where files were put together."""
        line = (row if offset else row.removeprefix(BYTE_ORDER_MARK)).rstrip(b"\r\n")
        return b"" if line.strip(JSON_SPACE) in (b"", self._header) else line

    def fields_of(self, line: str) -> list[str]:
        """What stands in the columns of a row.

        Raises:
            MalformedRecord: it is no row, or has another number of columns than the header.
        """
        fields = self._quoting.fields_of(line)
        if fields is None:
            raise MalformedRecord("quotes that are wrong in CSV")
        if len(fields) != len(self.names):
            raise MalformedRecord("not as many columns as the header")
        return fields


def read_rows(
    blocks: Iterable[Block], begins: Mark, quoting: Quoting, is_whole: Callable[[bytes], bool]
) -> Iterator[Block]:
    """The rows of some lines.

    Args:
        blocks: of lines, the last of which may lack its newline.
        begins: where they begin.
        quoting: how rows are cut into fields.
        is_whole: whether a row without its newline is one already.

    Yields:
        Rows, one that is no row being a line of its own, and lines over the cap as they came.
    """
    # A row that was whole without its newline: what came later is the rest of a column that nobody reads.
    rest_is_due = bool(begins.before) and not begins.before.endswith(b"\n")
    mark = begins
    open_row = b""
    for block in blocks:
        data = open_row if block.overlong else open_row + block.data
        rows = _rows(data, quoting, bool(block.overlong), is_whole)
        size = sum(map(len, rows))
        open_row = data[size:]
        if rows:
            start = mark.offset
            mark = mark.past(data[:size])
            if rest_is_due:
                start += len(rows.pop(0))
                rest_is_due = False
            starts = list(accumulate(map(len, rows), initial=start))[: len(rows)]
            yield UnitBlock(b"", start, mark, len(rows), units=rows, starts=starts)
        if block.overlong:
            yield block
            mark = block.ends


def _rows(data: bytes, quoting: Quoting, interrupted: bool, is_whole: Callable[[bytes], bool]) -> list[bytes]:
    """The rows that data begins with; what is left is a row that may still become whole."""
    if b'"' not in data:
        rows = BytesIO(data).readlines()
        if rows and not rows[-1].endswith(b"\n") and not is_whole(rows[-1]):
            rows.pop()
        return rows
    rows = []
    at = 0
    while at < len(data):
        match = quoting.row.match(data, at)
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
