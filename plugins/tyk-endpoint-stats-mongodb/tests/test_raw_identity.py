"""A collection that was capped or restored is the one that was read; else it is new, or there is a question."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from pump_writer import PumpDatabase, object_id, raw_document
from test_raw_source import hits, read_all
from tyk_endpoint_stats_mongodb import raw_source

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.stores.memory import MemoryStore

pytestmark = pytest.mark.slow

LONG_AGO = datetime(2026, 5, 5, tzinfo=UTC)
LATER = LONG_AGO + timedelta(days=1)


def fill(pump: PumpDatabase, *ids: Any, collection: str = "tyk_analytics") -> None:
    pump.database[collection].insert_many([raw_document(identity) for identity in ids])


def cap(pump: PumpDatabase, size: int = 2**20) -> None:
    """As Tyk's documentation has people do it."""
    before = uuid_of(pump)
    pump.database.command("convertToCapped", "tyk_analytics", size=size)
    assert uuid_of(pump) != before, "the server makes another collection"


def restore(pump: PumpDatabase) -> None:
    """As mongodump and mongorestore do it."""
    documents = list(pump.database.tyk_analytics.find())
    pump.database.tyk_analytics.drop()
    pump.database.tyk_analytics.insert_many(documents)


def uuid_of(pump: PumpDatabase, name: str = "tyk_analytics") -> str:
    (found,) = pump.database.list_collections(filter={"name": name})
    return str(found["info"]["uuid"].as_uuid())


@pytest.mark.parametrize("change", [cap, restore])
def test_the_same_documents_in_another_collection_count_once(any_pump: PumpDatabase, change: Any) -> None:
    """Also what comes afterwards, and when it is done again."""
    with MemoryStore() as store:
        for turn in range(3):
            fill(any_pump, object_id(LONG_AGO, 2 * turn), object_id(LONG_AGO, 2 * turn + 1))
            assert read_all(store, any_pump.url("tyk-raw")).counts.read == 2
            change(any_pump)
            assert read_all(store, any_pump.url("tyk-raw")).counts.read == 0
        assert hits(store) == 6
        assert len(store.sources()) == 2, "the collection, and which one it is"


@pytest.mark.parametrize("change", [cap, restore])
def test_that_a_source_known_by_its_uuid_alone_counts_twice(
    any_pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """The twin."""
    monkeypatch.setattr(raw_source, "source_of", lambda collection, uuid, *rest: f"mongodb:{uuid}")
    fill(any_pump, object_id(LONG_AGO, 0), object_id(LONG_AGO, 1))
    with MemoryStore() as store:
        for _ in range(2):
            assert read_all(store, any_pump.url("tyk-raw")).counts.read == 2
            change(any_pump)


def test_capped_so_small_that_the_first_ones_are_gone(any_pump: PumpDatabase) -> None:
    fill(any_pump, *(object_id(LONG_AGO, number) for number in range(200)))
    with MemoryStore() as store:
        assert read_all(store, any_pump.url("tyk-raw")).counts.read == 200
        cap(any_pump, size=4096)
        assert any_pump.database.tyk_analytics.count_documents({}) < 100
        fill(any_pump, object_id(LATER))
        assert read_all(store, any_pump.url("tyk-raw")).counts.read == 1
        assert hits(store) == 201


def test_a_new_one_of_the_same_name_whose_documents_are_younger_is_new(any_pump: PumpDatabase) -> None:
    with MemoryStore() as store:
        for moment in (LONG_AGO, LATER):
            fill(any_pump, object_id(moment, 0), object_id(moment, 1))
            assert read_all(store, any_pump.url("tyk-raw")).counts.read == 2
            assert read_all(store, any_pump.url("tyk-raw")).counts.read == 0
            any_pump.database.tyk_analytics.drop()


def test_what_can_not_be_told_is_asked(any_pump: PumpDatabase) -> None:
    """Older documents, and not the last one that was read."""
    fill(any_pump, object_id(LONG_AGO, 0), object_id(LATER))
    with MemoryStore() as store:
        read_all(store, any_pump.url("tyk-raw"))
        before = uuid_of(any_pump)
        any_pump.database.tyk_analytics.drop()
        fill(any_pump, object_id(LONG_AGO, 0), object_id(LONG_AGO, 1), object_id(LATER, 7))
        with pytest.raises(SourceError, match=rf"{before}.* Is it the same, capped or restored since\?"):
            read_all(store, any_pump.url("tyk-raw"))
        assert hits(store) == 2
        assert read_all(store, any_pump.url("tyk-raw", continues=before)).counts.read == 1
        with MemoryStore() as other:
            assert read_all(other, any_pump.url("tyk-raw", continues="nothing")).counts.read == 3
            assert read_all(other, any_pump.url("tyk-raw")).counts.read == 0


def test_two_databases_of_one_name_are_asked_about_once(pump: PumpDatabase, standalone: Any) -> None:
    other = PumpDatabase(standalone)
    other.name = pump.name
    fill(pump, object_id(LONG_AGO, 1))
    fill(other, object_id(LONG_AGO, 0))
    try:
        with MemoryStore() as store:
            assert read_all(store, pump.url("tyk-raw")).counts.read == 1
            with pytest.raises(SourceError, match="continues=nothing"):
                read_all(store, other.url("tyk-raw"))
            assert read_all(store, other.url("tyk-raw", continues="nothing")).counts.read == 1
            for one in (pump, other, pump, other):
                assert read_all(store, one.url("tyk-raw")).counts.read == 0
    finally:
        other.drop()


def test_continues_is_said_of_one_collection(pump: PumpDatabase) -> None:
    for name in ("z_tyk_analyticz_a", "z_tyk_analyticz_b"):
        fill(pump, object_id(LONG_AGO), collection=name)
    with MemoryStore() as store, pytest.raises(SourceError, match="say which collection"):
        read_all(store, pump.url("tyk-raw", continues="nothing"))


def test_extended_json_of_a_capped_collection(any_pump: PumpDatabase) -> None:
    """A case of people's: read, capped, written to, read again."""
    document = {
        "_id": {"$oid": "5f855cd00000000000000001"},
        "orgid": "org-1",
        "apiid": "a1b2c3",
        "apikey": "7f3c3ca87376cabe",
        "path": "/orders",
        "responsecode": 200,
        "timestamp": {"$date": "2020-10-13T08:00:00.125Z"},
        "requesttime": 40,
        "latency": {"total": 40, "upstream": 35},
        "trackpath": False,
    }
    with MemoryStore() as store:
        for number in (1, 2, 3):
            document["_id"] = {"$oid": f"5f855cd000000000000000{number:02}"}
            any_pump.database.tyk_analytics.insert_one(bson.json_util.loads(json.dumps(document)))
            assert read_all(store, any_pump.url("tyk-raw", lag_seconds=0)).counts.read == 1
            cap(any_pump)
        assert hits(store) == 3
