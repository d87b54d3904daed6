"""The SQLite store beyond the contract: its file, its plans, its locks, and what other programs see of it."""

import fcntl
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats import Consumer, Record, open_store
from tyk_endpoint_stats.core.batch import Batch, Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import PluginError, StoreBusy, StoreClosed, UnusableStore
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, connections, files, open_sqlite, reading
from tyk_endpoint_stats.stores.sqlite import store as store_module
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import snapshot

RECORD = Record(
    path="/get",
    response_code=200,
    api_key="k",
    timestamp="2020-10-13T07:52:20.534Z",
    api_name="API",
    api_id="a",
    org_id="o",
    request_time=5,
    latency=Latency(4, 3),
    alias="Ann",
)
DAY = date(2020, 10, 13)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stats.db"


# --- the URL and the file


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///stats.db", "stats.db"),
        ("sqlite:////var/lib/stats.db", "/var/lib/stats.db"),
        ("sqlite:///x#1%20.db", "x#1%20.db"),
    ],
)
def test_the_path_is_what_stands_behind_three_slashes(url: str, expected: str) -> None:
    assert str(files.path_of(url)) == expected


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite://stats.db", "three slashes"),
        ("sqlite:///", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///stats.db?mode=ro", "no options"),
    ],
)
def test_a_url_that_names_no_file_is_refused(url: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        open_sqlite(url)


def test_a_new_store_is_for_its_owner_alone_and_leaves_no_draft(path: Path) -> None:
    with SQLiteStore(path) as store:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert set(path.parent.iterdir()) <= set(store.files()), "readers leave an empty log, nothing else is there"
        store.ingest([RECORD])
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["stats.db", "stats.db.lock"]


def test_a_store_of_an_earlier_version_gets_the_table_of_growth(path: Path) -> None:
    """The step is taken once, and leaves what it finds."""
    with SQLiteStore(path) as store:
        store.merge(batch_of([hit(20_000), hit(20_040)]))
        whole = snapshot(store)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE growth; DELETE FROM _sqlite_migrations WHERE name = '0002_growth'; PRAGMA user_version = 1"
        )
    for hits in (1, 2):
        with SQLiteStore(path) as store:
            store.merge(Batch(growth={20_000: Grown(1, 5)}))
            assert store.growth() == {20_000: Grown(hits, 5)}
            assert snapshot(store) == whole
            assert verify(store).problems == []


def _untouched(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def _newer(path: Path) -> None:
    SQLiteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()


def _truncated(path: Path) -> None:
    with SQLiteStore(path) as store:
        store.ingest([RECORD])
    os.truncate(path, 6000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.write_text("key,value\n" * 100), "no SQLite file"),
        (_foreign, "no store of tyk-endpoint-stats"),
        (_newer, "upgrade tyk-endpoint-stats"),
        (_truncated, "damaged"),
    ],
    ids=["directory", "empty", "text", "foreign", "newer", "truncated"],
)
def test_a_file_that_can_not_serve_is_refused_and_left_as_it_is(path: Path, make, says: str) -> None:  # type: ignore[no-untyped-def]
    make(path)
    before = _untouched(path)
    with pytest.raises(UnusableStore, match=says) as caught:
        SQLiteStore(path).ingest([RECORD])
    assert str(path) in str(caught.value)
    assert _untouched(path) == before


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableStore, match="nowhere is no directory"):
        SQLiteStore(tmp_path / "nowhere" / "stats.db")


def test_a_file_that_can_not_be_written_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SQLiteStore(path).close()
    monkeypatch.setattr(files.os, "access", lambda *_: False)  # whoever runs this may be root
    with SQLiteStore(path) as store:
        assert list(store.consumers()) == [], "it can be read"
        with pytest.raises(UnusableStore, match="can't be written to"):
            store.ingest([RECORD])


def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_mount_of", lambda _: ("nfs4", Path("/")))
    with pytest.raises(UnusableStore, match="network file system"):
        SQLiteStore(path)
    assert not path.exists()


