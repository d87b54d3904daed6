"""What the tests of the web face share: stores with the vectors in them, and servers on free ports."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import structs

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.connection import Limits
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.operations import Operations
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.server import Server, make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens

VECTORS = Path(__file__).parents[1] / "vectors"
TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
BOUND_TOKEN = "bound-0123456789abcdef"
ORG = "5e9d9544a1dcd60001d0ed20"
KOLKATA = ZoneInfo("Asia/Kolkata")


def memory_store(records: list[dict[str, Any]]) -> MemoryStore:
    store = MemoryStore()
    store.ingest(msgspec.convert(records, list[Record]))
    return store


@contextmanager
def running(
    store: Any,
    settings: Settings,
    operations: Operations = Operations(),  # noqa: B008 - frozen
    **limits: Any,
) -> Iterator[Server]:
    """A server on a free port; it must be gone, threads and all, when the block ends."""
    made = make_server(store, settings=settings, port=0, limits=Limits(**limits), operations=operations)
    with made as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
            assert not thread.is_alive()


def record(**fields: Any) -> dict[str, Any]:
    """A record with a hit in it: key ``k``, 200, 2020-10-13 noon UTC, unless told otherwise."""
    latency = fields.pop("ms", 10)
    return {
        "org_id": ORG,
        "api_id": "api-1",
        "api_name": "One",
        "api_key": "k",
        "path": "/get",
        "response_code": 200,
        "timestamp": "2020-10-13T12:00:00Z",
        "request_time": latency,
        "latency": {"total": latency, "upstream": latency},
        **fields,
    }


@pytest.fixture(scope="session")
def samples() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((VECTORS / "seed_samples.json").read_text())["samples"]
    return loaded


@pytest.fixture(scope="session")
def cases() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((VECTORS / "cases.json").read_text())["cases"]
    return loaded


@pytest.fixture(scope="session")
def make_store() -> Any:
    """``make_store(records)``: a memory store that has counted them."""
    return memory_store


@pytest.fixture(scope="session")
def make_record() -> Any:
    return record


@pytest.fixture(scope="session")
def store(samples: list[dict[str, Any]]) -> MemoryStore:
    """The records of the two documented samples."""
    return memory_store([record for sample in samples for record in sample["records"]])


@pytest.fixture(scope="session")
def token() -> str:
    return TOKEN


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(tokens=Tokens([TOKEN, Token(BOUND_TOKEN, ORG)]), zone=KOLKATA)


@pytest.fixture(scope="session")
def ask(settings: Settings) -> Any:
    """``ask(store, target, authorization=…, method=…, **settings)``: what ``respond`` answers."""

    def asked(
        store: Any, target: str, *, authorization: str | None = TOKEN, method: str = "GET", **other: Any
    ) -> Any:
        headers = {} if authorization is None else {"authorization": authorization}
        return respond(Request(method, target, headers), store, structs.replace(settings, **other))

    return asked


@pytest.fixture
def serve() -> Iterator[Any]:
    """``serve(store, settings, **limits)``: a server on a free port that ends with the test."""
    with ExitStack() as stack:
        yield lambda store, settings, **limits: stack.enter_context(running(store, settings, **limits))


@pytest.fixture
def serve_operations() -> Iterator[Any]:
    """``serve_operations(store, settings, operations)``: like ``serve``, with something to say of the process."""
    with ExitStack() as stack:
        yield lambda store, settings, operations: stack.enter_context(running(store, settings, operations))


@pytest.fixture
def exchange() -> Any:
    """``exchange(server, bytes)``: send them, half-close if told to, and return all that comes back."""

    def exchanged(server: Server, data: bytes, *, half_close: bool = True, timeout_s: float = 10.0) -> bytes:
        with socket.create_connection(server.server_address[:2], timeout=timeout_s) as sock:
            try:
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before all was sent; the answer is there all the same
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
            return answer

    return exchanged
