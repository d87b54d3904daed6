"""What a crash, a full disk or a torn log may do to the SQLite store: nothing, or one whole batch."""

import contextlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.children import in_child, kill
from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.errors import PositionConflict, StoreError
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, names
from tyk_endpoint_stats.stores.sqlite import store as store_module
from tyk_endpoint_stats.testing import batch_of, hit

pytestmark = pytest.mark.slow

SOURCE = "file:test"
SMALL = 5
"""States in a batch whose every statement is tried."""


def batch(number: int, size: int = 20, source: str = SOURCE) -> Batch:
    """Batch ``number`` of a source: each hits the same series once, so sums say how many were merged."""
    records = [
        hit(0, number % 900, org_id="org", api_key=f"k{index % 5}", path=f"/{source}/{number % 3}/{index}")
        for index in range(size)
    ]
    made = batch_of(records, source)
    made.counts = Counts(read=size, counted=size)
    made.begins = str(number) if number else None
    made.ends = str(number + 1)
    return made


def merged_hits(path: Path) -> tuple[int, int, int, int]:
    """Hits in totals, hits in days, the position and the counted sum, read with nothing of ours."""
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        dangling = "SELECT count(*) FROM days WHERE endpoint NOT IN (SELECT number FROM endpoints)"
        assert connection.execute(dangling).fetchone() == (0,)
        totals, *more = [
            connection.execute("SELECT ifnull(sum(hits), 0) FROM totals WHERE kind = ?", (kind,)).fetchone()[0]
            for kind in (1, 2, 3)
        ]
        assert more == [totals, totals]
        days = connection.execute("SELECT ifnull(sum(hits), 0) FROM days").fetchone()[0]
        found = connection.execute("SELECT sum(position), sum(counted) FROM sources").fetchone()
    connection.close()
    return totals, days, int(found[0] or 0), int(found[1] or 0)


def assert_whole(path: Path, size: int = 20) -> int:
    totals, days, position, counted = merged_hits(path)
    assert totals == days == position * size == counted
    with SQLiteStore(path) as store:
        assert verify(store).problems == []
    return position


