"""Documents of Tyk Pump's raw collections as records: a pure function of bytes.

A page of documents is decoded in one sweep of C. Only a page that has something odd in it is looked at document by
document. Pump keeps a string as the bytes it got, so what is no UTF-8 is met here, and one such string would
otherwise abort the whole reply.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from msgspec import Struct, ValidationError, convert, field

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object
from tyk_endpoint_stats.core.record import (
    NO_LATENCY,
    GraphQLStats,
    Latency,
    MCPStats,
    Milliseconds,
    Record,
    ResponseCode,
)
from tyk_endpoint_stats.sources.contract import Chunk, Rejected

__all__ = ["ID_BYTES", "PROJECTION", "DocumentsChunk", "decode_documents", "id_of", "split"]

ID_BYTES = 12
_ID_BEGINS = b"\x07_id\x00"
_LENGTH_BYTES = 4
_UNDECODABLE = (BSONError, ValueError, OverflowError, RecursionError)

_STRICT: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
# Surrogates instead of U+FFFD at once: so it is one for each bad byte, as in Go, and known to be mended.
_LENIENT = _STRICT.with_options(unicode_decode_error_handler="surrogateescape")
_FOR_PEOPLE = _STRICT.with_options(unicode_decode_error_handler="replace")


def _in_bson(name: str) -> str:
    """The name that Go's driver makes of a field's."""
    return name.replace("_", "")


class _GraphQLStats(GraphQLStats, frozen=True, gc=False):
    is_graphql: bool = field(default=False, name="isgraphql")


class _MCPStats(MCPStats, frozen=True, gc=False):
    is_mcp: bool = field(default=False, name="ismcp")


class _RawRecord(Struct, rename=_in_bson, gc=False):
    """``Record`` under the names it has in BSON. Pump leaves GraphQL and MCP out so far."""

    path: str = ""
    response_code: ResponseCode = 0
    api_key: str = ""
    timestamp: Any = ""
    api_name: str = ""
    api_id: str = ""
    org_id: str = ""
    oauth_id: str = ""
    request_time: Milliseconds = 0
    latency: Latency = NO_LATENCY
    alias: str = ""
    track_path: bool = False
    graphql_stats: _GraphQLStats = _GraphQLStats()
    mcp_stats: _MCPStats = _MCPStats()


_NAMES = dict(zip(_RawRecord.__struct_encode_fields__, _RawRecord.__struct_fields__, strict=True))

PROJECTION = dict.fromkeys(("_id", *_NAMES), 1)
"""All that has to leave the server: requests and responses stay there."""


class DocumentsChunk(Chunk, kw_only=True):
    """A chunk that knows its documents.

    Attributes:
        page: the documents, one behind the other.
        numbers: which of them each record is; ``None``: the one of its own index.
    """

    page: bytes
    numbers: Sequence[int] | None = None
    _documents: list[bytes] | None = None

    def locate(self, index: int) -> Rejected:
        """The ``_id`` of ``records[index]``, and what of its document is read."""
        if self._documents is None:
            self._documents = list(split(self.page))
        return _rejected(self._documents[index if self.numbers is None else self.numbers[index]], "")


def decode_documents(page: bytes) -> DocumentsChunk:
    """The chunk of a page: every document is a record or rejected, whatever is in it.

    Args:
        page: BSON documents, one behind the other, as a server sends them.
    """
    chunk = DocumentsChunk((), page=page, size=len(page), instant_of=instant_of)
    try:
        chunk.records = convert(bson.decode_all(page, _STRICT), list[_RawRecord])
    except (ValidationError, *_UNDECODABLE):
        _look_at_each(chunk)
    return chunk


def instant_of(timestamp: Any) -> datetime:
    """The instant of a record's ``timestamp``: a date, or text where it is not Pump who wrote it."""
    if type(timestamp) is datetime:
        return timestamp.replace(tzinfo=UTC)  # Python's own UTC: the aggregator needs not convert it
    return datetime.fromisoformat(timestamp)


def id_of(document: bytes) -> bytes | None:
    """The ``ObjectId`` of a document; servers send it first. ``None``: it has none."""
    begins = _LENGTH_BYTES + len(_ID_BEGINS)
    return document[begins : begins + ID_BYTES] if document[_LENGTH_BYTES:begins] == _ID_BEGINS else None


def split(page: bytes) -> Iterator[bytes]:
    """The documents of a page. What no length fits is one document more, which can't be decoded."""
    offset = 0
    while offset < len(page):
        length = int.from_bytes(page[offset : offset + _LENGTH_BYTES], "little", signed=True)
        ends = offset + length if _LENGTH_BYTES < length <= len(page) - offset else len(page)
        yield page[offset:ends]
        offset = ends


def _look_at_each(chunk: DocumentsChunk) -> None:
    """Decode the documents of a chunk in which not all is well."""
    records: list[Record] = []
    numbers: list[int] = []
    repaired: list[int] = []
    rejected: list[Rejected] = []
    for number, document in enumerate(split(chunk.page)):
        try:
            record, changed = _look_again(document)
        except MalformedRecord as problem:
            rejected.append(_rejected(document, problem.reason))
            continue
        if changed:
            repaired.append(len(records))
        records.append(record)
        numbers.append(number)
    chunk.records, chunk.numbers, chunk.repaired, chunk.rejected = records, numbers, repaired, rejected


def _look_again(document: bytes) -> tuple[Record, bool]:
    try:
        found = bson.decode(document, _LENIENT)
    except _UNDECODABLE as problem:
        raise MalformedRecord("no BSON document") from problem
    members = {name: found.get(name_in_bson) for name_in_bson, name in _NAMES.items()}
    for name, flag in (("graphql_stats", "IsGraphQL"), ("mcp_stats", "is_mcp")):
        if isinstance(members[name], dict):
            members[name] = {flag: members[name].get(_in_bson(flag.lower()))}
    timestamp = members.pop("timestamp")
    record, changed = record_from_object(members)
    record.timestamp = "" if timestamp is None else timestamp
    return record, changed


def _rejected(document: bytes, reason: str) -> Rejected:
    identity = id_of(document)
    where = f"_id {identity.hex()}" if identity else "a document without an ObjectId"
    try:
        raw = json_util.dumps(bson.decode(document, _FOR_PEOPLE)).encode("utf-8", "replace")
    except (TypeError, AttributeError, *_UNDECODABLE):
        raw = document.hex().encode()
    return Rejected(where, reason, raw)
