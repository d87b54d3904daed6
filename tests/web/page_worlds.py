"""Stores for the tests of pages: a story, two organisations, and what hostile callers send."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings

NOW = datetime(2026, 11, 26, 14, 7, tzinfo=UTC)
PARTNER = "c54ff99240b29a7a"

HOSTILE = (
    '"><script>alert(1)</script>',
    "'onmouseover='alert(1)",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "a/../%2F?x=1#y&z",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 2_048,
    "日本 \U0001f600",
)
"""Ids, aliases, names and paths that somebody might send."""


def story_store(records: int = 40_000) -> MemoryStore:
    """The demo's traffic of 61 days up to ``NOW``."""
    traffic = Traffic(records=records, days=61, keys=12, clients=3, endpoints=16, end=NOW, story=True, full=False)
    store = MemoryStore()
    store.ingest(traffic.decoded(), rules=Rules(normalise=frozenset({"number"})))
    return store


def hostile_store(make_record: Any) -> MemoryStore:
    """Every hostile text as an id, an alias, an API's name and a path."""
    store = MemoryStore()
    records = []
    for number, text in enumerate(HOSTILE):
        for day in (3, 20, 25):
            records.append(
                make_record(
                    api_key=text[:500],
                    alias=text,
                    api_name=text,
                    api_id=text[:300],
                    path=f"/{text}",
                    oauth_id="" if number % 2 else text[:100],
                    timestamp=f"2026-11-{day:02d}T12:00:00Z",
                    response_code=500 if day == 25 else 200,
                )
            )
    store.ingest(msgspec.convert(records, list[Record]))
    return store


def get(
    store: Any,
    settings: Settings,
    target: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: bytes = b"",
) -> Response:
    """The answer to a request; by default with the session's token in its header."""
    return respond(Request(method, target, headers or {}, body), store, settings)


def header(response: Response, name: str) -> str | None:
    """The value of a header."""
    return next((value for key, value in response.headers if key.lower() == name.lower()), None)


def consumer(consumer_id: str, **more: str) -> str:
    """The address of a key's page."""
    query = "".join(f"&{name}={quote(value, safe='')}" for name, value in more.items())
    return f"/ui/consumer?kind=key&id={quote(consumer_id, safe='')}{query}"
