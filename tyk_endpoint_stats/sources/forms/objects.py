"""A line that the fast decoder refused, looked at leniently: whatever stands around a record, layer by layer.

Text may have prefixes, an object may hold the record as an object or as text in one of its members, a list may
hold many. A record is known by its names, and so is never looked into: what a caller of an API can write (a path, a
user agent) is not taken for a record. Of what is no record only those members are read as text that programs print
lines into.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import DecodeError, Raw, Struct, json

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.sources.forms.dialects import (
    NATIVE,
    dialect_of,
    is_native,
    is_record,
    names_of_fields,
)
from tyk_endpoint_stats.sources.forms.json_text import decoded, valid_text, values_of
from tyk_endpoint_stats.sources.forms.log_lines import (
    ACTION,
    LOG_LINE,
    TEXT_FORMAT,
    is_log_text,
    is_text_format,
    logfmt_texts,
)
from tyk_endpoint_stats.sources.forms.members import (
    ENCODED_MEMBERS,
    TEXT_MEMBERS,
    from_base64,
    from_numbers,
    plain_member,
)
from tyk_endpoint_stats.sources.forms.native import native_record
from tyk_endpoint_stats.sources.forms.prefixes import without_prefix
from tyk_endpoint_stats.sources.forms.times import rfc3339_text
from tyk_endpoint_stats.sources.forms.typed import plain_members, typed_value

__all__ = ["ENVELOPE_MEMBER", "Found", "look_again"]

ENVELOPE_MEMBER = "tyk-analytics-record"
"""Where Tyk Pump's stdout pump puts the record, unless ``log_field_name`` says otherwise."""

MAX_RECORDS_A_LINE = 20_000
"""Of an array. Tyk writes every field of a record, so 16 MiB hold no more; it bounds what a line costs."""

_MAX_LAYERS = 12
_MAX_ELEMENTS = 2**20
_MAX_MEMBERS = 2**18

_COLOUR = re.compile(rb"\x1b\[[\d;]*[mK]")
_ACTIONS = frozenset({"index", "create", "update", "delete"})
_REPLACEMENT = "\ufffd"
_NO_RECORD = "no timestamp"
_NOT_JSON = "not one JSON value"
_TOO_MANY = "over 20,000 records in one line; write one a line"
_INNER = ("latency", "graphql_stats", "mcp_stats")


class Found(Struct):
    """What one value of a line is: a record, or the reason why it is none.

    Attributes:
        record: the record, ``None`` if it is none.
        repaired: something of it had to be mended.
        skipped: the reason to skip what is no record and no error either.
        malformed: what is wrong with it.
        member: the member of an envelope in which the record stood, ``""``: the record stood alone; ``None``: it
            had more around it, or other names than the gateway's.
        layers: what stood around it, the outermost first, for people.
    """

    record: Record | None = None
    repaired: bool = False
    skipped: str = ""
    malformed: str = ""
    member: str | None = None
    layers: tuple[str, ...] = ()


def look_again(line: bytes, offset: int = 1) -> list[Found]:
    """What is on the line at an offset: nothing (blank), one value, several, or the elements of an array."""
    return _look_at_text(line, offset, ())


def _look_at_text(text: bytes, offset: int, layers: tuple[str, ...]) -> list[Found]:
    data, is_mended = valid_text(text, offset)
    if not data:
        return []
    found = _look_at_valid(data, layers)
    if is_mended:
        # Not what nobody reads: whether it is looked at again at all depends on the lines beside it.
        for one in found:
            one.repaired |= one.record is not None and _REPLACEMENT in _texts(one.record)
    return found


def _look_at_valid(data: bytes, layers: tuple[str, ...]) -> list[Found]:
    reason = _NOT_JSON
    if data[:1] in (b"{", b"["):
        value = decoded(data, Raw)
        if isinstance(value, Raw):
            return _look_at_value(data, layers)
        reason = value
        values = list(values_of(data))
        if len(values) > MAX_RECORDS_A_LINE:
            return [Found(malformed=_TOO_MANY)]
        # Several, or one and the brackets of a list that began before a prefix.
        if values and values[0] != data and data[:1] == b"{" and isinstance(decoded(values[0], Raw), Raw):
            found = [one for each in values if each != b"{}" for one in _look_at_text(each, 1, layers)]
            if any(one.record is not None for one in found):
                return found
    if _COLOUR.search(data):  # in JSON it would be escaped
        return _look_at_text(_COLOUR.sub(b"", data), 1, (*layers, "a terminal's colours"))
    if len(layers) < _MAX_LAYERS and (split := without_prefix(data)) is not None:
        prefix, rest = split
        found = _look_at_text(rest, 1, (*layers, prefix.name))
        if not prefix.json_only or any(one.malformed != _NOT_JSON for one in found):
            return found
    if is_text_format(data):
        return [Found(malformed=TEXT_FORMAT, layers=layers)]
    for name, text in logfmt_texts(data) if len(layers) < _MAX_LAYERS else ():
        plain = plain_member(name)
        if plain in TEXT_MEMBERS and (
            found := _look_at_member_text(_text(text), plain, (*layers, f"logfmt's {name}"))
        ):
            return found
    if is_log_text(data):
        return [Found(skipped=LOG_LINE, layers=layers)]
    if reason == _NOT_JSON and data[:1] not in (b"{", b"["):
        reason = _reason_of_scalar(data)
        if data[:1] == b'"' and reason != _NOT_JSON and len(layers) < _MAX_LAYERS:
            found = _look_at_text(_text(data), 1, (*layers, "a text"))
            if any(one.record is not None for one in found):
                return found
    return [Found(malformed=reason, layers=layers)]


