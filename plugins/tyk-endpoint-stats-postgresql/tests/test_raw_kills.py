"""Readers of Tyk Pump's raw table are killed while pumps write: every row counts once."""

import random
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from raw_tables import Raw, not_waiting_for_open_transactions, raw_row

from tests.children import in_child, kill
from tests.waiting import wait_for
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.opening import open_store
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.torture)])
def test_readers_killed_at_random_while_pumps_write_count_every_row_once(
    table: Raw, tmp_path: Path, seed: int, rounds: int
) -> None:
    follow_and_kill(table, tmp_path, seed, rounds)


def test_the_kills_catch_a_reader_that_does_not_wait_for_open_transactions(
    table: Raw, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin."""
    not_waiting_for_open_transactions(monkeypatch)
    with pytest.raises(AssertionError):
        follow_and_kill(table, tmp_path, seed, rounds=3)


def follow_and_kill(table: Raw, folder: Path, seed: int, rounds: int) -> None:
    """Two pumps write batches in transactions of different lengths; readers come and are killed."""
    rng = random.Random(seed)
    done = threading.Event()
    written = [0, 0]
    store_url = f"sqlite:///{folder / 'stats.db'}"
    open_store(store_url).close()

    def pump(number: int) -> None:
        own = random.Random(seed + number)
        row = raw_row(hit())
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        with psycopg.connect(table.server.url) as connection, connection.cursor() as cursor:
            while not done.is_set():
                records = [hit(second=own.randrange(3600), path=f"/{number}") for _ in range(own.randrange(1, 100))]
                batch = [raw_row(record) for record in records]
                cursor.executemany(statement, [list(row.values()) for row in batch])
                done.wait(own.uniform(0, 0.05))
                connection.commit()
                written[number] += len(batch)

    def read() -> None:
        try:
            with open_store(store_url) as store:
                while True:
                    ingest(store, table.source())
        except (StoreError, SourceError):
            time.sleep(60)  # until it is killed

    pumps = [threading.Thread(target=pump, args=(number,), daemon=True) for number in range(2)]
    children: list[int] = []
    try:
        for thread in pumps:
            thread.start()
        for _ in range(rounds):
            before = rows_read(store_url)
            children = [in_child(read) for _ in range(2)]
            wait_for(lambda before=before: rows_read(store_url) != before)  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.2))  # a random moment after some were read
            for child in children:
                kill(child)
    finally:
        done.set()
        for thread in pumps:
            thread.join(30)
    with open_store(store_url) as store:
        ingest(store, table.source())
        paths = {path: stats.hits for path, stats in hits_by_path(store).items()}
        assert paths == {f"/{number}": written[number] for number in range(2)}
        (progress,) = store.sources()
        assert progress.counts.read == sum(written)


def rows_read(store_url: str) -> int:
    with open_store(store_url) as store:
        return sum(progress.counts.read for progress in store.sources())


def hits_by_path(store: Any) -> dict[str, Any]:
    selection = Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT}))
    return {group.endpoint.path: stats for group, stats in store.read(selection)}
