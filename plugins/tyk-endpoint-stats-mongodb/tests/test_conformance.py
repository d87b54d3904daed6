"""The exam for stores, on both kinds of server."""

from pathlib import Path

import pytest
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb.store import MongoStore, ReplicaSetStore, StandaloneStore, open_mongodb

from tyk_endpoint_stats.testing import CopyableConformance, DurableStoreConformance, WholeBatchReadsConformance


class MongoExam(CopyableConformance, DurableStoreConformance):
    max_examples = 8
    server: MongoServer

    def open_store(self, place: Path) -> MongoStore:
        return open_mongodb(self.server.database_url(place.name))

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