def test_the_file_system_of_a_folder_is_found() -> None:
    assert files._mount_of(Path("/proc")) == ("proc", Path("/proc"))


def test_an_old_sqlite_is_refused_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module.sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(UnusableStore, match=r"3\.37 or newer"):
        SQLiteStore(path)


@pytest.mark.parametrize(("version", "warned"), [((3, 40, 1), True), ((3, 44, 6), False), ((3, 51, 3), False)])
def test_a_sqlite_that_can_damage_a_log_is_warned_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], warned: bool
) -> None:
    monkeypatch.setattr(store_module.sqlite3, "sqlite_version_info", version)
    with SQLiteStore(path) as store:
        assert any("3.51.3" in warning for warning in store.warnings) == warned


def test_two_processes_may_make_the_same_store_at_once(path: Path) -> None:
    code = f"from tyk_endpoint_stats import open_store; open_store('sqlite:///{path}').close()"
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [child.wait(300) for child in children] == [0, 0]
    SQLiteStore(path).close()


# --- writing


def test_the_store_is_durable_and_logs_ahead(path: Path) -> None:
    with SQLiteStore(path) as store, store._writing() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_a_merge_commits_under_the_lock_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_at_commit = []
    connect = store_module.connect_writer

    def connect_and_watch(where: Path) -> sqlite3.Connection:
        connection = connect(where)

        def look(sql: str) -> None:
            if sql == "COMMIT":
                with Path(f"{path}.lock").open() as lock:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        held_at_commit.append(True)
                    else:
                        held_at_commit.append(False)

        connection.set_trace_callback(look)
        return connection

    monkeypatch.setattr(store_module, "connect_writer", connect_and_watch)
    with SQLiteStore(path) as store:
        store.ingest([RECORD])
    assert held_at_commit == [True]


def test_a_writer_that_waits_too_long_is_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SQLiteStore(path) as store, Path(f"{path}.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(store_module, "MERGE_TIMEOUT_S", 0.05)
        with pytest.raises(StoreBusy, match="another process"):
            store.merge(Batch())
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert store.merge(Batch())


def test_a_log_that_grew_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WAL_LIMIT_BYTES", 1000)
    with SQLiteStore(path) as store:
        store.ingest([RECORD])
        assert Path(f"{path}-wal").stat().st_size == 0


# --- reading


def selection(**filters: object) -> Selection:
    spans = (Span(Width.QUARTER_HOUR, 90, 96), Span(Width.DAY, 1, 400), Span(Width.QUARTER_HOUR, 38400, 38450))
    return Selection(spans, frozenset({Dimension.ENDPOINT}), **filters)  # type: ignore[arg-type]


def plans(path: Path, asked: Selection) -> list[str]:
    """How SQLite goes about each of the statements that an answer takes."""
    with SQLiteStore(path) as store, store._reading() as connection:
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        reading.answer(connection, asked, None)
        connection.set_trace_callback(None)
        assert statements
        explained = [connection.execute(f"EXPLAIN QUERY PLAN {sql}") for sql in statements]
        return [row[3] for rows in explained for row in rows]


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        (selection(kind=Kind.KEY, consumer_id="k", org_id="o"), "day=? AND consumer=?"),
        (replace(selection(consumer_id="k"), group_by=frozenset()), "kind=? AND day=? AND consumer=?"),
        (selection(), "kind=? AND day=? AND consumer=?"),
        (replace(selection(), group_by=frozenset()), "kind=? AND day=? AND consumer=?"),
        (replace(selection(), group_by=frozenset(Dimension)), "day>? AND day<?"),
    ],
    ids=["a consumer", "a consumer's total", "endpoints", "everything", "all rows"],
)
def test_a_question_seeks_its_days_and_scans_no_others(path: Path, asked: Selection, keys: str) -> None:
    with SQLiteStore(path) as store:
        store.ingest([replace(RECORD, timestamp=f"{day}T07:52:20Z") for day in ("1970-01-02", "1971-02-01")])
    steps = plans(path, asked)
    assert not [step for step in steps if re.match("SCAN (r|days|totals)\\b", step)], steps
    sought = [step for step in steps if step.startswith("SEARCH r ")]
    assert sought
    assert any(f"USING PRIMARY KEY ({keys})" in step for step in sought), steps
    assert all("USING PRIMARY KEY" in step and re.search(r"day(=|>)\?", step) for step in sought), steps
    beside = {step for step in steps if re.search(r"\bp\b", step)}
    assert beside == {"SEARCH p USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"}, steps