def _reason_of_scalar(data: bytes) -> str:
    value = decoded(data, Raw)
    if isinstance(value, str):
        return value
    return "null" if data == b"null" else "not an object"


def _texts(record: Record) -> str:
    return (
        f"{record.path}{record.api_key}{record.timestamp}{record.api_name}{record.api_id}"
        f"{record.org_id}{record.oauth_id}{record.alias}"
    )


def _look_at_value(data: bytes, layers: tuple[str, ...]) -> list[Found]:
    """What a value is that stands alone: at least one thing, unless it is an empty array."""
    if data[:1] == b"[":
        elements = _elements(data)
        if isinstance(elements, str):
            return [Found(malformed=elements, layers=layers)]
        inner = (*layers, "a list")
        if len(inner) > _MAX_LAYERS:
            return [Found(malformed="nested too deep", layers=layers)]
        return [one for element in elements for one in _look_at_element(bytes(element), inner)]
    return _look_into(data, layers) or [_nothing_in(data, layers)]


def _look_at_element(data: bytes, layers: tuple[str, ...]) -> list[Found]:
    if data[:1] == b'"':
        return _look_at_text(_text(data), 1, layers) or [Found(malformed=_NO_RECORD, layers=layers)]
    if data[:1] in (b"{", b"["):
        return _look_at_value(data, layers)
    return [Found(malformed="null" if data == b"null" else "not an object", layers=layers)]


def _look_into(data: bytes, layers: tuple[str, ...]) -> list[Found]:
    """The records in an object, and what was printed beside them; nothing: there is none in it."""
    record = native_record(data)
    if record is not None:
        return [Found(record, member="", layers=(*layers, NATIVE))]
    members = _members(data)
    if isinstance(members, str):
        return [Found(malformed=members, layers=layers)]
    fields = names_of_fields(tuple(members))
    if ENVELOPE_MEMBER in members and not is_native(fields):
        return _look_at_envelope(members[ENVELOPE_MEMBER], layers)
    if is_record(fields):
        return [_record(members, fields, layers)]
    if len(layers) >= _MAX_LAYERS:
        return []
    groups: list[list[Found]] = []
    for name, value in members.items():
        group = _look_at_member(name, bytes(value), layers)
        # Several members may hold the same: ``message`` and ``event.original``, ``log`` and ``log_processed``.
        if group and not any(_are_equal(group, other) for other in groups):
            groups.append(group)
    found = [one for group in groups for one in group]
    return [one for one in found if not one.skipped] or found[:1]


def _look_at_envelope(value: Raw, layers: tuple[str, ...]) -> list[Found]:
    data = bytes(value)
    inner = (*layers, f"the member {ENVELOPE_MEMBER}")
    if data[:1] == b"{":
        all_found = _inner_records(data, inner)
        for found in all_found:
            is_direct = not layers and found.member == "" and len(found.layers) == len(inner) + 1
            found.member = ENVELOPE_MEMBER if is_direct else None
        return all_found
    if data[:1] == b'"':
        return _look_at_text(_text(data), 1, inner) or [Found(malformed=_NO_RECORD, layers=inner)]
    return [Found(malformed="null" if data == b"null" else "not an object", layers=inner)]


def _inner_records(data: bytes, layers: tuple[str, ...]) -> list[Found]:
    """What Pump put a record into: a record however few its fields are, unless somebody wrapped it once more."""
    members = _members(data)
    if isinstance(members, str):
        return [Found(malformed=members, layers=layers)]
    fields = names_of_fields(tuple(members))
    if len(fields) < 2 or ENVELOPE_MEMBER in members:
        return _look_into(data, layers) or [_record(members, fields, layers)]
    return [_record(members, fields, layers)]


def _look_at_member(name: str, data: bytes, layers: tuple[str, ...]) -> list[Found]:
    first = data[:1]
    inner = (*layers, f"the member {name}")
    if first == b"{":
        found = _look_into(data, inner)
        if not layers and len(found) == 1 and found[0].layers == inner and found[0].member == "":
            found[0].member = name
        return found
    plain = plain_member(name)
    if first == b"[":
        return _look_at_list(data, plain, inner)
    if first == b'"' and plain in TEXT_MEMBERS:
        return _look_at_member_text(_text(data), plain, inner)
    return []


def _look_at_member_text(text: bytes, plain: str, layers: tuple[str, ...]) -> list[Found]:
    if plain in ENCODED_MEMBERS and (opened := from_base64(text)):
        return _look_at_text(opened, 1, (*layers, "base64"))
    found = _look_at_text(text, 1, layers)
    is_any = any(one.record or one.skipped or one.malformed not in (_NOT_JSON, "not an object") for one in found)
    return found if is_any or text.lstrip()[:1] == b"{" else []


