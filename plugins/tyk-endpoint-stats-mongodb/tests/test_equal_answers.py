"""The routes answer from MongoDB as they do from SQLite, byte for byte; and the figures of both, side by side."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb.store import open_mongodb

from tyk_endpoint_stats import Consumer, Kind, open_store
from tyk_endpoint_stats.core.instants import find_zone, to_datetime
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef"
ZONES = ("UTC", "Asia/Kolkata")


def targets(consumers: list[Consumer], first: str, last: str) -> Iterator[str]:
    for consumer in consumers:
        what = "keys" if consumer.kind is Kind.KEY else "oauthid"
        yield f"/api/activity/{what}/endpoint/{quote(consumer.id, safe='')}/{first}/{last}"
        yield f"/api/activity/{what}/endpoint/{quote(consumer.id, safe='')}/{last}/{last}?p=1"


def answers(store: Store, asked: list[str]) -> list[bytes]:
    given = []
    for zone in ZONES:
        settings = Settings(tokens=Tokens([TOKEN]), zone=find_zone(zone))
        for target in asked:
            response = respond(Request("GET", target, {"authorization": TOKEN}), store, settings)
            assert response.status == 200, response.body
            given.append(response.body)
    return given


def compare(tmp_path: Path, servers: dict[str, MongoServer], records: int, consumers: int) -> None:
    traffic = Traffic(records=records, full=False)
    file = tmp_path / "demo.jsonl"
    file.write_bytes(b"".join(traffic.lines()))
    with ExitStack() as opened:
        stores: dict[str, Store] = {"sqlite": opened.enter_context(open_store(f"sqlite:///{tmp_path}/stats.db"))}
        for name, server in servers.items():
            opened.callback(server.drop, "million")
            stores[name] = opened.enter_context(open_mongodb(server.database_url("million")))
        for name, store in stores.items():
            (source,) = open_sources(str(file))
            report = ingest(store, source)
            assert report.counts.read == records
            print(f"{name}: {records / report.seconds:,.0f} records/s, one process")
        busiest = [Consumer(row.kind, row.id) for row in stores["sqlite"].consumers()[:consumers]]
        hits = [hit.at_ns // 1000 for hit in traffic.hits()]
        days = [to_datetime(at_us) for at_us in (min(hits), max(hits))]
        first, last = (f"{day.day}/{day.month}/{day.year}" for day in days)
        asked = list(targets(busiest, first, last))
        given: dict[str, list[bytes]] = {}
        for name, store in stores.items():
            began = time.perf_counter()
            given[name] = answers(store, asked)
            print(f"{name}: {(time.perf_counter() - began) / len(given[name]) * 1000:.2f} ms a question")
        assert sum(map(len, given["sqlite"])) > 100 * len(given["sqlite"])
        for name in servers:
            assert given[name] == given["sqlite"], name
            assert list(stores[name].sources()) == list(stores["sqlite"].sources())


@pytest.fixture
def servers(replica_set: MongoServer, standalone: MongoServer) -> dict[str, MongoServer]:
    return {"replica set": replica_set, "standalone": standalone}


def test_a_few_demo_records_are_answered_alike(tmp_path: Path, servers: dict[str, MongoServer]) -> None:
    compare(tmp_path, servers, records=500, consumers=10)


@pytest.mark.torture
def test_a_million_demo_records_are_answered_alike(tmp_path: Path, servers: dict[str, MongoServer]) -> None:
    compare(tmp_path, servers, records=1_000_000, consumers=200)
