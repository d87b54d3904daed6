"""Aggregate documents as Tyk Pump leaves them, one record a flush: for tests of reading them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Int64
from pump_writer import PumpDatabase

from tyk_endpoint_stats.core.batch import EVERYONE, Endpoint, Kind
from tyk_endpoint_stats.testing import Hit
from tyk_endpoint_stats.testing.pump import HOUR_US, in_pumps_order
from tyk_endpoint_stats.tyk.endpoint_key import encode_endpoint_key

__all__ = ["KEY", "MOMENT", "ORG_1", "ORG_2", "aggregate_documents", "counter", "document", "fill", "put", "used"]

SECTIONS = {Kind.KEY: "keyendpoints", Kind.OAUTH: "oauthendpoints"}
MOMENT = datetime(2026, 5, 5, 12, tzinfo=UTC)
ORG_1, ORG_2 = (f"z_tyk_analyticz_aggregate_org-{number}" for number in (1, 2))
KEY = encode_endpoint_key(Endpoint("api-1", "/get"))

Document = dict[str, Any]


def aggregate_documents(hits: Iterable[Hit]) -> list[Document]:
    """The documents of some hits, one for each organisation and hour."""
    documents: dict[tuple[str, int], Document] = {}
    for hit in in_pumps_order(hits):
        hour_us = hit.at_us // HOUR_US * HOUR_US
        found = documents.setdefault((hit.org_id, hour_us), document(_datetime(hour_us), hit.org_id))
        if hit.kind == EVERYONE:
            key = f"{hit.api_id}:v{hit.at_us % 2}:{hit.path}".encode().hex()
            _count(put(found, f"apiendpoints.{key}"), hit, hit.path)
            if hit.api_id:
                _count(put(found, f"apiid.{hit.api_id}"), hit, hit.api_name)
            _count(found["total"], hit, "")
            continue
        key = encode_endpoint_key(Endpoint(hit.api_id, hit.path))
        _count(put(found, f"{SECTIONS[Kind(hit.kind)]}.{hit.consumer_id}.{key}"), hit, key)
        if hit.kind == Kind.KEY:
            _count(put(found, f"apikeys.{hit.consumer_id}"), hit, hit.alias)
    return list(documents.values())


def document(moment: datetime = MOMENT, org_id: str = "org-1", **parts: Any) -> Document:
    """A document in which nothing is counted yet, but for copies that nobody may read."""
    copies = {"keyendpoints": {"k1": [counter(hits=10**6)]}, "oauthendpoints": {}}
    return {"orgid": org_id, "timestamp": moment, "lasttime": moment, "total": {}, "lists": copies} | parts


def counter(**fields: Any) -> Document:
    """A counter; the means in it are wrong, and nobody may read them."""
    return {"hits": 1, "success": 1, "errortotal": 0, "requesttime": 12345.0, "latency": 12345.0} | fields


def put(of: Document, dotted: str) -> Document:
    """What ``$set`` of a dotted name makes: a level for each dot. The innermost one is given back."""
    for name in dotted.split("."):
        of = of.setdefault(name, {})
    return of


def _count(into: Document, hit: Hit, name: str) -> None:
    if "hits" not in into:
        into.update(counter(hits=0, success=0, totalrequesttime=0.0, totallatency=Int64(0), errormap={}))
        into.update(totalupstreamlatency=Int64(0), maxlatency=Int64(0), maxupstreamlatency=Int64(0))
        into.update(humanidentifier="", errorlist=[])
    into["hits"] += 1
    into["success"] += 200 <= hit.code < 300
    into["errortotal"] += hit.code >= 400
    into["totalrequesttime"] += hit.request_time_ms
    latency_ms, upstream_ms = hit.latency_ms or 0, hit.upstream_latency_ms or 0
    into["totallatency"] = Int64(into["totallatency"] + latency_ms)
    into["totalupstreamlatency"] = Int64(into["totalupstreamlatency"] + upstream_ms)
    into["maxlatency"] = max(into["maxlatency"], latency_ms)
    into["maxupstreamlatency"] = max(into["maxupstreamlatency"], upstream_ms)
    if hit.code < 400:
        into["minlatency"] = min(into.get("minlatency", latency_ms), latency_ms)
        into["minupstreamlatency"] = min(into.get("minupstreamlatency", upstream_ms), upstream_ms)
    else:
        into["errormap"][str(hit.code)] = into["errormap"].get(str(hit.code), 0) + 1
    into["lasttime"] = _datetime(hit.at_us)
    into["humanidentifier"] = name or into["humanidentifier"]


def _datetime(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def fill(pump: PumpDatabase, *documents: dict[str, Any], collection: str = ORG_1) -> PumpDatabase:
    pump.database[collection].insert_many(documents)
    return pump


def used(owner: str = "k1", hits: int = 1, moment: datetime = MOMENT, **fields: Any) -> dict[str, Any]:
    """A document in which one key called one endpoint."""
    made = document(moment)
    put(made, f"keyendpoints.{owner}")[KEY] = counter(hits=hits, lasttime=moment, **fields)
    return made
