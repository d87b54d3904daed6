"""One line of JSON that the fast decoder refused, looked at leniently: record, log line, array or nothing.

Only members that matter ever become objects, so a hostile line takes memory in proportion to its own length.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from msgspec import DecodeError, Raw, Struct, field, json

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object, text_from_utf8
from tyk_endpoint_stats.core.record import Record

__all__ = ["BYTE_ORDER_MARK", "ENVELOPE_MEMBER", "JSON_SPACE", "LOG_LINE", "Found", "is_complete", "look_again"]

ENVELOPE_MEMBER = "tyk-analytics-record"
"""Where Tyk Pump's stdout pump puts the record, unless ``log_field_name`` says otherwise (docs/tyk.md, "JSON")."""

LOG_LINE = "log"
"""The reason to skip a line of Tyk Pump's own log."""

JSON_SPACE = b" \t\r\n"

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some programs of Windows put it before the first line; it is no part of it."""

MAX_RECORDS_A_LINE = 20_000
"""Of an array. Tyk writes every field of a record, so 16 MiB hold no more; it bounds what a line costs."""

_MAX_ELEMENTS = 2**20
_MAX_COMMAS_OF_AN_ENVELOPE = 2**16

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:[^u]|u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|([dD][89a-fA-F][0-9a-fA-F]{2}))?)",
    re.DOTALL,
)

_ABSENT = Raw(b"")
_REPLACEMENT = "\ufffd"
_T = TypeVar("_T")


class Found(Struct):
    """What one value of a line is: a record, or the reason why it is none.

    Attributes:
        record: the record, ``None`` if it is none.
        repaired: something of it had to be mended.
        skipped: the reason to skip what is no record and no error either.
        malformed: what is wrong with it.
        member: the member of an envelope in which the record stood, ``""``: the record stood alone.
    """

    record: Record | None = None
    repaired: bool = False
    skipped: str = ""
    malformed: str = ""
    member: str = ""


class _Latency(Struct):
    total: Raw = _ABSENT
    upstream: Raw = _ABSENT


class _GraphQLStats(Struct):
    is_graphql: Raw = field(default=_ABSENT, name="IsGraphQL")


class _MCPStats(Struct):
    is_mcp: Raw = _ABSENT


class _Object(Struct):
    """The members that matter, undecoded; the decoder checks the others and drops them."""

    path: Raw = _ABSENT
    response_code: Raw = _ABSENT
    api_key: Raw = _ABSENT
    timestamp: Raw = _ABSENT
    api_name: Raw = _ABSENT
    api_id: Raw = _ABSENT
    org_id: Raw = _ABSENT
    oauth_id: Raw = _ABSENT
    request_time: Raw = _ABSENT
    latency: Raw = _ABSENT
    alias: Raw = _ABSENT
    track_path: Raw = _ABSENT
    graphql_stats: Raw = _ABSENT
    mcp_stats: Raw = _ABSENT
    level: Raw = _ABSENT
    envelope: Raw = field(default=_ABSENT, name=ENVELOPE_MEMBER)


_INNER: Mapping[str, type[Struct]] = {
    "latency": _Latency,
    "graphql_stats": _GraphQLStats,
    "mcp_stats": _MCPStats,
}
_NO_SIGNS = ("level", "envelope", "timestamp", "alias", "track_path")


def look_again(line: bytes, offset: int) -> list[Found]:
    """What is on the line at an offset: nothing (blank), one value, or the elements of an array."""
    data, is_mended = _valid_text(line, offset)
    if not data:
        return []
    found = _look_at_array(data) if data[:1] == b"[" else [_look_at_value(data)]
    if is_mended:
        # Not what nobody reads: whether it is looked at again at all depends on the lines beside it.
        for one in found:
            one.repaired |= one.record is not None and _REPLACEMENT in _texts(one.record)
    return found


def _texts(record: Record) -> str:
    return (
        f"{record.path}{record.api_key}{record.timestamp}{record.api_name}{record.api_id}"
        f"{record.org_id}{record.oauth_id}{record.alias}"
    )


def is_complete(line: bytes, offset: int) -> bool:
    """Whether a line that has no newline yet is whole: an object or an array, of which no beginning is one."""
    data, _ = _valid_text(line, offset)
    return data[:1] in (b"{", b"[") and isinstance(_decoded(data, Raw), Raw)


def _valid_text(line: bytes, offset: int) -> tuple[bytes, bool]:
    """JSON with U+FFFD for bytes that are not UTF-8 and for lone surrogates, and whether there were any."""
    clean = data = (line if offset else line.removeprefix(BYTE_ORDER_MARK)).strip(JSON_SPACE)
    if not data.isascii():
        clean = text_from_utf8(data).encode()
    if _SURROGATE_ESCAPE.search(clean):
        clean = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], clean)
    return clean, clean != data


def _decoded(data: bytes | Raw, kind: type[_T]) -> _T | str:
    """The value, or the reason why there is none."""
    try:
        return json.decode(data, type=kind)
    except RecursionError:
        return "nested too deep"
    except (DecodeError, UnicodeError):
        return "not one JSON value"


def _look_at_array(data: bytes) -> list[Found]:
    if data.count(b",") > _MAX_ELEMENTS:
        return [Found(malformed="array of too many records")]
    elements = _decoded(data, list[Raw])
    if isinstance(elements, str):
        return [Found(malformed=elements)]
    if len(elements) > MAX_RECORDS_A_LINE:
        return [Found(malformed="array of too many records")]
    return [_look_at_value(bytes(element)) for element in elements]


def _look_at_value(data: bytes, *, inside: bool = False) -> Found:
    if data[:1] == b"{":
        found = _decoded(data, _Object)
        if isinstance(found, str):
            return Found(malformed=found)
        return _record(found) if inside else _look_at_object(data, found)
    value = _decoded(data, Raw)
    if isinstance(value, str):
        return Found(malformed=value)
    return Found(malformed="null" if data == b"null" else "not an object")


def _look_at_object(data: bytes, found: _Object) -> Found:
    if found.timestamp is not _ABSENT:
        return _record(found)
    if found.envelope is not _ABSENT:
        return _look_into(found.envelope, ENVELOPE_MEMBER)
    for member, value in _other_members(data):
        return _look_into(value, member)
    if found.level is not _ABSENT:
        return Found(skipped=LOG_LINE)
    return _record(found)


def _look_into(value: Raw, member: str) -> Found:
    found = _look_at_value(bytes(value), inside=True)
    found.member = member
    return found


def _other_members(data: bytes) -> Iterator[tuple[str, Raw]]:
    """The member of an envelope with a name of its own that holds a record, if there is one."""
    if data.count(b",") > _MAX_COMMAS_OF_AN_ENVELOPE:
        return
    members = _decoded(data, dict[str, Raw])
    if isinstance(members, str):
        return
    for name, value in members.items():
        if bytes(value)[:1] == b"{" and isinstance(inner := _decoded(value, _Object), _Object):
            signs = [sign for sign in inner.__struct_fields__ if getattr(inner, sign) is not _ABSENT]
            if "timestamp" in signs and len(set(signs).difference(_NO_SIGNS)) >= 2:
                yield name, value


def _record(found: _Object) -> Found:
    try:
        record, repaired = record_from_object(_members(found))
    except MalformedRecord as problem:
        return Found(malformed=problem.reason)
    return Found(record, repaired)


def _members(found: Struct) -> dict[str, Any]:
    members = {}
    for name, json_name in zip(found.__struct_fields__, found.__struct_encode_fields__, strict=True):
        value = getattr(found, name)
        if value is not _ABSENT:
            members[json_name] = _value(value, _INNER.get(name))
    return members


def _value(raw: Raw, kind: type[Struct] | None) -> Any:
    """The value, ``...`` where it is of no use: out of any range, or an object where none should be."""
    if bytes(raw)[:1] in (b"{", b"["):
        inner = _decoded(raw, kind) if kind else ...
        return _members(inner) if isinstance(inner, Struct) else ...
    try:
        return json.decode(raw)
    except DecodeError:
        return ...
