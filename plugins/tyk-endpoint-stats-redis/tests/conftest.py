import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis_server import RedisServer
from tyk_elements import VECTORS


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """The server of the session, empty."""
    with Redis(port=shared_server.port) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    return shared_server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with Redis(port=server.port) as connected:
        yield connected


@pytest.fixture(scope="session")
def vectors() -> list[dict[str, Any]]:
    """The real records of ``vectors/records.json``."""
    found: list[dict[str, Any]] = json.loads((VECTORS / "records.json").read_text())["records"]
    return found