def test_a_question_that_takes_too_long_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SQLiteStore(path) as store:
        monkeypatch.setattr(store_module, "READ_TIMEOUT_S", 0.0)
        monkeypatch.setattr(store_module, "_STEPS_BETWEEN_LOOKS", 1)
        with pytest.raises(StoreBusy, match="shorter range"):
            store.endpoints(Consumer.key("k"), DAY, DAY)


def test_readers_beyond_the_pool_wait_and_are_told_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READER_WAIT_S", 0.05)
    with SQLiteStore(path) as store:
        lent = [store._readers.lend() for _ in range(connections.READERS)]
        for reader in lent:
            reader.__enter__()
        with pytest.raises(StoreBusy, match="reading connections"):
            store.position("x")
        for reader in lent:
            reader.__exit__(None, None, None)
        assert store.position("x") is None


def test_a_reader_can_not_write(path: Path) -> None:
    with SQLiteStore(path) as store, store._reading() as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM days")


def test_closing_waits_for_a_merge_that_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    inside, go_on = threading.Event(), threading.Event()
    write = store_module.write_names

    def slow(*arguments: object) -> None:
        inside.set()
        assert go_on.wait(60)
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store_module, "write_names", slow)
    merge = threading.Thread(target=store.ingest, args=([RECORD],))
    merge.start()
    assert inside.wait(60)
    close = threading.Thread(target=store.close)
    close.start()
    go_on.set()
    merge.join(60)
    close.join(60)
    with pytest.raises(StoreClosed):
        store.position("x")
    with SQLiteStore(path) as again:
        assert again.endpoints(Consumer.key("k"), DAY, DAY)[0].hits == 1


# --- other programs


def test_the_view_shows_names_instead_of_numbers(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        store.ingest([RECORD, RECORD])
    other = sqlite3.connect(path)  # with nothing of ours registered
    rows = other.execute(
        "SELECT day, consumer, alias, api_name, path, hits, latency_ms FROM endpoint_days"
    ).fetchall()
    other.close()
    assert rows == [("2020-10-13", "k", "Ann", "API", "/get", 2, 4.0)]


def test_every_table_is_strict(path: Path) -> None:
    with SQLiteStore(path) as store, store._reading() as connection:
        tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'").fetchall()
    ours = {name: strict for name, strict in tables if not name.startswith(("sqlite_", "_sqlite"))}
    assert sorted(ours) == [
        "apis",
        "consumers",
        "days",
        "endpoints",
        "growth",
        "history",
        "packed",
        "sources",
        "totals",
    ]
    assert all(ours.values())


def test_the_hits_of_everyone_are_in_the_view_of_nobody(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        store.ingest([RECORD, replace(RECORD, api_key="")])
    other = sqlite3.connect(path)
    assert other.execute("SELECT sum(hits) FROM endpoint_days").fetchone() == (1,)
    assert other.execute("SELECT kind, hits FROM totals ORDER BY kind").fetchall() == [(1, 1), (2, 2), (3, 2)]
    other.close()


@pytest.mark.parametrize("sql", ["CREATE TABLE stretches_of_1 (x)", "DROP TABLE packed"])
def test_a_file_of_a_form_before_is_refused_and_says_what_to_do(path: Path, sql: str) -> None:
    SQLiteStore(path).close()
    other = sqlite3.connect(path)
    other.execute(sql)
    other.close()
    with pytest.raises(UnusableStore, match="ingest again"):
        SQLiteStore(path)