def _look_at_list(data: bytes, plain: str, layers: tuple[str, ...]) -> list[Found]:
    elements = _elements(data)
    if elements == _TOO_MANY and data[1:].lstrip()[:1] in (b"{", b'"', b"["):
        return [Found(malformed=_TOO_MANY, layers=layers)]
    if isinstance(elements, str) or not elements or len(layers) >= _MAX_LAYERS:
        return []
    if plain == "message" and (text := from_numbers(data)):  # journald's, where it is no UTF-8
        return _look_at_text(text, 1, layers)
    groups: list[list[Found]] = []
    for element in map(bytes, elements):
        first = element[:1]
        if first == b"{":
            groups.append(_look_into(element, layers))
        elif first == b"[":
            groups.append(_look_at_list(element, plain, (*layers, "a list")))
        elif first == b'"' and plain in TEXT_MEMBERS:
            groups.append(_look_at_member_text(_text(element), plain, layers))
        else:
            groups.append([])
    if not any(groups):
        return []
    if plain in TEXT_MEMBERS and any(bytes(each)[:1] == b'"' for each in elements):
        return [one for group in groups for one in group]  # a time, a line and its labels: Loki's
    return [
        one
        for element, group in zip(elements, groups, strict=True)
        for one in (group or [_nothing_in(bytes(element), layers)])
    ]


def _nothing_in(data: bytes, layers: tuple[str, ...]) -> Found:
    """What an object is in which there is no record."""
    members = _members(data) if data[:1] == b"{" else {}
    if isinstance(members, dict) and len(members) == 1 and not _ACTIONS.isdisjoint(members):
        return Found(skipped=ACTION, layers=layers)
    if (
        isinstance(members, dict)
        and "timestamp" not in members
        and ("level" in members or bytes(members.get("stream", b"")) == b'"stderr"')
    ):
        return Found(skipped=LOG_LINE, layers=layers)
    return Found(malformed=_NO_RECORD, layers=layers)


def _record(members: dict[str, Raw], fields: Mapping[str, str], layers: tuple[str, ...]) -> Found:
    dialect = dialect_of(tuple(members))
    values: dict[str, Any] = {}
    try:
        for field, name in fields.items():
            outer, _, inner = field.partition(".")
            value = _value(members[name], field)
            if inner:
                values.setdefault(outer, {})
                if isinstance(values[outer], dict):
                    values[outer].setdefault(inner, value)
            else:
                values[field] = value
        if values.get("timestamp") in (None, ""):
            raise MalformedRecord(_NO_RECORD)
        values["timestamp"] = rfc3339_text(values["timestamp"])
        record, repaired = record_from_object(values)
    except MalformedRecord as problem:
        return Found(malformed=problem.reason, layers=layers)
    if "latency" not in values and not dialect.has_latency:
        record.latency = None
    is_plain = all(field == name for field, name in fields.items())
    return Found(record, repaired, member="" if is_plain else None, layers=(*layers, dialect.name))


def _value(raw: Raw, field: str) -> Any:
    """The value, ``...`` where it is of no use: out of any range, or an object where none should be."""
    data = bytes(raw)
    if data[:1] == b"{":
        members = _members(data)
        if isinstance(members, str):
            return ...
        if field in _INNER:
            inner = names_of_fields(tuple(f"{field}.{name}" for name in members))
            prefix = f"{field}."
            return {
                each.removeprefix(prefix): _value(members[name.removeprefix(prefix)], each)
                for each, name in inner.items()
            }
        return typed_value(members)
    if data[:1] == b"[":
        # Elasticsearch's ``fields``: a list of one.
        elements = _elements(data)
        if isinstance(elements, str) or len(elements) != 1 or bytes(elements[0])[:1] in (b"[", b"{"):
            return ...
        return _value(elements[0], field)
    try:
        return json.decode(raw)
    except DecodeError:
        return ...


def _members(data: bytes) -> dict[str, Raw] | str:
    # Quotes inside of texts are escaped, so these are the members of all objects; it bounds what they take.
    if data.count(b'":') - data.count(b'\\":') + data.count(b'" :') > _MAX_MEMBERS:
        return "object of too many members"
    members = decoded(data, dict[str, Raw])
    return members if isinstance(members, str) else plain_members(members)


def _elements(data: bytes) -> list[Raw] | str:
    if data.count(b",") > _MAX_ELEMENTS:
        return _TOO_MANY
    elements = decoded(data, list[Raw])
    if not isinstance(elements, str) and len(elements) > MAX_RECORDS_A_LINE:
        return _TOO_MANY
    return elements


def _text(data: bytes) -> bytes:
    text = decoded(data, str)
    return text.encode()


def _are_equal(group: Iterable[Found], other: Iterable[Found]) -> bool:
    return [(one.record, one.malformed, one.skipped) for one in group] == [
        (one.record, one.malformed, one.skipped) for one in other
    ]
