"""A program for ``test_full_disk.py``, which runs it where it may mount: a store on a disk that gets full.

Its arguments are a folder to mount a small disk at, and ``twin`` for a store that commits the position first.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.stores.sqlite import store as store_module
from tyk_endpoint_stats.testing.generators import hit, numbered_batch

DISK_BYTES, BALLAST_BYTES = 16 * 2**20, 15 * 2**20
PATHS = 100
"""Hits in a batch, each at a path of its own, so that it needs room."""
RECORDS = 8_000
"""What is ingested, each at a path of its own."""

SOURCE = "file:test"
EVER = (Span(Width.DAY, 0, 10**6),)


def batch(number: int) -> Batch:
    hits = [hit(path=f"/{number}/{index}") for index in range(PATHS)]
    return numbered_batch(hits, SOURCE, number)


def problem_of(store: SQLiteStore, number: int) -> str:
    """What a merge raised, ``""`` if nothing."""
    try:
        assert store.merge(batch(number))
    except StoreError as problem:
        return str(problem)
    return ""


def merged(store: SQLiteStore) -> int:
    """How many batches are in a store, which must be whole ones."""
    position = int(store.position(SOURCE) or 0)
    hits = sum(stats.hits for _, stats in store.read(Selection(EVER)))
    assert hits == position * PATHS, f"{hits} hits, but {position} batches of {PATHS}"
    return position


def fill(path: Path) -> int:
    """Merge until the disk is full; how many batches were acknowledged."""
    acknowledged = 0
    with SQLiteStore(path) as store:
        while not (problem := problem_of(store, acknowledged)):
            acknowledged += 1
        for _ in range(3):
            assert "the disk is full: free some space and try again" in problem, problem
            assert merged(store) == acknowledged
            problem = problem_of(store, acknowledged)
    return acknowledged


def main(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], check=True)
    path, ballast = disk / "stats.db", disk / "ballast"
    ballast.write_bytes(bytes(BALLAST_BYTES))
    acknowledged = fill(path)
    print(f"{acknowledged} batches on the disk")
    assert acknowledged > 3
    opened_while_full(path, disk, acknowledged)
    ballast.unlink()
    with SQLiteStore(path) as store:
        assert merged(store) == acknowledged
        assert not problem_of(store, acknowledged)
        assert merged(store) == acknowledged + 1
        assert not verify(store).problems
    path.unlink()
    ingest_as_users_do(disk)


def opened_while_full(path: Path, disk: Path, acknowledged: int) -> None:
    """Without a byte left it can't be opened, which is said; as soon as there are some it can."""
    last = disk / "last"
    with last.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4_096)):
            pass
    said = ""
    try:
        with SQLiteStore(path) as store:
            assert merged(store) == acknowledged
    except StoreError as problem:
        said = str(problem)
    assert not said or str(path) in said, said
    last.unlink()
    with SQLiteStore(path) as store:
        assert merged(store) == acknowledged


def ingest_as_users_do(disk: Path) -> None:
    records, ballast = disk.parent / "records.jsonl", disk / "ballast"
    rest = '"api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"'
    records.write_text("".join(f'{{"path":"/{number}",{rest}}}\n' for number in range(RECORDS)))
    ballast.write_bytes(bytes(BALLAST_BYTES))
    ingest = [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", f"sqlite:///{disk}/cli.db", records]
    failed = subprocess.run(ingest, capture_output=True, text=True)
    assert failed.returncode == 1, failed
    assert "the disk is full: free some space and try again" in failed.stderr, failed.stderr
    assert "Traceback" not in failed.stderr
    ballast.unlink()
    subprocess.run(ingest, check=True, capture_output=True)
    with SQLiteStore(disk / "cli.db") as store:
        (source,) = store.sources()
        assert source.counts.counted == sum(stats.hits for _, stats in store.read(Selection(EVER))) == RECORDS


def commit_the_position_first() -> None:
    """The broken twin."""
    advance = store_module.advance

    def advance_and_commit(connection, made):
        moved = advance(connection, made)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return moved

    store_module.advance = advance_and_commit


if __name__ == "__main__":
    if sys.argv[2:] == ["twin"]:
        commit_the_position_first()
    main(Path(sys.argv[1]))
