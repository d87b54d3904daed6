"""The exam for stores, on both kinds of server."""

from pathlib import Path
from typing import Any

import pytest
from mongo_servers import MongoServer
from pymongo.collection import Collection
from tyk_endpoint_stats_mongodb.store import MongoStore, ReplicaSetStore, StandaloneStore, open_mongodb

from tests.lent_stores import LentStores
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    Damage,
    DurableStoreConformance,
    InspectableConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)
from tyk_endpoint_stats.testing.answers import AnswersExam
from tyk_endpoint_stats.testing.concurrency import ConcurrencyExam
from tyk_endpoint_stats.testing.durability import DurabilityExam
from tyk_endpoint_stats.testing.exam import NewPlace
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.limits import LimitsExam
from tyk_endpoint_stats.testing.positions import PositionsExam

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


class MongoStores(LentStores):
    """Where the stores of the exams are."""

    max_examples, merges, every_combination = 5, 12, False
    server: MongoServer

    def open_store(self, place: Path) -> MongoStore:
        return open_mongodb(self.server.database_url(self.name_of(place)))


class MongoExam(
    MongoStores, CopyableConformance, DurableStoreConformance, InspectableConformance, RetainingConformance
):
    """The whole exam."""

    def plant(self, place: Path, damage: Damage) -> None:
        plant(self.server.client[self.name_of(place)]["endpoint_stats.day_rows"], damage)


class TestReplicaSet(MongoExam, VersionedConformance, WholeBatchReadsConformance):
    @pytest.fixture(autouse=True)
    def _server(self, replica_set: MongoServer) -> None:
        self.server = replica_set

    def test_it_is_the_store_of_a_replica_set(self, new_place: NewPlace) -> None:
        with self.open_store(new_place()) as store:
            assert isinstance(store, ReplicaSetStore)


class OnAStandalone(MongoStores):
    @pytest.fixture(autouse=True)
    def _server(self, standalone: MongoServer) -> None:
        self.server = standalone


@pytest.mark.slow
class TestStandalone(OnAStandalone, AnswersExam, ConcurrencyExam, DurabilityExam, LimitsExam, PositionsExam):
    """Merging, which is another one there; what comes behind it is the same code as on a replica set."""

    max_examples = 4

    def test_it_is_the_store_of_a_standalone_server(self, new_place: NewPlace) -> None:
        with self.open_store(new_place()) as store:
            assert isinstance(store, StandaloneStore)


@pytest.mark.torture
class TestStandaloneInAll(OnAStandalone, MongoExam):
    max_examples, merges, every_combination = 25, 40, True
