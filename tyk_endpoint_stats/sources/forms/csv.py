"""CSV into records: Tyk Pump's, MongoDB's and SQL's exports of its tables, and what a spreadsheet saves of them.

Columns go by the names of the header, in any dialect, so files of older Pumps, which have fewer, are read too.
Pump's own has no column for GraphQL and MCP: such hits can't be told apart, and count.
"""

import re
from collections.abc import Iterator
from operator import itemgetter

from tyk_endpoint_stats.core.instants import parse_rfc3339
from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object, text_from_utf8
from tyk_endpoint_stats.core.record import MAX_MILLISECONDS, NO_LATENCY, Latency, Record
from tyk_endpoint_stats.sources.contract import Rejected
from tyk_endpoint_stats.sources.forms.blocks import Block, ByteStream, Mark, read_blocks
from tyk_endpoint_stats.sources.forms.csv_rows import Table, columns_of, quoting_of, read_rows
from tyk_endpoint_stats.sources.forms.csv_texts import text_columns
from tyk_endpoint_stats.sources.forms.dialects import dialect_of, names_of_fields
from tyk_endpoint_stats.sources.forms.json_text import BYTE_ORDER_MARK, JSON_SPACE, is_value
from tyk_endpoint_stats.sources.forms.lines import LineChunk, overlong_chunk
from tyk_endpoint_stats.sources.forms.times import rfc3339_text

__all__ = ["DELIMITERS", "CsvDecoder", "delimiter_of", "first_row", "read_csv"]

DELIMITERS = (",", ";", "\t", "|")
"""A spreadsheet takes a semicolon where the comma is in numbers."""

_SEPARATOR_LINE = b"sep="

_COLUMNS = (
    "path",
    "response_code",
    "api_key",
    "timestamp",
    "api_name",
    "api_id",
    "org_id",
    "oauth_id",
    "request_time",
    "latency.total",
    "latency.upstream",
    "alias",
    "track_path",
    "graphql_stats.IsGraphQL",
    "mcp_stats.is_mcp",
)
_NEEDED = frozenset({"path", "response_code", "timestamp"})
_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False, "": False}
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)


def delimiter_of(header: bytes) -> str | None:
    """What stands between the columns of a header; ``None``: the line is no header of a file of records."""
    if header[:1] in (b"{", b"["):
        return None
    for delimiter in DELIMITERS:
        if names_of_fields(tuple(columns_of(header, delimiter))).keys() >= _NEEDED:
            return delimiter
    return None


def read_csv(stream: ByteStream, begins: Mark, header: bytes, delimiter: str) -> Iterator[Block]:
    """The rows of a stream.

    A last row without its newline is whole once all columns are there, unless the last one, which may still grow,
    is among those that are read.
    """
    names = columns_of(header, delimiter)
    quoting = quoting_of(delimiter)
    last_is_read = bool(names_of_fields(tuple(names[-1:])))
    last_is_text = len(names) - 1 in text_columns(names)

    def is_whole(row: bytes) -> bool:
        if last_is_text:
            texts = quoting.fields_of(text_from_utf8(row)) or [""]
            return len(texts) == len(names) and is_value(texts[-1].strip().encode())
        if last_is_read or row.endswith(b'"'):
            return False
        fields = quoting.fields_of(text_from_utf8(row))
        return fields is not None and len(fields) == len(names)

    lines = read_blocks(stream, begins, lambda line, at: bool(line))
    return read_rows(lines, begins, quoting, is_whole)


def first_row(stream: ByteStream, header: bytes, delimiter: str) -> bytes | None:
    """The first row behind the header but for its last column; ``None`` while there is none."""
    is_behind = False
    for block in read_csv(stream, Mark(), header, delimiter):
        for row in block.lines():
            line = row.removeprefix(BYTE_ORDER_MARK).strip(JSON_SPACE)
            is_behind |= line == header
            if is_behind and line not in (b"", header):
                return quoting_of(delimiter).first_columns(row)
    return None


