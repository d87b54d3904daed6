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
    WholeBatchReadsConformance,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY

OF_K1 = {"_id.consumer": "k1"}
DAY = OF_K1 | {"_id.width": "day", "_id.bucket": FIRST_DAY, "_id.path": "/get"}


def plant(states: Collection[Any], damage: Damage) -> None:
    """Damage the states of a store, and what lies beside them."""
    match damage:
        case Damage.CHANGED_DAY:
            states.update_one(DAY, {"$inc": {"hits": 1}})
        case Damage.LOST_DAY:
            states.delete_one(DAY)
        case Damage.LOST_QUARTER:
            states.delete_one(OF_K1 | {"_id.bucket": FIRST_DAY * 96})
        case Damage.LOST_QUARTERS:
            states.delete_many(OF_K1 | {"_id.width": "quarter"})
        case Damage.IMPOSSIBLE_STATE:
            states.update_one(DAY, [{"$set": {"last_hit_us": {"$subtract": ["$first_hit_us", 1]}}}])
        case Damage.LOST_STATES:
            states.delete_many({})
        case Damage.UNACCOUNTED:
            states.database["endpoint_stats.sources"].update_one({}, {"$inc": {"counted": -1}})
        case Damage.NO_CODES:
            states.update_one(DAY, {"$set": {"codes": "200"}})
        case Damage.NO_KIND:
            (state,) = states.find(DAY)
            states.delete_one(DAY)
            states.insert_one(state | {"_id": state["_id"] | {"kind": "lamp"}})


class MongoExam(CopyableConformance, DurableStoreConformance, InspectableConformance):
    max_examples = 8
    server: MongoServer

    def open_store(self, place: Path) -> MongoStore:
        return open_mongodb(self.server.database_url(place.name))

    def plant(self, place: Path, damage: Damage) -> None:
        with pymongo.MongoClient[Any](self.server.url) as client:
            plant(client[place.name]["endpoint_stats.states"], damage)

    def remove_store(self, place: Path) -> None:
        self.server.drop(place.name)


class TestReplicaSet(MongoExam, WholeBatchReadsConformance):
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
