"""Following a raw collection while two pumps write it, with readers that are killed: exact inside the lag."""

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from pump_writer import PumpDatabase, object_id, raw_document
from tyk_endpoint_stats_mongodb.raw_source import open_raw

from tests.children import in_child, kill
from tests.waiting import wait_for
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.opening import open_store
from tyk_endpoint_stats.testing.exam import ALL_DAYS

LAG_S = 5
SLOW_CLOCK_S = 1.0
SLOWEST_WRITE_S = 0.9
"""With the second that an id is rounded down by, a document is 2.9 s old at most when it is written: a busy machine
has 2.1 s left."""


class Pumps:
    """Two pumps, of whose clocks one is slow: what they have written, by path."""

    def __init__(self, pump: PumpDatabase, seed: int) -> None:
        self.written: Counter[str] = Counter()
        self._collection = pump.database.tyk_analytics
        self._numbers = iter(range(10**6))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}{slow_s}"), slow_s), daemon=True)
            for slow_s in (0.0, SLOW_CLOCK_S)
        ]

    def __enter__(self) -> "Pumps":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, rng: random.Random, slow_s: float) -> None:
        while not self._stop.wait(0.02):
            age_s = slow_s + rng.uniform(0, SLOWEST_WRITE_S)
            self.write(datetime.now(UTC) - timedelta(seconds=age_s))

    def write(self, moment: datetime) -> None:
        """A document whose id is of a moment."""
        with self._lock:
            number = next(self._numbers)
        path = f"/{number % 7}"
        self._collection.insert_one(raw_document(object_id(moment, number), path=path))
        with self._lock:
            self.written[path] += 1


class Reader:
    """A process that follows into a store of its own; ended by ``kill -9`` and begun anew."""

    def __init__(self, store: Path, url: str) -> None:
        self.store_url, self._url = f"sqlite:///{store}", url
        self._pid = 0
        open_store(self.store_url).close()

    def _follow(self) -> None:
        (source,) = open_raw(self._url)
        with open_store(self.store_url) as store:
            while True:
                ingest(store, source)
                time.sleep(0.05)

    def start(self) -> None:
        self._pid = in_child(self._follow)

    def kill(self) -> None:
        if self._pid:
            kill(self._pid)
            self._pid = 0

    def wait_until_it_is_past(self, moment: datetime) -> None:
        """Until the last document that it has read is of a later second: one of this moment is behind it."""
        wait_for(lambda: any(read > moment for read in self.positions()))

    def positions(self) -> list[datetime]:
        with open_store(self.store_url) as store:
            return [
                ObjectId(source.position).generation_time
                for source in store.sources()
                if ObjectId.is_valid(source.position)
            ]

    def finish(self) -> None:
        """Read what is there, as when the lag is over."""
        (source,) = open_raw(self._url, clock=lambda: datetime.now(UTC) + timedelta(hours=1))
        with open_store(self.store_url) as store:
            ingest(store, source)

    def hits(self) -> dict[str, int]:
        with open_store(self.store_url) as store:
            answer = store.read(Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT})))
        return {group.endpoint.path: stats.hits for group, stats in answer if group.endpoint}


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.torture)])
def test_exact_inside_the_lag_through_kills(pump: PumpDatabase, tmp_path: Path, seed: int, kills: int) -> None:
    """The twin has no lag: it loses a document that comes once it has read a later one."""
    rng = random.Random(seed)
    pump.database.create_collection("tyk_analytics")
    exact = Reader(tmp_path / "exact.db", pump.url("tyk-raw", lag_seconds=LAG_S))
    twin = Reader(tmp_path / "twin.db", pump.url("tyk-raw", lag_seconds=0))
    try:
        with Pumps(pump, seed) as pumps:
            twin.start()
            for _ in range(kills):
                exact.start()
                time.sleep(rng.uniform(0.2, 1.0))
                exact.kill()
            # Nothing of the lag's time has been read by the exact one, which is dead by now.
            late = datetime.now(UTC)
            twin.wait_until_it_is_past(late)
            pumps.write(late)
    finally:
        exact.kill()
        twin.kill()
    for reader in (exact, twin):
        reader.finish()
    assert sum(pumps.written.values()) > 50
    assert exact.hits() == pumps.written
    assert sum(twin.hits().values()) < sum(pumps.written.values())
