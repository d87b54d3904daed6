"""The forms in which Tyk hands records over: JSON lines, Pump's stdout, Pump's CSV, arrays.

As docs/tyk.md has them, "JSON" and "CSV".
"""

import csv
import io
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

from msgspec import json

from tyk_endpoint_stats.demo.hit import Hit

__all__ = ["CSV_HEADER", "FORMATS", "json_line"]

CSV_HEADER = (
    "Method,Host,Path,RawPath,ContentLength,UserAgent,Day,Month,Year,Hour,ResponseCode,APIKey,TimeStamp,APIVersion,"
    "APIName,APIID,OrgID,OauthID,RequestTime,RawRequest,RawResponse,IPAddress,GeoData.Country.ISOCode,"
    "GeoData.City.GeoNameID,GeoData.City.Names,GeoData.Location.Latitude,GeoData.Location.Longitude,"
    "GeoData.Location.TimeZone,NetworkStats.OpenConnections,NetworkStats.ClosedConnection,NetworkStats.BytesIn,"
    "NetworkStats.BytesOut,Latency.Total,Latency.Upstream,Latency.Gateway,Tags,Alias,TrackPath,ExpireAt,ApiSchema,"
    "OriginalPath,ListenPath"
).split(",")
_LOG_EVERY = 200
_ARRAY = 100
_REQUEST = b64encode(
    b"GET / HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: demo\r\nAccept: */*\r\n\r\n" * 2
).decode()
_RESPONSE = b64encode(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: demo\r\n\r\n{}" * 2).decode()
_MONTHS = ("January February March April May June July August September October November December").split()

_encode = json.Encoder().encode


def json_line(hit: Hit, full: bool) -> bytes:
    """A JSON line with all of Tyk's fields in Tyk's order, or with those alone that are read."""
    return (_full(hit) if full else _lean(hit)) + b"\n"


def _text(value: str) -> str:
    return _encode(value).decode()


def _lean(hit: Hit) -> bytes:
    api = hit.api
    flags = (',"graphql_stats":{"IsGraphQL":true}' if hit.graphql else "") + (
        ',"mcp_stats":{"is_mcp":true}' if hit.mcp else ""
    )
    return (
        f'{{"method":"{hit.method}","path":{_text(hit.path)},"response_code":{hit.code},"api_key":{_text(hit.key)},'
        f'"timestamp":"{_rfc3339(hit)}","api_name":"{api.name}","api_id":"{api.id}","org_id":"{hit.org_id}",'
        f'"oauth_id":"{hit.client}","request_time":{hit.total_ms},"latency":{{"total":{hit.total_ms},'
        f'"upstream":{hit.upstream_ms}}},"alias":{_text(hit.alias)},"track_path":{str(hit.tracked).lower()}{flags}}}'
    ).encode()


def _full(hit: Hit) -> bytes:
    api = hit.api
    path, key = _text(hit.path), _text(hit.key)
    moment = _moment(hit)
    gateway_ms = hit.total_ms - hit.upstream_ms
    return (
        f'{{"method":"{hit.method}","host":"api.example.com","path":{path},"raw_path":{path},"content_length":0,'
        f'"user_agent":"demo/1.0","day":{moment.day},"month":{moment.month},"year":{moment.year},"hour":{moment.hour},'
        f'"response_code":{hit.code},"api_key":{key},"timestamp":"{_rfc3339(hit)}","api_version":"Non Versioned",'
        f'"api_name":"{api.name}","api_id":"{api.id}","org_id":"{hit.org_id}","oauth_id":"{hit.client}",'
        f'"request_time":{hit.total_ms},"raw_request":"{_REQUEST}","raw_response":"{_RESPONSE}",'
        '"ip_address":"192.0.2.7","geo":{"country":{"iso_code":""},"city":{"geoname_id":0,"names":null},'
        '"location":{"latitude":0,"longitude":0,"time_zone":""}},"network":{"open_connections":0,'
        '"closed_connections":0,"bytes_in":0,"bytes_out":0},'
        f'"latency":{{"total":{hit.total_ms},"upstream":{hit.upstream_ms},"gateway":{gateway_ms}}},'
        f'"tags":[{_text("key-" + hit.key)},"org-{hit.org_id}","api-{api.id}"],"alias":{_text(hit.alias)},'
        f'"track_path":{str(hit.tracked).lower()},"expireAt":"{moment.year + 100}-01-01T00:00:00Z","api_schema":"",'
        f'"original_path":{path},"listen_path":"/","graphql_stats":{{"Variables":"","RootFields":null,"Types":null,'
        f'"Errors":null,"OperationType":0,"HasErrors":false,"IsGraphQL":{str(hit.graphql).lower()}}},'
        f'"mcp_stats":{{"is_mcp":{str(hit.mcp).lower()},"jsonrpc_method":"","primitive_type":"",'
        '"primitive_name":""}}'
    ).encode()


def _moment(hit: Hit) -> datetime:
    zone = timezone(timedelta(minutes=hit.offset_minutes)) if hit.offset_minutes else UTC
    return datetime.fromtimestamp(hit.at_ns // 1_000_000_000, zone)


def _rfc3339(hit: Hit) -> str:
    """As Go prints it: nine digits of a second without trailing zeros."""
    text = _moment(hit).isoformat()
    seconds, offset = text[:19], "Z" if not hit.offset_minutes else text[19:]
    fraction = f"{hit.at_ns % 1_000_000_000:09d}".rstrip("0")
    return f"{seconds}.{fraction}{offset}" if fraction else seconds + offset


def _jsonl(hits: Iterable[Hit], full: bool) -> Iterator[bytes]:
    return (json_line(hit, full) for hit in hits)


def _pump_stdout(hits: Iterable[Hit], full: bool) -> Iterator[bytes]:
    """Every record in an envelope, and Pump's own log lines between them."""
    for number, hit in enumerate(hits):
        seconds = datetime.fromtimestamp(hit.at_ns // 1_000_000_000 + 10, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if number % _LOG_EVERY == 0:
            yield (
                f'{{"level":"info","msg":"Purged {min(number, _LOG_EVERY)} records...","prefix":"stdout-pump",'
                f'"time":"{seconds}"}}\n'
            ).encode()
        record = json_line(hit, full)[:-1]
        head = f'{{"level":"info","msg":"","time":"{seconds}","tyk-analytics-record":'
        yield head.encode() + record + b"}\n"


def _pump_csv(hits: Iterable[Hit], full: bool) -> Iterator[bytes]:
    """Pump's CSV: -1 as 2**64 - 1, months by name, Go's own form of a time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    for hit in hits:
        writer.writerow(_csv_row(hit, full))
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _csv_row(hit: Hit, full: bool) -> list[object]:
    moment, api = _moment(hit), hit.api
    fraction = f"{hit.at_ns % 1_000_000_000:09d}".rstrip("0")
    offset = moment.strftime("%z")
    stamp = moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{fraction}" if fraction else "")
    head = [hit.method, "api.example.com", hit.path, hit.path, 2**64 - 1, "demo/1.0", moment.day]
    head += [_MONTHS[moment.month - 1], moment.year, moment.hour, hit.code % 2**64, hit.key]
    head += [f"{stamp} {offset} {'IST' if hit.offset_minutes else 'UTC'}", "Non Versioned", api.name, api.id]
    head += [hit.org_id, hit.client, hit.total_ms, _REQUEST if full else "", _RESPONSE if full else "", "192.0.2.7"]
    geo_and_network: list[object] = ["", 0, "", 0, 0, "", 0, 0, 0, 0]
    tags = ";".join((f"key-{hit.key}", f"org-{hit.org_id}", f"api-{api.id}"))
    tail = [
        hit.total_ms,
        hit.upstream_ms,
        hit.total_ms - hit.upstream_ms,
        tags,
        hit.alias,
        str(hit.tracked).lower(),
    ]
    return [*head, *geo_and_network, *tail, f"{moment.year + 100}-01-01 00:00:00 +0000 UTC", "", hit.path, "/"]


def _arrays(hits: Iterable[Hit], full: bool) -> Iterator[bytes]:
    """Arrays of records, as a hybrid gateway hands them to MDCB, one a line."""
    records = (json_line(hit, full)[:-1] for hit in hits)
    while some := list(islice(records, _ARRAY)):
        yield b"[" + b",".join(some) + b"]\n"


FORMATS: dict[str, Callable[[Iterable[Hit], bool], Iterator[bytes]]] = {
    "jsonl": _jsonl,
    "pump-stdout": _pump_stdout,
    "pump-csv": _pump_csv,
    "arrays": _arrays,
}
"""By name: hits and whether all fields are wanted, to pieces of a file."""
