"""``docs/http.md``: its requests are answered, and its tables name what there is."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.table import ROUTES

TEXT = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")
REQUESTS = re.findall("^GET (.+)$", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def demo():
    store = MemoryStore()
    store.ingest(Traffic(records=300).decoded())
    return store


@pytest.mark.parametrize("target", REQUESTS)
def test_its_requests_are_answered(demo, ask, settings, target):
    answer = ask(demo, target, now=lambda: datetime(2026, 11, 1, tzinfo=UTC), tokens=settings.tokens)
    assert answer.status == 200, answer.body
    assert answer.body.startswith(b'"kind"' if "format=csv" in target else b"{")


def test_it_names_every_route_and_every_parameter():
    assert len(REQUESTS) == 10
    for route in ROUTES:
        if route.operation is None or not route.path.startswith(("/api/", "/v1/")):
            continue
        literals = [part for part in route.parts if part[:1] != "{"]
        assert "/" + "/".join(literals[:3]) in TEXT, route.path
        for parameter in route.parameters:
            assert parameter.in_path or f"`{parameter.name}" in TEXT, parameter.name
