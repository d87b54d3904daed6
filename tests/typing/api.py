"""What people write who embed the library: it must type-check under ``mypy --strict``, and is never run."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, assert_type

from tyk_endpoint_stats import (
    Aggregator,
    Consumer,
    ConsumerRow,
    EndpointRow,
    IngestReport,
    Kind,
    Period,
    ReadableStore,
    Record,
    Rows,
    Rules,
    Store,
    TykEndpointStatsError,
    hookimpl,
    open_sources,
    open_store,
    read_records,
)
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.hookspecs import StoreType
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.contract import Pruned, SourceProgress
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens


def ask() -> None:
    with open_store("sqlite:///stats.db") as store:
        assert_type(store, Store)
        assert_type(store.ingest(read_records("analytics.jsonl")), IngestReport)
        rows = store.endpoints(Consumer.key("k"), date(2020, 10, 13), date(2020, 10, 14), zone="Asia/Kolkata")
        assert_type(rows, Rows[EndpointRow])
        for row in rows:
            assert_type(row.latency, int | float | None)
            assert_type(row.last_hit, datetime | None)
            assert_type(row.p95, int | float | None)
            assert_type(row.codes, dict[int, int] | None)
            assert_type(row.to_dict(), dict[str, Any])
            assert_type(row.stats.codes, dict[int, int])
            assert_type(row.stats.latency_percentile_ms(95), float | None)
        assert_type(store.consumers(kind=Kind.OAUTH), Rows[ConsumerRow])
        assert_type(rows.total, EndpointStats)
        assert_type(store.series(datetime(2020, 10, 13, 12), interval="1h", compare="previous")[0].start, datetime)
        assert_type(store.totals(consumer=Consumer.oauth_client("c"), compare=(date.min, date.max)).gone, bool)
        assert_type(Period.of(date(2020, 10, 1)).previous(), Period)


def count() -> Batch:
    aggregator = Aggregator(Rules(tracked_only=True, include=frozenset({"mcp"})))
    aggregator.add([Record(path="/get", api_key="k", timestamp="2020-10-13T10:00:00Z", latency=Latency(5, 4))])
    return aggregator.close()


def read(*names: str) -> None:
    store: ReadableStore = open_store("memory://")
    for name in names:
        assert_type(open_sources(name), Sequence[Source])
    for record in read_records(names):
        assert_type(record, Record)
    store.close()


def serve(store: ReadableStore) -> Response:
    settings = Settings(tokens=Tokens(["0123456789abcdef", Token("0123456789abcdef0", "org")]))
    with make_server(store, settings=settings, port=0) as server:
        server.shutdown()
    return respond(Request("GET", "/health", {}), store, settings)


class MyStore(Store):
    """What a plugin implements, and no more."""

    def merge(self, batch: Batch) -> bool:
        return True

    def position(self, source: str) -> str | None:
        return None

    def sources(self) -> Sequence[SourceProgress]:
        return []

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        return []

    def prune(self, before: Instant) -> Pruned:
        return Pruned()

    def close(self) -> None:
        pass


def open_mine(url: str) -> MyStore:
    if not url:
        raise TykEndpointStatsError("no URL")
    return MyStore()


@hookimpl
def provide_stores() -> list[StoreType]:
    return [StoreType("mine", open_mine, "mine", "mine://")]