def status_of(pid: int) -> int:
    """The exit status of a child, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at_statement(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on, a store's writer is killed just before its ``number``-th SQL statement."""
    connect = store_module.connect_writer

    def connect_and_count(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        left = number

        def count(_: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(count)
        return connection

    monkeypatch.setattr(store_module, "connect_writer", connect_and_count)


@contextlib.contextmanager
def position_in_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broken twin: the position is committed before the states."""
    advance = store_module.advance

    def advance_and_commit(connection: sqlite3.Connection, made: Batch) -> bool:
        moved = advance(connection, made)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(store_module, "advance", advance_and_commit)
        yield


def kill_before_each_statement(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """For each statement of a merge: is what a kill before it leaves behind whole?"""
    with SQLiteStore(path / "first.db") as store:
        store.merge(batch(0, SMALL))
    for statement in range(200):
        store_path = path / f"{statement}.db"
        shutil.copy(path / "first.db", store_path)
        with monkeypatch.context() as patch:
            die_at_statement(patch, statement)
            status = status_of(in_child(lambda: SQLiteStore(store_path).merge(batch(1, SMALL))))  # noqa: B023
        totals, days, position, counted = merged_hits(store_path)
        whole = totals == days == position * SMALL == counted
        yield whole
        with SQLiteStore(store_path) as store:
            store.merge(batch(1, SMALL))
        if status == 0:
            return
        assert status == -signal.SIGKILL
        assert not whole or assert_whole(store_path, SMALL) == 2
    raise AssertionError("a merge has fewer than 200 statements")


def test_a_kill_before_any_statement_of_a_merge_leaves_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(kill_before_each_statement(tmp_path, monkeypatch))
    assert len(whole) > 10
    assert all(whole)


def test_the_kills_catch_a_position_in_a_second_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with position_in_a_transaction_of_its_own(monkeypatch):
        assert not all(kill_before_each_statement(tmp_path, monkeypatch))


def random_kills(path: Path, rounds: int, writers: int, seed: int) -> None:
    rng = random.Random(seed)
    SQLiteStore(path).close()

    def write(source: str, tell_begun: int) -> None:
        with SQLiteStore(path) as store:
            position = int(store.position(source) or 0)
            os.write(tell_begun, b".")
            for old in range(max(0, position - 3), position):
                try:  # batches sent again: merged before, or in conflict, but never counted
                    assert not store.merge(batch(old, source=source))
                except StoreError:
                    pass
            while True:
                store.merge(batch(position, source=source))
                position += 1

    for _ in range(rounds):
        children = []
        begun, tell_begun = os.pipe()
        for number in range(writers):
            children.append(in_child(lambda: write(f"source-{number}", tell_begun)))  # noqa: B023
        os.close(tell_begun)
        os.read(begun, 1)
        os.close(begun)
        # A random moment of their life: the pause is what the test is about.
        time.sleep(rng.uniform(0.01, 0.08))
        for pid in children:
            kill(pid)
        assert_whole(path)


@pytest.mark.parametrize("writers", [1, 2])
def test_random_kills_lose_nothing_and_count_nothing_twice(tmp_path: Path, writers: int) -> None:
    random_kills(tmp_path / "s.db", 4, writers, seed=writers)
    assert assert_whole(tmp_path / "s.db") > 0


def test_random_kills_catch_a_position_in_a_second_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with position_in_a_transaction_of_its_own(monkeypatch), pytest.raises(AssertionError):
        random_kills(tmp_path / "s.db", 60, writers=2, seed=3)


@pytest.mark.torture
@pytest.mark.parametrize("writers", [1, 2])
def test_five_hundred_random_kills(tmp_path: Path, writers: int, seed: int) -> None:
    random_kills(tmp_path / "s.db", 250, writers, seed=100 * seed + writers)


def work_in_processes(path: Path, processes: int, batches: int) -> float:
    """Half of the processes read one source, the others one each; the longest that any waited for a merge."""
    SQLiteStore(path).close()

    def write(number: int) -> None:
        source = "shared" if number < processes // 2 else f"source-{number}"
        longest = 0.0
        with SQLiteStore(path) as store:
            while (position := int(store.position(source) or 0)) < batches:
                began = time.monotonic()
                with contextlib.suppress(PositionConflict):
                    store.merge(batch(position, source=source))
                longest = max(longest, time.monotonic() - began)
        path.with_name(f"waited-{number}").write_text(str(longest))

    children = [in_child(lambda number=number: write(number)) for number in range(processes)]
    ended = [status_of(pid) for pid in children]
    assert ended == [0] * processes
    return max(float(waited.read_text()) for waited in path.parent.glob("waited-*"))


def test_eight_processes_count_exactly_and_nobody_waits_long(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    assert work_in_processes(path, 8, 8) < 20
    assert assert_whole(path) == 5 * 8  # four sources of their own, one shared by four


def test_eight_processes_catch_a_position_that_is_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = store_module.advance

    def advance_anyway(connection: sqlite3.Connection, made: Batch) -> bool:
        found = connection.execute("SELECT position FROM sources WHERE source = ?", (made.source,)).fetchone()
        return advance(connection, replace(made, begins=found[0] if found else None))

    monkeypatch.setattr(store_module, "advance", advance_anyway)
    work_in_processes(tmp_path / "s.db", 8, 8)
    with pytest.raises(AssertionError):
        assert_whole(tmp_path / "s.db")


def torn_logs(tmp_path: Path, every: int, at_random: int, seed: int) -> Iterator[Path]:
    """Copies of a store after 30 merges without a checkpoint, the log of each cut, zeroed or noised somewhere."""
    live = tmp_path / "live.db"
    SQLiteStore(live).close()

    def write_without_checkpoint() -> None:
        store = SQLiteStore(live)
        with store._writing() as connection:
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        for number in range(30):
            store.merge(batch(number))
        os.kill(os.getpid(), signal.SIGKILL)

    assert status_of(in_child(write_without_checkpoint)) == -signal.SIGKILL
    database, log = live.read_bytes(), Path(f"{live}-wal").read_bytes()
    rng = random.Random(seed)
    frame = 24 + 4096
    cuts = [32 + frame * n for n in range(0, (len(log) - 32) // frame, every)]
    cuts += [rng.randrange(len(log)) for _ in range(at_random)]
    for number, cut in enumerate(cuts):
        torn = tmp_path / f"{number}.db"
        torn.write_bytes(database)
        tail = (b"", bytes(len(log) - cut), rng.randbytes(len(log) - cut))[number % 3]
        Path(f"{torn}-wal").write_bytes(log[:cut] + tail)
        yield torn


def check_torn_logs(logs: Iterator[Path]) -> None:
    seen = set()
    for torn in logs:
        seen.add(assert_whole(torn))
        with SQLiteStore(torn) as store:
            position = int(store.position(SOURCE) or 0)
            assert store.merge(batch(position))
        assert assert_whole(torn) == position + 1
    assert len(seen) > 10  # the cuts really fell between different batches


def test_a_torn_log_leaves_a_prefix_of_whole_batches(tmp_path: Path) -> None:
    check_torn_logs(torn_logs(tmp_path, every=24, at_random=6, seed=7))


@pytest.mark.torture
def test_a_log_torn_at_every_frame(tmp_path: Path, seed: int) -> None:
    check_torn_logs(torn_logs(tmp_path, every=1, at_random=300, seed=seed))


def test_torn_logs_catch_a_position_in_a_second_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with position_in_a_transaction_of_its_own(monkeypatch), pytest.raises(AssertionError):
        check_torn_logs(torn_logs(tmp_path, every=2, at_random=0, seed=7))


def test_a_full_disk_is_an_error_that_says_so_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        assert store.merge(batch(0))
        with store._writing() as connection:
            connection.execute("COMMIT")
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full"):
            store.merge(batch(1, size=5000))
        assert store.position(SOURCE) == "1"
        assert store.merge(batch(1))  # a new connection, without the limit: works again
    assert assert_whole(path) == 2


def file_size_limits(tmp_path: Path, steps: range) -> int:
    """A merge under each limit of the file's size; how many of them failed."""
    failures = 0
    for step in steps:
        path = tmp_path / f"{step}.db"
        with SQLiteStore(path) as store:
            store.merge(batch(0))
        size = path.stat().st_size

        def write(path: Path = path, limit: int = size // 2 + step * 4096) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            SQLiteStore(path).merge(batch(1, size=400))

        status = status_of(in_child(write))
        assert status in (0, 3)
        failures += status == 3
        totals, days, position, counted = merged_hits(path)
        assert totals == days == counted == (20 if position == 1 else 420)
        with SQLiteStore(path) as store:
            store.merge(batch(1, size=400))
            assert verify(store).problems == []
        assert merged_hits(path)[0] == 420
    return failures


def test_a_file_size_limit_anywhere_leaves_whole_batches(tmp_path: Path) -> None:
    assert file_size_limits(tmp_path, range(1, 40, 8)) > 0


def test_file_size_limits_catch_a_position_in_a_second_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with position_in_a_transaction_of_its_own(monkeypatch), pytest.raises(AssertionError):
        file_size_limits(tmp_path, range(1, 40, 2))


def test_a_number_taken_in_a_transaction_that_rolled_back_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch(0))
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "write_names", _fail)
            with pytest.raises(RuntimeError, match="on purpose"):
                store.merge(batch(1))
        assert store.merge(batch(1))
    assert assert_whole(tmp_path / "s.db") == 2  # which looks for dangling numbers


def test_that_test_catches_numbers_kept_before_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin of the one above."""
    monkeypatch.setattr(names.Numbers, "drop", _keep_without_drop)
    monkeypatch.setattr(store_module, "connect_writer", _without_foreign_keys(store_module.connect_writer))
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch(0))
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "write_names", _fail)
            with pytest.raises(RuntimeError, match="on purpose"):
                store.merge(batch(1))
        store.merge(batch(1))
    with pytest.raises(AssertionError):
        merged_hits(tmp_path / "s.db")


def _keep_without_drop(numbers: names.Numbers) -> None:
    numbers._known.update(numbers._new)
    numbers._new = {}


def _without_foreign_keys(connect: Callable[[Path], sqlite3.Connection]) -> Callable[[Path], sqlite3.Connection]:
    def connect_lax(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA foreign_keys = OFF")
        return connection

    return connect_lax


def _fail(*_: object) -> None:
    raise RuntimeError("on purpose")
