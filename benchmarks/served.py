"""A served store and its question, for the benchmarks of HTTP."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from benchmarks import http_client
from benchmarks.ours import KEY
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

TOKEN = "0123456789abcdef0123"
OVERVIEW = {
    "totals": "/v1/totals?from=2026-10-01&to=2026-10-31&zone=",
    "by day": "/v1/series?from=2026-10-01&to=2026-10-31&interval=1d&zone=",
    "top consumers": "/v1/consumers?from=2026-10-01&to=2026-10-31&limit=10&zone=",
    "top endpoints": "/v1/endpoints?from=2026-10-01&to=2026-10-31&limit=10&zone=",
}
"""What the overview of a month asks, but for the zone."""
TARGET = f"/api/activity/keys/endpoint/{KEY}/2/12/2026/31/12/2026"
V1_TARGET = f"/v1/endpoints?consumer=key:{KEY}&from=2026-12-02&to=2026-12-31&limit=50"


class Served:
    """A running server.

    Args:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = self._connected()

    def ask(self, target: str = TARGET) -> bytes:
        """One answer over a connection that is kept."""
        self._connection.sendall(_request(target))
        head, body = http_client.read_answer(self._connection)
        if b"connection: close" in head:  # after so many requests
            self._connection.close()
            self._connection = self._connected()
        return body

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=10)

    def answers_a_second(self, seconds: float, target: str = TARGET) -> float:
        """With eight connections of another process."""
        arguments = [str(self._port), target, TOKEN, "8", str(seconds)]
        program = [sys.executable, http_client.__file__, *arguments]
        return float(subprocess.run(program, check=True, capture_output=True, text=True).stdout)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nauthorization: {TOKEN}\r\n\r\n".encode()


def check_overview(name: str, body: bytes, counted: int, zone: str) -> None:
    """An answer of ``OVERVIEW`` has the hits that were counted.

    Args:
        name: which.
        body: the answer.
        counted: how many hits the store has, all of them in the month of UTC.
        zone: in which it was asked: in another one than UTC the month has some of the hits.

    Raises:
        AssertionError: it has others.
    """
    answer = json.loads(body)
    hits, rows = answer["total"]["hits"], len(answer["data"])
    # A hit with a key and a client is of two consumers.
    least, most = (counted, 2 * counted) if name == "top consumers" else (counted, counted)
    assert (least if zone == "UTC" else 0.9 * least) <= hits <= most, (name, zone, hits, counted)
    assert rows == {"totals": 1, "by day": 31}.get(name, 10), (name, rows)


@contextmanager
def served(store: Store) -> Iterator[Served]:
    """Serve a store."""
    settings = Settings(tokens=Tokens([TOKEN]), zone=find_zone("UTC"))
    with make_server(store, settings=settings, port=0) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        client = Served(server.server_address[1])
        try:
            yield client
        finally:
            client.close()
            server.shutdown()
            thread.join()
