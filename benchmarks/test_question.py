"""How fast is an answer, by range and zone; in process and over HTTP?"""

from datetime import timedelta
from http.client import HTTPConnection
from threading import Thread

import pytest

from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.demo.traffic import DEFAULT_UNTIL
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

TOKEN = "0123456789abcdef0123"


@pytest.mark.benchmark(group="busiest key, from SQLite")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_question(benchmark, busy_store, zone):
    store, consumer, days = busy_store
    first = DEFAULT_UNTIL - timedelta(days=days - 1)
    rows = benchmark(store.endpoints, consumer, first, DEFAULT_UNTIL, zone=zone, distributions=False)
    everything = next(row for row in store.consumers() if row.id == consumer.id)
    hits = sum(row.hits for row in rows)
    assert len(rows) > 50
    # A late record or two fall before the first day; a zone moves its edges by hours.
    assert everything.hits * 0.95 < hits <= everything.hits


@pytest.mark.benchmark(group="busiest key, over HTTP, keep-alive")
def test_over_http(benchmark, busy_store):
    store, consumer, days = busy_store
    first = DEFAULT_UNTIL - timedelta(days=days - 1)
    days_asked = "/".join(f"{day.day}/{day.month}/{day.year}" for day in (first, DEFAULT_UNTIL))
    target = f"/api/activity/keys/endpoint/{consumer.id}/{days_asked}"
    settings = Settings(tokens=Tokens([TOKEN]), zone=find_zone("UTC"))
    with make_server(store, settings=settings, port=0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        connection = HTTPConnection(*server.server_address[:2], timeout=10)

        def ask() -> bytes:
            connection.request("GET", target, headers={"authorization": TOKEN})
            return connection.getresponse().read()

        body = benchmark(ask)
        connection.close()
        server.shutdown()
        thread.join()
    assert body.count(b'"hits":') > 50
