"""What the tests find on a real server."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from postgres_servers import PostgresServer
from raw_tables import Raw


@pytest.fixture(scope="session")
def server(postgres: PostgresServer) -> PostgresServer:
    """The server of the session."""
    return postgres


@pytest.fixture
def table(server: PostgresServer) -> Iterator[Raw]:
    """Tyk Pump's raw table, empty."""
    table = Raw(server, f"raw_{uuid4().hex[:16]}")
    table.create()
    yield table
    table.drop()
