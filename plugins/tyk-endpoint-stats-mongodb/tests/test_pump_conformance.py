"""The reading half of the exam for stores, and the vectors, answered from Pump's aggregates."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from mongo_servers import MongoServer
from pump_aggregates_writer import aggregate_documents, document, put
from pump_writer import PumpDatabase
from test_raw_records import STORES
from tyk_endpoint_stats_mongodb.pump_aggregates import PumpAggregates, open_pump

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.opening import open_readable_store
from tyk_endpoint_stats.testing import Hit, ReadableStoreConformance, plain_hits
from tyk_endpoint_stats.testing.pump import pump_answer
from tyk_endpoint_stats.testing.texts import UGLY_TEXTS
from tyk_endpoint_stats.tyk.endpoint_key import encode_endpoint_key
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

pytestmark = pytest.mark.slow

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


class TestConformance(ReadableStoreConformance):
    """The reading half of the exam for stores."""

    max_examples = 15
    # Pump drops an empty organisation; names of fields hold no NUL, and no part of one is empty; the first colon
    # ends an API's id.
    ugly_texts = tuple(text for text in UGLY_TEXTS if text and not {"\0", ":"} & set(text) and all(text.split(".")))

    @pytest.fixture(autouse=True)
    def _server(self, replica_set: MongoServer) -> Iterator[None]:
        self.server = replica_set
        self.pumps: list[PumpDatabase] = []
        yield
        for pump in self.pumps:
            pump.drop()

    def open_filled(self, place: Path, records: Sequence[Record]) -> PumpAggregates:
        pump = PumpDatabase(self.server)
        self.pumps.append(pump)
        collection = pump.database.create_collection("tyk_analytics_aggregates")
        documents = aggregate_documents(plain_hits(records))
        if documents:
            collection.insert_many(documents)
        return open_pump(pump.url("tyk-pump"))

    def expected(self, hits: Sequence[Hit], selection: Selection) -> dict[Group, EndpointStats] | None:
        answer = pump_answer(hits, selection)
        for stats in (answer or {}).values():
            stats.codes = {code: count for code, count in stats.codes.items() if code >= 400}
            stats.min_latency_all_ms = stats.min_latency_non_error_ms
            stats.min_upstream_latency_all_ms = stats.min_upstream_latency_non_error_ms
            stats.min_latency_non_error_ms = stats.min_upstream_latency_non_error_ms = None
            assert stats.last_hit_us is not None
            stats.last_hit_us = stats.last_hit_us // 1000 * 1000  # dates are milliseconds
        return answer


class TestVectors:
    @pytest.mark.parametrize("case", STORES["pump_store_outputs"], ids=lambda case: case["case"])
    def test_the_routes_answer_with_the_numbers_that_pump_left(
        self, any_pump: PumpDatabase, case: dict[str, Any]
    ) -> None:
        """A row ``broken`` is one that Pump's own reader loses, of an owner with dots: SQL has its numbers."""
        expected = [row for row in case["mongo_map"] if not row.get("broken")] or case["sql"]
        any_pump.database["tyk_analytics_aggregates"].insert_many([vector_document(row) for row in expected])
        with open_readable_store(any_pump.url("tyk-pump")) as store:
            for row in expected:
                check_route(store, row)

    def test_the_real_document(self, any_pump: PumpDatabase) -> None:
        (case,) = (one for one in STORES["pump_store_outputs"] if one["case"] == "seed_oauth_sample")
        real = bytes.fromhex(STORES["mongo_aggregate_document"]["bson_hex"])
        any_pump.database["z_tyk_analyticz_aggregate_5e9d9544a1dcd60001d0ed20"].insert_one(RawBSONDocument(real))
        with open_readable_store(any_pump.url("tyk-pump")) as store:
            for row in case["mongo_map"]:
                check_route(store, row)
            (consumer,) = [one for one in store.consumers() if one.kind == "key"]
            assert (consumer.id, consumer.hits) == ("00000000", 3)
            (_, get) = store.endpoints(Consumer.key("00000000"), date(2020, 10, 13), date(2020, 10, 13))[::-1]
            assert get.api_name == "Test API"
            assert get.stats.codes == {503: 1}


def vector_document(row: dict[str, Any]) -> dict[str, Any]:
    """One of the vectors' rows in the form of Pump's documents, the stale means of the lists beside it."""
    bucket = datetime.fromisoformat(row["bucket"])
    made = document(bucket, row["org_id"])
    key = encode_endpoint_key(Endpoint(row["api_id"], row["path"]))
    other_names = {"error": "errortotal", "last_time": "lasttime"}
    left_out = {*row} & {"org_id", "bucket", "timestamp", "dimension", "dimension_value", "owner", "api_id", "path"}
    fields = {
        other_names.get(name, name.replace("_", "")): value
        for name, value in row.items()
        if name not in left_out and value is not None
    }
    fields["lasttime"] = datetime.fromisoformat(row["last_time"])
    put(made, f"{row['dimension']}.{row['owner']}")[key] = fields | {"requesttime": 0.0, "latency": 0.0}
    return made


def check_route(store: Any, row: dict[str, Any]) -> None:
    kind = {"keyendpoints": "keys", "oauthendpoints": "oauthid"}[row["dimension"]]
    path = f"/api/activity/{kind}/endpoint/{row['owner']}/13/10/2020/13/10/2020"
    settings = Settings(tokens=Tokens([TOKEN]))
    answer = respond(Request("GET", path, {"authorization": TOKEN}), store, settings)
    assert answer.status == 200, answer.body
    (found,) = (one for one in json.loads(answer.body)["data"] if one["id"]["path"] == row["path"])
    assert found["id"]["api_id"] == row["api_id"]
    for name in (
        *("hits", "success", "error", "request_time", "latency", "upstream_latency"),
        *("max_latency", "min_latency", "max_upstream_latency", "min_upstream_latency"),
    ):
        assert found[name] == (row[name] or 0), name  # a minimum that is not there prints as 0
    assert datetime.fromisoformat(found["last_hit"]) == datetime.fromisoformat(row["last_time"])
