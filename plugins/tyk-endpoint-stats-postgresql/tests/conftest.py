"""A real server for the tests; where the wheel with PostgreSQL is missing they fail."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from postgres_servers import PostgresServer
from raw_tables import Raw


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server that lives as long as the tests. What crashes one starts its own."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def table(server: PostgresServer) -> Iterator[Raw]:
    """Tyk Pump's raw table, empty."""
    table = Raw(server, f"raw_{uuid4().hex[:16]}")
    table.create()
    yield table
    table.drop()
