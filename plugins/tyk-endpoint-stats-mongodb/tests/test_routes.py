"""Every route's answer from MongoDB equals a count of the hits."""

from collections.abc import Iterator

import pytest
from mongo_servers import MongoServer

from tests.web.routes_exam import RoutesExam


class TestMongoDB(RoutesExam):
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, replica_set: MongoServer) -> Iterator[str]:
        yield replica_set.database_url("behind_routes")
        replica_set.drop("behind_routes")
