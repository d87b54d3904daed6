"""The exam for sources, taken by Pump's raw collections."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mongo_servers import MongoServer
from msgspec.structs import asdict
from pump_writer import PumpDatabase, object_id, raw_document
from tyk_endpoint_stats_mongodb import raw_source

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.testing import SourceConformance

LONG_AGO = datetime(2026, 5, 5, tzinfo=UTC)


class TestConformance(SourceConformance):
    """The exam for sources, with smaller pages."""

    many = 300

    @pytest.fixture(autouse=True)
    def _server(self, replica_set: MongoServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(raw_source, "DOCUMENTS_A_PAGE", 100)
        self.pumps: dict[str, PumpDatabase] = {}
        self.server = replica_set
        self.count = 0
        yield
        for pump in self.pumps.values():
            pump.drop()

    def pump_of(self, place: Path) -> PumpDatabase:
        if place.name not in self.pumps:
            self.pumps[place.name] = PumpDatabase(self.server)
        return self.pumps[place.name]

    def insert(self, place: Path, documents: list[dict[str, Any]]) -> None:
        for document in documents:
            self.count += 1
            document["_id"] = object_id(LONG_AGO, self.count)
        self.pump_of(place).database.tyk_analytics.insert_many(documents)

    def add_records(self, place: Path, records: Sequence[Record]) -> None:
        self.insert(place, [in_bson(record) for record in records])

    def add_malformed(self, place: Path) -> int:
        self.insert(place, [raw_document(responsecode="OK"), raw_document(timestamp=None)])
        return 2

    def open_source(self, place: Path) -> Source:
        (source,) = open_sources(self.pump_of(place).url("tyk-raw"))
        return source


def in_bson(record: Record) -> dict[str, Any]:
    """A record as a document; with the flags of GraphQL and MCP, which Pump leaves out so far."""
    document = {name.replace("_", ""): value for name, value in asdict(record).items()}
    document["timestamp"] = datetime.fromisoformat(record.timestamp)
    document["latency"] = asdict(record.latency)
    document["graphqlstats"] = {"isgraphql": record.graphql_stats.is_graphql}
    document["mcpstats"] = {"ismcp": record.mcp_stats.is_mcp}
    return document