class CsvDecoder:
    """Decodes blocks of rows.

    Args:
        header: the file's first line.
        delimiter: what stands between its columns.
    """

    def __init__(self, header: bytes, delimiter: str) -> None:
        self._table = Table(header, delimiter)
        names = self._table.names
        self._is_aligned = any(name != name.strip() for name in names)  # as psql prints a table
        chosen = names_of_fields(tuple(names))
        # A column that is not there is the empty text behind the last one.
        self._pick = itemgetter(
            *(names.index(chosen[field]) if field in chosen else len(names) for field in _COLUMNS)
        )
        self._has_latency = dialect_of(tuple(names)).has_latency or "latency.total" in chosen

    def decode(self, block: Block, number: int) -> LineChunk:
        """The chunk of a block.

        Args:
            block: some whole rows.
            number: the number of the first, 0 if not known; the header is row 1.
        """
        if block.overlong:
            return overlong_chunk(block, number)
        records: list[Record] = []
        places: list[int] = []
        repaired: list[int] = []
        rejected: list[Rejected] = []
        chunk = LineChunk([], block=block, number=number, places=places, unit="row")
        for place, (row, at) in enumerate(zip(block.lines(), block.offsets(), strict=True)):
            line = self._table.line_of(row, at)
            if not line or (not at and line.startswith(_SEPARATOR_LINE)):
                continue
            try:
                record, was_mended = self._record(line)
            except MalformedRecord as problem:
                rejected.append(Rejected(chunk.where(place, at), problem.reason, row))
                continue
            if was_mended:
                repaired.append(len(records))
            records.append(record)
            places.append(place)
        chunk.records, chunk.repaired, chunk.rejected = records, repaired, rejected
        return chunk

    def _record(self, line: bytes) -> tuple[Record, bool]:
        try:
            text, was_mended = line.decode(), False
        except UnicodeDecodeError:
            text, was_mended = text_from_utf8(line), True
        fields = self._table.fields_of(text)
        if self._is_aligned:
            fields = [field.strip() for field in fields]
        fields.append("")
        picked = self._pick(fields)
        try:
            record, was_clamped = _record_of(picked)
        except MalformedRecord:
            # A spreadsheet that changed the time has changed more, but that is what can't be mended.
            _check_time(rfc3339_text(picked[3]))
            raise
        if not self._has_latency:
            record.latency = None
        return record, was_mended or was_clamped


def _record_of(picked: tuple[str, ...]) -> tuple[Record, bool]:
    path, code, key, time, name, api, org, client, took, total, upstream, alias, tracked, graphql, mcp = picked
    flag = _flag(tracked, "track_path")
    response_code = _number(code, "response_code")
    request_ms = _number(took, "request_time")
    total_ms = _number(total, "latency.total")
    upstream_ms = _number(upstream, "latency.upstream")
    time = rfc3339_text(time)
    if (
        -(2**31) <= response_code < 2**31
        and 0 <= request_ms <= MAX_MILLISECONDS
        and 0 <= total_ms <= MAX_MILLISECONDS
        and 0 <= upstream_ms <= MAX_MILLISECONDS
        and not graphql
        and not mcp
    ):
        latency = Latency(total_ms, upstream_ms) if total or upstream else NO_LATENCY
        return Record(
            path, response_code, key, time, name, api, org, client, request_ms, latency, alias, flag
        ), False
    return record_from_object(
        {
            "path": path,
            "response_code": response_code,
            "api_key": key,
            "timestamp": time,
            "api_name": name,
            "api_id": api,
            "org_id": org,
            "oauth_id": client,
            "request_time": request_ms,
            "latency": {"total": total_ms, "upstream": upstream_ms},
            "alias": alias,
            "track_path": flag,
            "graphql_stats": {"IsGraphQL": _flag(graphql, "IsGraphQL")},
            "mcp_stats": {"is_mcp": _flag(mcp, "is_mcp")},
        }
    )


def _check_time(text: str) -> None:
    try:
        parse_rfc3339(text)
    except ValueError:
        raise MalformedRecord("timestamp" if text else "no timestamp") from None


def _flag(text: str, name: str) -> bool:
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise MalformedRecord(f"{name} is neither true nor false")
    return flag


def _number(text: str, name: str) -> int:
    """A whole number; Pump writes all of them as unsigned, so -1 is 18446744073709551615."""
    if not text:
        return 0
    if _NUMBER.fullmatch(text) is None:
        raise MalformedRecord(f"{name} is no whole number")
    number = int(text)
    return number - 2**64 if 2**63 <= number < 2**64 else number
