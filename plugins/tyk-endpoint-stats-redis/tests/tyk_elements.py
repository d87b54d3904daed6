"""Records as a gateway pushes them, made from their JSON; ``test_vectors`` holds the bytes to Tyk's own."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.demo import Traffic

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"

NAMES = (
    *("Method", "Host", "Path", "RawPath", "ContentLength", "UserAgent", "Day", "Month", "Year", "Hour"),
    *("ResponseCode", "APIKey", "TimeStamp", "APIVersion", "APIName", "APIID", "OrgID", "OauthID", "RequestTime"),
    *("RawRequest", "RawResponse", "IPAddress", "Geo", "Network", "Latency", "Tags", "Alias", "TrackPath"),
    *("ExpireAt", "ApiSchema", "OriginalPath", "ListenPath", "GraphQLStats", "MCPStats", "CollectionName"),
)
_JSON_NAMES = {
    "TimeStamp": "timestamp",
    "ExpireAt": "expireAt",
    "GraphQLStats": "graphql_stats",
    "MCPStats": "mcp_stats",
}
_INNER = {
    "Geo": {"country": "Country", "city": "City", "location": "Location"},
    "Country": {"iso_code": "ISOCode"},
    "City": {"geoname_id": "GeoNameID", "names": "Names"},
    "Location": {"latitude": "Latitude", "longitude": "Longitude", "time_zone": "TimeZone"},
    "Network": {
        "open_connections": "OpenConnections",
        "closed_connections": "ClosedConnection",
        "bytes_in": "BytesIn",
        "bytes_out": "BytesOut",
    },
    "Latency": {"total": "Total", "upstream": "Upstream", "gateway": "Gateway"},
    "MCPStats": {
        "is_mcp": "IsMCP",
        "jsonrpc_method": "JSONRPCMethod",
        "primitive_type": "PrimitiveType",
        "primitive_name": "PrimitiveName",
    },
}
_NUMBERS = ("ContentLength", "Day", "Month", "Year", "Hour", "ResponseCode", "RequestTime", "GeoNameID")
_ZEROS = {
    **dict.fromkeys((*_NUMBERS, *_INNER["Latency"].values(), *_INNER["Network"].values()), 0),
    "TrackPath": False,
    "IsMCP": False,
    "Latitude": 0.0,
    "Longitude": 0.0,
    "Tags": None,
    "Names": None,
}
_GO_ZERO_SECONDS = -62_135_596_800


def go_value(record: dict[str, Any]) -> dict[str, Any]:
    """The struct that Go's msgpack would write: all its members, in its order, under its names."""
    return {name: _member(name, record.get(_json_name(name))) for name in NAMES}


def msgpack_element(record: dict[str, Any]) -> bytes:
    """The bytes of one record in msgpack."""
    value = go_value(record)
    for name in ("Latitude", "Longitude"):
        location = value["Geo"]["Location"]
        location[name] = float(location[name])
    # Maps that stand for structs are written as map16, whatever their size.
    return b"\xde" + len(value).to_bytes(2) + b"".join(_packed(name) + _packed(value[name]) for name in value)


def protobuf_element(record: dict[str, Any]) -> bytes:
    """The bytes of one record in protobuf, of the fields that matter and a few that do not."""
    seconds, nanoseconds = _time(record.get("timestamp", ""))
    latency = record.get("latency") or {}
    flags = (record.get("graphql_stats") or {}).get("IsGraphQL"), (record.get("mcp_stats") or {}).get("is_mcp")
    return b"".join(
        (
            _field(1, record.get("host", "")),
            _field(2, record.get("method", "")),
            _field(3, record.get("path", "")),
            _field(5, record.get("content_length", 0)),
            _field(11, record.get("response_code", 0)),
            _field(12, record.get("api_key", "")),
            _field(13, _field(1, seconds) + _field(2, nanoseconds)),
            _field(15, record.get("api_name", "")),
            _field(16, record.get("api_id", "")),
            _field(17, record.get("org_id", "")),
            _field(18, record.get("request_time", 0)),
            _field(19, _field(1, latency.get("total", 0)) + _field(2, latency.get("upstream", 0))),
            _field(25, "a tag"),
            _field(26, record.get("alias", "")),
            _field(27, int(record.get("track_path", False))),
            _field(29, record.get("oauth_id", "")),
            _field(30, "Local"),
            _field(32, _field(1, int(bool(flags[0])))),
            _field(33, _field(1, int(bool(flags[1])))),
        )
    )


def elements(amount: int) -> list[bytes]:
    """So many records in msgpack, each of which counts."""
    record = {"path": "/a", "api_key": "k", "timestamp": "2026-10-13T10:00:00Z"}
    return [msgpack_element(record | {"path": f"/{number}"}) for number in range(amount)]


def json_object(record: Record) -> dict[str, Any]:
    """The JSON of a record that was made in Python."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    return found


def traffic(records: int, seed: int = 1) -> tuple[list[Record], Iterator[dict[str, Any]]]:
    """So many records of the demo, and the same as JSON objects."""
    made = Traffic(records=records, seed=seed, days=1, full=False)
    return list(made.decoded()), (msgspec.json.decode(line) for line in made.lines())


def _json_name(name: str) -> str:
    return _JSON_NAMES.get(name) or re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=API)(?=[A-Z])|(?<=IP)(?=A)", "_", name).lower()


def _member(name: str, value: Any) -> Any:
    if name in ("TimeStamp", "ExpireAt"):
        return _time(value or "")
    if name in _INNER:
        return {inner: _member(inner, (value or {}).get(key)) for key, inner in _INNER[name].items()}
    if name == "GraphQLStats":
        errors = (value or {}).get("Errors")
        if errors:
            value = value | {"Errors": [{key.title(): each[key] for key in each} for each in errors]}
        empty = {"Variables": "", "RootFields": None, "Types": None, "Errors": None, "OperationType": 0}
        return empty | {"HasErrors": False, "IsGraphQL": False} | (value or {})
    return _ZEROS.get(name, "") if value is None else value


def _time(text: str) -> list[int]:
    if not text:
        return [_GO_ZERO_SECONDS, 0]
    moment = datetime.fromisoformat(text)
    fraction = re.search(r"\.(\d+)", text)
    seconds = (moment.replace(microsecond=0) - datetime.fromisoformat("1970-01-01T00:00:00Z")).total_seconds()
    return [int(seconds), int((fraction[1] if fraction else "0").ljust(9, "0")[:9])]


_packed = msgspec.msgpack.Encoder().encode


def _field(number: int, value: str | bytes | int) -> bytes:
    if not value:
        # proto3 leaves out what is zero or empty; a message that is there and empty is kept.
        return _varint(number << 3 | 2) + b"\0" if value == b"" else b""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value % 2**64)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
