"""A real server for the tests; where the wheel with PostgreSQL is missing they fail."""

from collections.abc import Iterator

import pytest
from postgres_servers import PostgresServer


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    """A server that lives as long as the tests. What crashes one starts its own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()
