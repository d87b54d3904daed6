"""``verify`` and ``status_of``: sound stores are sound, and each kind of damage is found."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tyk_endpoint_stats import Consumer, open_store
from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow
from tyk_endpoint_stats.errors import UnusableStore
from tyk_endpoint_stats.maintenance.status import status_of
from tyk_endpoint_stats.maintenance.verify import MAX_PROBLEMS, verify
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import Retaining
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY, numbered_batch

DAY_US = 86_400_000_000
URLS = ["memory://", "sqlite:///stats.db"]


def fill(store: Store) -> None:
    for number in range(3):
        hits = [hit(FIRST_DAY + 2 * number, at, path=f"/{at}", oauth_id="c") for at in (0, 899, 900, 86_399)]
        batch = numbered_batch(hits, "file:a", number)
        batch.counts.read += 1
        batch.counts.skipped["tcp"] = 1
        store.merge(batch)


@pytest.fixture(params=URLS)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    with open_store(request.param) as opened:
        fill(opened)
        yield opened


def problems(store: ReadableStore) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in verify(store).problems]


def test_a_sound_store_is_sound(store: Store) -> None:
    verdict = verify(store)
    assert verdict.problems == []
    assert (verdict.sources, verdict.days, verdict.days_pruned, verdict.rows) == (1, 3, 0, 3 * (8 + 2 + 4 + 1))


def test_an_empty_store_is_sound(tmp_path: Path) -> None:
    for store in (MemoryStore(), SQLiteStore(tmp_path / "s.db")):
        with store:
            assert problems(store) == []


def test_pruned_quarters_are_no_problem_and_said(store: Store) -> None:
    store.prune((FIRST_DAY + 1) * DAY_US)
    store.merge(batch_of([hit(FIRST_DAY)]))  # late: into the day alone
    verdict = verify(store)
    assert verdict.problems == []
    assert (verdict.days, verdict.days_pruned) == (3, 1)


def test_records_without_a_source_are_no_problem(store: Store) -> None:
    store.merge(batch_of([hit(), hit(oauth_id="c")]))
    assert problems(store) == []


def test_hits_of_nobody_and_without_a_latency_are_no_problem(store: Store) -> None:
    store.merge(batch_of([hit(api_key="", latency=None), hit(latency=None), hit(code=500, latency=None)]))
    assert problems(store) == []


@pytest.mark.parametrize("rule", ["prune", "drop", "forget"])
def test_what_was_taken_out_is_no_problem(store: Store, rule: str) -> None:
    assert isinstance(store, Retaining)
    if rule == "prune":
        store.prune((FIRST_DAY + 3) * DAY_US)
    elif rule == "drop":
        store.drop((FIRST_DAY + 3) * DAY_US)
    else:
        store.forget(Consumer.key("k1"))
    store.merge(batch_of([hit(FIRST_DAY), hit(FIRST_DAY + 9)]))  # late, and after it
    assert problems(store) == []


def rows_of(batch: Batch) -> Iterator[tuple[list[DayRow], int, DayRow]]:
    for rows in (batch.rows, batch.totals):
        for place, row in enumerate(rows):
            yield rows, place, row


def is_total_of(batch: Batch, row: DayRow, kind: str, every: bool) -> bool:
    return batch.consumers[row.consumer][1] == kind and (row.endpoint == EVERY_ENDPOINT) == every


@pytest.mark.parametrize(
    ("kind", "every", "change", "says"),
    [
        ("key", False, {"quarter_hours": b""}, "the day has it, no quarter hour has"),
        ("everyone", False, {"quarter_hours": b""}, "the day has it, no quarter hour has"),
        ("everyone", True, {"quarter_hours": b""}, "the day has it, no quarter hour has"),
        ("key", False, {"hits": 5}, "hits is 5, by quarter hours 1"),
        ("key", True, {"hits": 5}, "hits is 5, by rows of endpoints 1"),
        ("everyone", True, {"total_latency_ms": 11}, "total_latency_ms is 11, by rows of endpoints 10"),
        ("everyone", False, {"total_latency_ms": 9}, "everyone has fewer hits than the consumers of kind key"),
        ("key", False, {"distribution": b"\x01\x01\x90"}, "a distribution that can't be read"),
        ("key", False, {"quarter_hours": b"\x07"}, "a packed value of version 7"),
        ("key", False, {"timed_hits": 2}, "timed_hits is 2 of 1 hits"),
        ("key", False, {"first_hit_us": 10**17, "last_hit_us": 10**17}, "outside of its day"),
        ("key", False, None, "the total has it, no row of an endpoint has"),
        ("key", True, None, "rows of endpoints have it, the total has not"),
        ("everyone", False, None, "the total has it, no row of an endpoint has"),
        ("everyone", True, None, "rows of endpoints have it, the total has not"),
    ],
)
def test_a_row_that_is_wrong_is_found(
    store: Store, kind: str, every: bool, change: dict[str, object] | None, says: str
) -> None:
    batch = batch_of([hit(FIRST_DAY + 20, path="/stray", api_key="stray", org_id="stray")])
    for rows, place, row in list(rows_of(batch)):
        if is_total_of(batch, row, kind, every):
            rows[place : place + 1] = [row._replace(**change)] if change else []
            break
    store.merge(batch)
    found = problems(store)
    assert any(says in problem for problem in found), found
    assert all(problem.startswith("day 2020-11-02") for problem in found), "and nothing else"


def test_a_hit_in_the_wrong_day_is_found(store: Store) -> None:
    batch = batch_of([hit(path="/lost")])
    for rows, place, row in list(rows_of(batch)):
        rows[place] = row._replace(day=row.day + 1)
    store.merge(batch)
    found = problems(store)
    assert any("'/lost': first_hit_us" in problem and "outside of its day" in problem for problem in found), found


def test_records_that_left_no_hit_are_found(store: Store) -> None:
    store.merge(batch_of([], "file:b"))
    batch = batch_of([], "file:c", None, "1")
    batch.counts = Counts(read=1000, counted=1000)
    store.merge(batch)
    assert problems(store) == ["sources: 1,012 records were counted, but there are 12 hits"]


def test_unaccounted_records_are_found(store: Store) -> None:
    batch = batch_of([hit()], "file:b\x1b", None, "1")
    batch.counts.read = 7
    store.merge(batch)
    (problem,) = problems(store)
    assert problem.startswith(r"source 'file:b\x1b': 7 records were read, but 1 counted")


def test_it_ends_after_many_problems(store: Store) -> None:
    batch = batch_of([hit(path=f"/{number}") for number in range(2 * MAX_PROBLEMS)])
    batch.rows[:] = [row._replace(quarter_hours=b"") for row in batch.rows]
    store.merge(batch)
    assert len(problems(store)) == MAX_PROBLEMS


def test_writers_may_go_on(store: Store) -> None:
    """Each day is looked at in one snapshot."""
    stopped = threading.Event()

    def write() -> None:
        number = 0
        while not stopped.is_set():
            store.merge(batch_of([hit(FIRST_DAY, 900 * (number % 96), path=f"/{number % 7}")]))
            number += 1
            stopped.wait(0.002)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        verdicts = [verify(store) for _ in range(10)]
    finally:
        stopped.set()
        writer.join(10)
    assert [verdict.problems for verdict in verdicts] == [[]] * 10
    assert problems(store) == []


ONE = "WHERE consumer = 2 AND endpoint = 1 AND day = 18548"
OF_ONE = f"WHERE number = (SELECT packed FROM days {ONE})"


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE days SET hits = hits + 1", "by quarter hours"),
        ("UPDATE days SET success = success + 1 WHERE endpoint = 1", "success is"),
        (
            f"UPDATE packed SET quarter_hours = x'' {OF_ONE}",
            "no quarter hour has",
        ),
        (
            f"UPDATE packed SET quarter_hours = x'0100' {OF_ONE}",
            "quarter hours that can't be read",
        ),
        (
            f"UPDATE packed SET quarter_hours = CAST(quarter_hours || quarter_hours AS BLOB) {OF_ONE}",
            "by quarter hours 2",
        ),
        (
            f"UPDATE packed SET distribution = x'01' {OF_ONE}",
            "a packed value that was cut",
        ),
        (
            f"UPDATE packed SET distribution = x'01029080' {OF_ONE}",
            "a distribution that can't be read",
        ),
        (
            f"UPDATE packed SET distribution = x'010493908080' {OF_ONE}",
            "codes counts 0 of 1 hits",
        ),
        (f"DELETE FROM packed {OF_ONE}", "1 rows of days have lost their packed values"),
        (f"DELETE FROM days {ONE}", "by rows of endpoints"),
        ("DELETE FROM totals WHERE kind = 1", "rows of endpoints have it, the total has not"),
        ("DELETE FROM totals WHERE kind = 2", "everyone has fewer hits"),
        ("DELETE FROM totals WHERE kind = 3 AND day = 18548", "rows of endpoints have it, the total has not"),
        ("UPDATE totals SET hits = hits + 1 WHERE kind = 3", "hits is 5, by quarter hours 4"),
        ("DELETE FROM days; DELETE FROM totals", "12 records were counted, but there are 0 hits"),
        ("UPDATE sources SET skipped = ''", "1 rows of sources have no counts in skipped"),
        ('UPDATE sources SET malformed = \'{"json": "1"}\'', "1 rows of sources have no counts in malformed"),
        ("UPDATE sources SET counted = counted - 1", "records were read"),
        ("DELETE FROM consumers WHERE number = 2", "a row of days refers to a row of consumers"),
        ("DELETE FROM endpoints WHERE number = 2", "6 rows of days are of an endpoint that does not exist"),
        ("UPDATE totals SET kind = 4 WHERE kind = 3 AND day = 18548", "1 rows of totals are of no kind"),
        ("UPDATE consumers SET kind = 'lamp' WHERE number = 2", "1 consumers are of no kind"),
        ("UPDATE history SET pruned_before_day = 30000", "rows of days have quarter hours that are older than"),
        ("UPDATE days SET last_hit_us = first_hit_us - 1", "is after last_hit_us"),
    ],
)
def test_damage_in_a_file_is_found(tmp_path: Path, sql: str, says: str) -> None:
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        fill(store)
        assert problems(store) == []
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    with SQLiteStore(path) as store:
        found = problems(store)
    assert any(says in problem for problem in found), found


def test_damage_below_the_rows_is_found_and_nothing_more_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        fill(store)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'hits INTEGER', 'hits TEXT') WHERE name = 'days'"
        )
        connection.commit()
    with SQLiteStore(path) as store:
        found = problems(store)
    assert "structure: non-TEXT value in days.hits" in found or "structure: INTEGER value in days.hits" in found
    assert all(problem.startswith("structure: ") for problem in found)


def test_a_page_that_can_not_be_read_at_all_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        fill(store)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'days'").fetchone()[0]
    with path.open("r+b") as file:  # closed, so no lock of SQLite's is lost by this
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\x7f\x7f\x7f\x7f")
    with SQLiteStore(path) as store, pytest.raises(UnusableStore, match="the file is damaged; restore it"):
        verify(store)


def test_the_file_is_looked_through_without_the_deadline_of_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tyk_endpoint_stats.stores.sqlite import store as module

    monkeypatch.setattr(module, "_STEPS_BETWEEN_LOOKS", 1)
    with SQLiteStore(tmp_path / "s.db") as store:
        fill(store)
        monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.0)
        assert store.damage() == []
        assert store.facts().day_rows == 24


# --- status


def test_the_status_says_what_a_store_holds(store: Store) -> None:
    status = status_of(store, "Asia/Kolkata")
    assert (status.hits, status.days) == (12, 3)
    assert (status.first_day, status.last_day) == (date(2020, 10, 13), date(2020, 10, 17))
    assert str(status.first_hit) == "2020-10-13 05:30:00+05:30"
    assert str(status.last_hit) == "2020-10-18 05:29:59+05:30"
    assert status.counts == Counts(read=15, counted=12, skipped={"tcp": 3})
    assert status.sources is not None
    assert [(source.source, source.position) for source in status.sources] == [("file:a", "3")]


def test_the_status_of_nothing(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        status = status_of(store)
    assert (status.hits, status.days, status.first_day, status.first_hit, status.sources) == (0, 0, None, None, ())


def test_sqlite_tells_its_size_and_what_was_pruned(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        fill(store)
        before = store.facts()
        store.prune((FIRST_DAY + 1) * DAY_US)
        after = store.facts()
    assert (before.schema, before.consumers, before.endpoints) == ("2", 2, 4)
    assert (before.day_rows, before.total_rows, before.pruned_before) == (24, 21, None)
    assert (after.day_rows, after.total_rows, after.pruned_before) == (24, 21, (FIRST_DAY + 1) * DAY_US)
    assert before.size_bytes == (tmp_path / "s.db").stat().st_size


def test_a_store_that_can_only_be_read_has_no_sources(store: Store) -> None:
    class OnlyRead(ReadableStore):
        read: Callable = staticmethod(store.read)  # type: ignore[type-arg, assignment]

        def close(self) -> None: ...

    assert status_of(OnlyRead()).sources is None
    assert verify(OnlyRead()).sources == 0
    assert problems(OnlyRead()) == []
