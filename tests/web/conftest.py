"""What the tests of the web face share: stores with the vectors in them, and servers on free ports."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.connection import Limits
from tyk_endpoint_stats.web.server import Server, make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens

VECTORS = Path(__file__).parents[1] / "vectors"
TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
BOUND_TOKEN = "bound-0123456789abcdef"
ORG = "5e9d9544a1dcd60001d0ed20"
KOLKATA = ZoneInfo("Asia/Kolkata")


def seed_samples() -> list[dict[str, Any]]:
    samples: list[dict[str, Any]] = json.loads((VECTORS / "seed_samples.json").read_text())["samples"]
    return samples


def memory_store(records: list[dict[str, Any]]) -> MemoryStore:
    store = MemoryStore()
    store.ingest(msgspec.convert(records, list[Record]))
    return store


@contextmanager
def running(store: Any, settings: Settings, **limits: Any) -> Iterator[Server]:
    """A server on a free port; it must be gone, threads and all, when the block ends."""
    with make_server(store, settings=settings, port=0, limits=Limits(**limits)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def samples() -> list[dict[str, Any]]:
    return seed_samples()


@pytest.fixture(scope="session")
def store(samples: list[dict[str, Any]]) -> MemoryStore:
    return memory_store([record for sample in samples for record in sample["records"]])


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(tokens=Tokens([TOKEN, Token(BOUND_TOKEN, ORG)]), zone=KOLKATA)


@pytest.fixture
def serve() -> Iterator[Any]:
    """A function that starts servers which end with the test."""
    with ExitStack() as stack:
        yield lambda store, settings, **limits: stack.enter_context(running(store, settings, **limits))
