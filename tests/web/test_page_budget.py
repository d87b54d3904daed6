"""How long a page takes once the store has answered: 30 ms of a core that has nothing else to do."""

import time
from collections.abc import Callable
from datetime import UTC
from itertools import product
from typing import Any

import pytest
from msgspec import structs

from tests.web.page_worlds import NOW, PARTNER, consumer, get
from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.settings import Settings

LINES = 50


class Ready(MemoryStore):
    """Has every answer before it is asked: fifty endpoints, fifty consumers, hits of each on every day."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[Selection, list[tuple[Group, EndpointStats]]] = {}

    def read(self, selection: Selection) -> list[tuple[Group, EndpointStats]]:
        if selection not in self._answers:
            self._answers[selection] = _answer(selection)
        return self._answers[selection]


def _answer(selection: Selection) -> list[tuple[Group, EndpointStats]]:
    by = selection.group_by
    consumers = [Consumer.key(PARTNER), *(Consumer.key(f"{n:016x}") for n in range(LINES - 1))]
    # A day, whole or in quarter hours, has as many: a period that goes on is compared up to the hour.
    steps = {Width.DAY: 1, Width.QUARTER_HOUR: 24}
    buckets = [
        Bucket(span.width, number)
        for span in selection.spans
        for number in range(span.first, span.end, steps[span.width])
    ]
    groups = product(
        consumers[: 1 if selection.consumer_id else None] if Dimension.CONSUMER in by else [None],
        [Endpoint("api", f"/v1/things/{n}") for n in range(LINES)] if Dimension.ENDPOINT in by else [None],
        buckets if Dimension.BUCKET in by else [None],
    )
    return [(Group(*group), _state(number, selection.distributions)) for number, group in enumerate(groups)]


def _state(number: int, distributions: bool) -> EndpointStats:
    made = EndpointStats(
        hits=10 + number % 3,
        timed_hits=10,
        max_latency_ms=900,
        min_latency_all_ms=5,
        first_hit_us=1,
        last_hit_us=20_000 * DAY_US,
    )
    if distributions:
        made.codes = {200: 8, 404: 1 + number % 3, 500: 1}
        made.histogram = {80 + (number + step * 13) % 160: 1 for step in range(10)}
    return made


def yardstick() -> float:
    """A quarter of a million additions: 8 ms or so of a core that has nothing else to do."""
    began, total = time.process_time(), 0
    for number in range(250_000):
        total += number
    return time.process_time() - began


def cost(made: Callable[[], Any]) -> float:
    """What something takes, in milliseconds of a core on which the yardstick takes 8."""
    ratios = []
    for _ in range(6):
        ruler = min(yardstick(), yardstick())
        began = time.process_time()
        made()
        ratios.append((time.process_time() - began) / ruler)
    return 8 * min(ratios)


@pytest.fixture(scope="module")
def ask(settings: Settings, token: str) -> Callable[[str], Any]:
    pages, store = structs.replace(settings, now=lambda: NOW, zone=UTC), Ready()
    return lambda target: get(store, pages, target, {"authorization": token})


@pytest.mark.parametrize(
    "target",
    [
        "/ui/",
        "/ui/consumers?limit=50",
        "/ui/endpoints?limit=50",
        consumer(PARTNER, limit="50"),
        "/ui/endpoint?api_id=api&path=/v1/things/3&limit=50",
    ],
)
def test_a_page_with_fifty_rows_is_made_in_thirty_milliseconds(ask: Callable[[str], Any], target: str) -> None:
    assert ask(target).body.count(b"<tr>") >= (LINES if "limit" in target else 20)
    # What shares this machine's caches and memory slows the two unequally.
    assert cost(lambda: ask(target)) < 30 * 1.6
