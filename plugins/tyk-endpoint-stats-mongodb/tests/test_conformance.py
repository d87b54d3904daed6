"""The exam for stores, on both kinds of server."""

from pathlib import Path
from typing import Any

import pymongo
import pytest
from mongo_servers import MongoServer
from pymongo.collection import Collection
from tyk_endpoint_stats_mongodb.store import MongoStore, ReplicaSetStore, StandaloneStore, open_mongodb

from tyk_endpoint_stats.testing import (
    CopyableConformance,
    Damage,
    DurableStoreConformance,
    InspectableConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY

OF_K1 = {"_id.of": "endpoint of consumer", "_id.consumer": "k1"}
ONE = OF_K1 | {"_id.day": FIRST_DAY, "_id.path": "/get"}


def plant(rows: Collection[Any], damage: Damage) -> None:
    """Damage the rows of a store, and what lies beside them."""
    match damage:
        case Damage.CHANGED_ROW:
            rows.update_one(ONE, {"$inc": {"hits": 1}})
        case Damage.LOST_ROW:
            rows.delete_one(ONE)
        case Damage.LOST_TOTAL:
            rows.delete_many({"_id.of": "consumer", "_id.consumer": "k1"})
        case Damage.LESS_OF_EVERYONE:
            rows.update_one({"_id.of": "endpoint", "_id.path": "/get"}, {"$set": {"hits": 0}})
        case Damage.LOST_QUARTER_HOURS:
            rows.update_many(OF_K1, {"$set": {"quarter_hours": []}})
        case Damage.IMPOSSIBLE_STATE:
            rows.update_one(ONE, [{"$set": {"last_hit_us": {"$subtract": ["$first_hit_us", 1]}}}])
        case Damage.LOST_ROWS:
            rows.delete_many({})
        case Damage.UNACCOUNTED:
            rows.database["endpoint_stats.sources"].update_one({}, {"$inc": {"counted": -1}})
        case Damage.UNREADABLE:
            rows.update_one(ONE, {"$set": {"distribution.0": b"\x09"}})
        case Damage.NO_KIND:
            (row,) = rows.find(ONE)
            rows.delete_one(ONE)
            rows.insert_one(row | {"_id": row["_id"] | {"kind": "lamp"}})


class MongoExam(CopyableConformance, DurableStoreConformance, InspectableConformance, RetainingConformance):
    max_examples = 8
    server: MongoServer

    def open_store(self, place: Path) -> MongoStore:
        return open_mongodb(self.server.database_url(place.name))

    def plant(self, place: Path, damage: Damage) -> None:
        with pymongo.MongoClient[Any](self.server.url) as client:
            plant(client[place.name]["endpoint_stats.day_rows"], damage)

    def remove_store(self, place: Path) -> None:
        self.server.drop(place.name)


class TestReplicaSet(MongoExam, VersionedConformance, WholeBatchReadsConformance):
    @pytest.fixture(autouse=True)
    def _server(self, replica_set: MongoServer) -> None:
        self.server = replica_set

    def test_it_is_the_store_of_a_replica_set(self, tmp_path: Path) -> None:
        with self.open_store(tmp_path) as store:
            assert isinstance(store, ReplicaSetStore)


class TestStandalone(MongoExam):
    @pytest.fixture(autouse=True)
    def _server(self, standalone: MongoServer) -> None:
        self.server = standalone

    def test_it_is_the_store_of_a_standalone_server(self, tmp_path: Path) -> None:
        with self.open_store(tmp_path) as store:
            assert isinstance(store, StandaloneStore)
