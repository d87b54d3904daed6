"""Records in msgpack, the gateway's default: one map with Go's names an element (docs/tyk.md, "msgpack")."""

from typing import Any

import msgpack
from msgspec import field
from msgspec.msgpack import Decoder, Ext

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, record_from_object
from tyk_endpoint_stats.core.record import GraphQLStats, Latency, MCPStats, Milliseconds, Record, ResponseCode

__all__ = ["decode", "look_again"]

_NO_TIME = ()
_NOT_ONE_VALUE = "not one msgpack value"


class _Latency(Latency, frozen=True, gc=False):
    total: Milliseconds = field(default=0, name="Total")
    upstream: Milliseconds = field(default=0, name="Upstream")


class _MCPStats(MCPStats, frozen=True, gc=False):
    is_mcp: bool = field(default=False, name="IsMCP")


class _Record(Record, gc=False):
    """With Go's names, in the order in which Go writes them."""

    path: str = field(default="", name="Path")
    response_code: ResponseCode = field(default=0, name="ResponseCode")
    api_key: str = field(default="", name="APIKey")
    timestamp: tuple[int, int] | Ext = field(default=_NO_TIME, name="TimeStamp")  # type: ignore[assignment]
    api_name: str = field(default="", name="APIName")
    api_id: str = field(default="", name="APIID")
    org_id: str = field(default="", name="OrgID")
    oauth_id: str = field(default="", name="OauthID")
    request_time: Milliseconds = field(default=0, name="RequestTime")
    latency: _Latency = field(default=_Latency(), name="Latency")
    alias: str = field(default="", name="Alias")
    track_path: bool = field(default=False, name="TrackPath")
    graphql_stats: GraphQLStats = field(default=GraphQLStats(), name="GraphQLStats")
    mcp_stats: _MCPStats = field(default=_MCPStats(), name="MCPStats")


decode = Decoder(_Record).decode
"""The record of one element, quickly; raises ``DecodeError``, ``UnicodeDecodeError`` or ``RecursionError``."""

_GO_NAMES = {
    "Path": "path",
    "ResponseCode": "response_code",
    "APIKey": "api_key",
    "APIName": "api_name",
    "APIID": "api_id",
    "OrgID": "org_id",
    "OauthID": "oauth_id",
    "RequestTime": "request_time",
    "Alias": "alias",
    "TrackPath": "track_path",
}
_INNER = {
    "Latency": ("latency", {"Total": "total", "Upstream": "upstream"}),
    "GraphQLStats": ("graphql_stats", {"IsGraphQL": "IsGraphQL"}),
    "MCPStats": ("mcp_stats", {"IsMCP": "is_mcp"}),
}
_ORDER = {
    "": (
        *("Method", "Host", "Path", "RawPath", "ContentLength", "UserAgent", "Day", "Month", "Year", "Hour"),
        *("ResponseCode", "APIKey", "TimeStamp", "APIVersion", "APIName", "APIID", "OrgID", "OauthID"),
        *("RequestTime", "RawRequest", "RawResponse", "IPAddress", "Geo", "Network", "Latency", "Tags", "Alias"),
        *("TrackPath", "ExpireAt", "ApiSchema", "OriginalPath", "ListenPath", "GraphQLStats", "MCPStats"),
    ),
    "Latency": ("Total", "Upstream", "Gateway"),
    "GraphQLStats": ("Variables", "RootFields", "Types", "Errors", "OperationType", "HasErrors", "IsGraphQL"),
    "MCPStats": ("IsMCP", "JSONRPCMethod", "PrimitiveType", "PrimitiveName"),
}
"""Some writers make arrays of structs: these are their members, in Go's order."""


def look_again(data: bytes) -> tuple[Record, bool]:
    """The record of an element that ``decode`` refused, and whether a value had to be mended.

    What Go's decoder takes for a record is one: bytes for text, nil for anything, structs as arrays. Only a tail,
    which it would not even notice, is refused: such bytes were not written by one gateway.

    Raises:
        MalformedRecord: it is none.
    """
    value = _unpacked(data)
    if value is None:
        raise MalformedRecord("null")
    if not isinstance(value, dict | list):
        raise MalformedRecord("not an object")
    named = _named(value, "")
    members = {json_name: _text(named[name]) for name, json_name in _GO_NAMES.items() if name in named}
    for name, (json_name, inner_names) in _INNER.items():
        inner = named.get(name)
        if isinstance(inner, dict | list):
            found = _named(inner, name)
            inner = {inner_names[key]: found[key] for key in inner_names if key in found}
        members[json_name] = inner
    record, repaired = record_from_object(members)
    record.timestamp = _time(named.get("TimeStamp"))
    return record, repaired


def _unpacked(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape", strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
        raise MalformedRecord(_NOT_ONE_VALUE) from problem


def _named(value: dict[Any, Any] | list[Any], struct: str) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(zip(_ORDER[struct], value, strict=False))


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _time(value: Any) -> Any:
    """What ``instant_of`` takes; ``""`` for none."""
    if value is None:
        return ""
    if isinstance(value, msgpack.Timestamp):
        return value.seconds, value.nanoseconds
    if isinstance(value, list) and len(value) == 2 and all(type(part) is int for part in value):
        return value[0], value[1]
    raise MalformedRecord("timestamp is no time")
