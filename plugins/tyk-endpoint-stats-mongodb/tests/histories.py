"""Sources without an end, whose batches anyone may cut anywhere; and what a store must say about them."""

import random

from tyk_endpoint_stats_mongodb.store import open_mongodb

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import PositionConflict, StoreBusy
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import Copyable
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTER_HOURS, EVERYTHING, answer_of
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.growing import late_batch

__all__ = ["batch", "is_exact", "write_forever"]


def records_of(source: str, unit: int) -> list[Record]:
    """A few records: some of states that every source touches, some of the source's own."""
    return [
        hit(FIRST_DAY, 0, code=(200, 404)[unit % 2], latency_ms=unit, alias=f"{unit % 7}"),
        hit(FIRST_DAY + unit % 2, unit % 96 * 900, latency_ms=unit % 50, api_name=f"{unit}"),
        hit(FIRST_DAY, unit % 96 * 900, api_key=source, path=f"/{unit % 40}"),
    ]


def batch(source: str, first: int, end: int) -> Batch:
    """The units from ``first`` up to ``end`` of a source, all of them late."""
    records = [record for unit in range(first, end) for record in records_of(source, unit)]
    return late_batch(batch_of(records, source, str(first) if first else None, str(end)))


def write_forever(url: str, sources: list[str], seed: int, most_units: int = 8) -> None:
    """A writer: reads these sources in turn, as others do; batches of random size, several on from one position."""
    rng = random.Random(seed)
    while True:
        try:
            with open_mongodb(url) as store:
                while True:
                    source = rng.choice(sources)
                    at = int(store.position(source) or 0)
                    for _ in range(rng.randint(1, 3)):
                        end = at + rng.randint(1, most_units)
                        if not store.merge(batch(source, at, end)):
                            break
                        at = end
        except (PositionConflict, StoreBusy):
            continue  # overtaken, or the server is down


def is_exact(store: Store, sources: list[str]) -> bool:
    """Whether the store holds, state by state, what its positions say was merged; names, counts and growth too."""
    expected = MemoryStore()
    for source in sources:
        position = store.position(source)
        if position is not None:
            expected.merge(batch(source, 0, int(position)))
    assert isinstance(store, Copyable)
    return all(
        answer_of(store, Selection(spans, EVERYTHING)) == answer_of(expected, Selection(spans, EVERYTHING))
        for spans in (ALL_DAYS, ALL_QUARTER_HOURS)
    ) and (list(store.sources()), store.growth()) == (list(expected.sources()), expected.growth())
