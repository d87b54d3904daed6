import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis_server import RedisServer
from tyk_elements import VECTORS
from tyk_endpoint_stats_redis import reading


@pytest.fixture
def server(redis: RedisServer) -> RedisServer:
    """The server of the session, empty."""
    with Redis(port=redis.port) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
    return redis


@pytest.fixture
def client(server: RedisServer) -> Iterator[Redis]:
    with Redis(port=server.port) as connected:
        yield connected


@pytest.fixture(scope="session")
def vectors() -> list[dict[str, Any]]:
    """The real records of ``vectors/records.json``."""
    found: list[dict[str, Any]] = json.loads((VECTORS / "records.json").read_text())["records"]
    return found


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten records a piece, so that a claim of a hundred has ten positions."""
    monkeypatch.setattr(reading, "_FIRST_PIECE", 10)
    monkeypatch.setattr(reading, "_LARGEST_PIECE", 10)
