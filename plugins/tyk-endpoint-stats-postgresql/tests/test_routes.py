"""Every route's answer from PostgreSQL equals a count of the hits."""

from collections.abc import Iterator

import pytest
from postgres_servers import PostgresServer

from tests.web.routes_exam import RoutesExam


class TestPostgreSQL(RoutesExam):
    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, server: PostgresServer) -> Iterator[str]:
        yield f"{server.url}?schema=behind_routes"
        server.execute("DROP SCHEMA behind_routes CASCADE")
