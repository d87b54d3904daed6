"""Tyk Pump's CSV into records (docs/tyk.md, "CSV"; tyk-pump ``pumps/csv.go``).

Columns go by the names of the header, so files of older Pumps, which have fewer, are read too. There is no column
for GraphQL and MCP: such hits can't be told apart, and count.
"""

import re
from collections.abc import Iterator
from operator import itemgetter

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object, text_from_utf8
from tyk_endpoint_stats.core.record import MAX_MILLISECONDS, Latency, Record
from tyk_endpoint_stats.sources.blocks import Block, ByteStream, read_blocks
from tyk_endpoint_stats.sources.contract import Rejected
from tyk_endpoint_stats.sources.csv_rows import fields_of, first_columns, read_rows
from tyk_endpoint_stats.sources.jsonl import LineChunk, overlong_chunk
from tyk_endpoint_stats.sources.lenient_json import BYTE_ORDER_MARK, JSON_SPACE

__all__ = ["CsvDecoder", "first_row", "is_header", "read_csv", "rfc3339_from_go"]

_COLUMNS = (
    "Path",
    "ResponseCode",
    "APIKey",
    "TimeStamp",
    "APIName",
    "APIID",
    "OrgID",
    "OauthID",
    "RequestTime",
    "Latency.Total",
    "Latency.Upstream",
    "Alias",
    "TrackPath",
)
_NEEDED = frozenset({"Path", "ResponseCode", "TimeStamp"})
_FLAGS = {"true": True, "false": False, "": False}
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)
_GO_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) ([+-]\d\d)(\d\d)(?: .*)?", re.ASCII)


def is_header(line: bytes) -> bool:
    """Whether a line is the header of such a file."""
    return line[:1] not in (b"{", b"[") and set(_names(line)) >= _NEEDED


def read_csv(stream: ByteStream, offset: int, before: bytes, header: bytes) -> Iterator[Block]:
    """The rows of a stream from an offset on; ``before`` are the last bytes before it.

    A last row without its newline is whole once all columns are there, unless the last one, which may still grow,
    is among those that are read.
    """
    names = _names(header)

    def is_whole(row: bytes) -> bool:
        if names[-1] in _COLUMNS or row.endswith(b'"'):
            return False
        fields = fields_of(text_from_utf8(row))
        return fields is not None and len(fields) == len(names)

    lines = read_blocks(stream, offset, before, lambda line, at: bool(line))
    return read_rows(lines, offset, before, is_whole)


def first_row(stream: ByteStream, header: bytes) -> bytes | None:
    """The first row behind the header but for its last column; ``None`` while there is none."""
    for block in read_csv(stream, 0, b"", header):
        for row in block.lines():
            if row.removeprefix(BYTE_ORDER_MARK).strip(JSON_SPACE) not in (b"", header):
                return first_columns(row)
    return None


def rfc3339_from_go(text: str) -> str:
    """RFC 3339 for what Go's ``Time.String`` prints; any other text as it is.

    The numeric offset counts: what follows it is a zone's abbreviation, or the offset once more.
    """
    match = _GO_TIME.fullmatch(text)
    if match is None:
        return text
    day, time, hours, minutes = match.groups()
    return f"{day}T{time}Z" if hours == "+00" and minutes == "00" else f"{day}T{time}{hours}:{minutes}"


class CsvDecoder:
    """Decodes blocks of rows.

    Args:
        header: the file's first line.
    """

    def __init__(self, header: bytes) -> None:
        self._header = header
        names = _names(header)
        self._width = len(names)
        # A column that is not there is the empty text behind the last one.
        self._pick = itemgetter(*(names.index(name) if name in names else self._width for name in _COLUMNS))

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
        offset = block.offset
        for place, row in enumerate(block.lines()):
            at, offset = offset, offset + len(row)
            line = (row if at else row.removeprefix(BYTE_ORDER_MARK)).rstrip(b"\r\n")
            if line.strip(JSON_SPACE) in (b"", self._header):  # in the middle where files were put together
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
        fields = fields_of(text)
        if fields is None:
            raise MalformedRecord("quotes that are wrong in CSV")
        if len(fields) != self._width:
            raise MalformedRecord("not as many columns as the header")
        fields.append("")
        path, code, key, time, name, api, org, client, took, total, upstream, alias, tracked = self._pick(fields)
        flag = _FLAGS.get(tracked)
        if flag is None:
            raise MalformedRecord("track_path is neither true nor false")
        response_code = _number(code, "response_code")
        request_ms = _number(took, "request_time")
        total_ms = _number(total, "latency.total")
        upstream_ms = _number(upstream, "latency.upstream")
        time = rfc3339_from_go(time)
        if (
            -(2**31) <= response_code < 2**31
            and 0 <= request_ms <= MAX_MILLISECONDS
            and 0 <= total_ms <= MAX_MILLISECONDS
            and 0 <= upstream_ms <= MAX_MILLISECONDS
        ):
            latency = Latency(total_ms, upstream_ms)
            return (
                Record(path, response_code, key, time, name, api, org, client, request_ms, latency, alias, flag),
                was_mended,
            )
        record, was_clamped = record_from_object(
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
            }
        )
        return record, was_mended or was_clamped


def _names(header: bytes) -> list[str]:
    return fields_of(text_from_utf8(header)) or [""]


def _number(text: str, name: str) -> int:
    """A whole number; Pump writes all of them as unsigned, so -1 is 18446744073709551615."""
    if not text:
        return 0
    if _NUMBER.fullmatch(text) is None:
        raise MalformedRecord(f"{name} is no whole number")
    number = int(text)
    return number - 2**64 if 2**63 <= number < 2**64 else number
