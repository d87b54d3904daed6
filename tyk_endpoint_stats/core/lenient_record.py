"""The second look: what the fast decoder refuses goes once through here, so the good path pays nothing.

The rule: what Go's decoder would have taken for a record is one, text that is not Unicode is mended, durations are
brought into range, and everything else has one of a few fixed reasons.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import structs

from tyk_endpoint_stats.core.record import (
    MAX_MILLISECONDS,
    NO_GRAPHQL,
    NO_LATENCY,
    NO_MCP,
    GraphQLStats,
    Latency,
    MCPStats,
    Record,
)

__all__ = ["MalformedRecord", "mended", "record_from_object", "replace_surrogates", "text_from_utf8"]

_SURROGATE = re.compile("[\ud800-\udfff]")


class MalformedRecord(ValueError):
    """An object is no record.

    Attributes:
        reason: why, in one of a few fixed phrases: stores keep counts by it, so it never holds a value.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def text_from_utf8(data: bytes) -> str:
    """The text of bytes that should be UTF-8, with one U+FFFD for each byte that is not, as Go does."""
    return replace_surrogates(data.decode("utf-8", "surrogateescape"))


def replace_surrogates(text: str) -> str:
    """The text with U+FFFD for each lone surrogate: no encoding, database or driver takes those."""
    return _SURROGATE.sub("\ufffd", text)


def mended(record: Record) -> tuple[Record, bool]:
    """A record made in Python with every value in range, and whether anything had to be mended.

    Constructing a ``Record`` checks nothing; here its values meet the rules that decoded ones have met. An aware
    datetime is taken as its ``timestamp``, too.

    Raises:
        MalformedRecord: a value is of a kind that can't be read as what it should be.
    """
    if not isinstance(record, Record):
        raise MalformedRecord("not a Record")
    if _is_sound(record):
        return record, False
    twin, changed = record_from_object(_members(record))
    if record.latency is None:
        twin.latency = None
    return twin, changed


def _is_sound(record: Record) -> bool:
    latency, graphql_stats, mcp_stats = record.latency, record.graphql_stats, record.mcp_stats
    try:
        # Joined: one addition refuses what is no text, one encoding finds lone surrogates in any of them.
        text = record.path + record.api_key + record.timestamp + record.api_name + record.api_id
        text += record.org_id + record.oauth_id + record.alias
        return (
            (text.isascii() or bool(text.encode()))
            and type(record.response_code) is int
            and -(2**31) <= record.response_code < 2**31
            and type(record.request_time) is int
            and 0 <= record.request_time <= MAX_MILLISECONDS
            and (latency is None or _is_sound_latency(latency))
            and type(record.track_path) is bool
            and type(graphql_stats) is GraphQLStats
            and type(graphql_stats.is_graphql) is bool
            and type(mcp_stats) is MCPStats
            and type(mcp_stats.is_mcp) is bool
        )
    except (TypeError, AttributeError, UnicodeEncodeError):
        return False


def _is_sound_latency(latency: Latency) -> bool:
    return (
        type(latency) is Latency
        and type(latency.total) is int
        and type(latency.upstream) is int
        and 0 <= latency.total <= MAX_MILLISECONDS
        and 0 <= latency.upstream <= MAX_MILLISECONDS
    )


def _members(record: Record) -> dict[str, Any]:
    members = structs.asdict(record)
    for name in ("latency", "mcp_stats"):
        if isinstance(members[name], Latency | MCPStats):
            members[name] = structs.asdict(members[name])
    if isinstance(members["graphql_stats"], GraphQLStats):
        members["graphql_stats"] = {"IsGraphQL": members["graphql_stats"].is_graphql}
    if isinstance(members["timestamp"], datetime):
        members["timestamp"] = members["timestamp"].isoformat()
    return members


def record_from_object(members: Mapping[str, Any]) -> tuple[Record, bool]:
    """The record that an object with Tyk's JSON names stands for, and whether a value had to be mended.

    Absent and ``None`` are zero or empty, as in Go. A whole number may come as a float.

    Raises:
        MalformedRecord: a value is of a kind that can't be read as what it should be.
    """
    mender = _Mender()
    text, milliseconds = mender.text, mender.milliseconds
    latency = _inner(members, "latency")
    graphql_stats = _inner(members, "graphql_stats")
    mcp_stats = _inner(members, "mcp_stats")
    record = Record(
        path=text(members, "path"),
        response_code=_response_code(members.get("response_code")),
        api_key=text(members, "api_key"),
        timestamp=text(members, "timestamp"),
        api_name=text(members, "api_name"),
        api_id=text(members, "api_id"),
        org_id=text(members, "org_id"),
        oauth_id=text(members, "oauth_id"),
        request_time=milliseconds(members, "request_time"),
        latency=Latency(
            milliseconds(latency, "total", "latency.total"), milliseconds(latency, "upstream", "latency.upstream")
        )
        if latency
        else NO_LATENCY,
        alias=text(members, "alias"),
        track_path=_flag(members, "track_path"),
        graphql_stats=GraphQLStats(_flag(graphql_stats, "IsGraphQL")) if graphql_stats else NO_GRAPHQL,
        mcp_stats=MCPStats(_flag(mcp_stats, "is_mcp")) if mcp_stats else NO_MCP,
    )
    return record, mender.repaired


class _Mender:
    """Reads values and remembers whether one had to be mended."""

    def __init__(self) -> None:
        self.repaired = False

    def text(self, members: Mapping[str, Any], name: str) -> str:
        value = members.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise MalformedRecord(f"{name} is no text")
        clean = replace_surrogates(value)
        self.repaired |= clean != value
        return clean

    def milliseconds(self, members: Mapping[str, Any], name: str, label: str = "") -> int:
        value = _whole_number(members.get(name), label or name)
        clamped = min(max(value, 0), MAX_MILLISECONDS)
        self.repaired |= clamped != value
        return clamped


def _whole_number(value: Any, name: str) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    raise MalformedRecord(f"{name} is no whole number")


def _response_code(value: Any) -> int:
    code = _whole_number(value, "response_code")
    if not -(2**31) <= code < 2**31:
        raise MalformedRecord("response_code is out of range")
    return code


def _flag(members: Mapping[str, Any], name: str) -> bool:
    value = members.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise MalformedRecord(f"{name} is neither true nor false")


def _inner(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise MalformedRecord(f"{name} is no object")
