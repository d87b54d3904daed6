"""``verify`` and ``status_of``: sound stores are sound, and each kind of damage is found."""

import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from msgspec import msgpack

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.errors import UnusableStore
from tyk_endpoint_stats.maintenance.status import status_of
from tyk_endpoint_stats.maintenance.verify import MAX_PROBLEMS, verify
from tyk_endpoint_stats.stores.contract import LookedThrough, ReadableStore, Store
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.stores.sqlite.schema import PLAIN_COLUMNS
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY

DAY_US = 86_400_000_000
URLS = ["memory://", "sqlite:///stats.db"]


def fill(store: Store) -> None:
    for number in range(3):
        batch = batch_of(
            [hit(FIRST_DAY + 2 * number, at, path=f"/{at}", oauth_id="c") for at in (0, 899, 900, 86_399)],
            "file:a",
            str(number) if number else None,
            str(number + 1),
        )
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
    assert (verdict.sources, verdict.days, verdict.days_pruned, verdict.states) == (1, 3, 0, 24)


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


@pytest.mark.parametrize(
    ("first_day", "quarter", "says"),
    [
        (FIRST_DAY, FIRST_DAY * 96 + 5, "quarters have it, the day has not"),
        (FIRST_DAY + 1, (FIRST_DAY + 1) * 96 + 5, "quarters have it, the day has not"),
        (-719_163, -719_163 * 96, "day -719163 after 1970-01-01"),
    ],
    ids=["in a day", "between days", "before the year 1"],
)
def test_quarters_without_a_day_are_found(store: Store, first_day: int, quarter: int, says: str) -> None:
    batch = batch_of([hit(path="/stray")])
    (states,) = (states for bucket, states in batch.states.items() if bucket.width is Width.QUARTER_HOUR)
    batch.states = {Bucket(Width.QUARTER_HOUR, quarter): states}
    store.merge(batch)
    assert any(says in problem and "'/stray'" in problem for problem in problems(store))


def test_a_day_without_quarters_is_found(store: Store) -> None:
    batch = batch_of([hit()])
    batch.states = {bucket: states for bucket, states in batch.states.items() if bucket.width is Width.DAY}
    store.merge(batch)
    (problem,) = problems(store)
    assert problem.startswith("day 2020-10-13, key ")
    assert "by quarters" in problem or "no quarter has" in problem


def test_a_hit_in_the_wrong_bucket_is_found(store: Store) -> None:
    batch = batch_of([hit(path="/lost")])
    for bucket, states in list(batch.states.items()):
        batch.states = batch.states | {Bucket(bucket.width, bucket.number + 1): states}
        del batch.states[bucket]
    store.merge(batch)
    found = problems(store)
    assert any("outside of its quarter" in problem for problem in found)
    assert any("outside of its day" in problem for problem in found) or len(found) > 1


def test_records_that_left_no_hit_are_found(store: Store) -> None:
    store.merge(batch_of([], "file:b"))
    batch = batch_of([], "file:c", None, "1")
    batch.counts = Counts(read=1000, counted=1000)
    store.merge(batch)
    assert problems(store) == ["sources: 1,012 records were counted, but there are 24 hits"]


def test_unaccounted_records_are_found(store: Store) -> None:
    batch = batch_of([hit()], "file:b\x1b", None, "1")
    batch.counts.read = 7
    store.merge(batch)
    (problem,) = problems(store)
    assert problem.startswith(r"source 'file:b\x1b': 7 records were read, but 1 counted")


@pytest.mark.parametrize("states_at_once", [1, 50, 10**6])
def test_however_many_are_read_at_once_all_quarters_are(
    monkeypatch: pytest.MonkeyPatch, states_at_once: int
) -> None:
    monkeypatch.setattr("tyk_endpoint_stats.maintenance.verify._STATES_AT_ONCE", states_at_once)
    with MemoryStore() as store:
        fill(store)
        assert problems(store) == []
        batch = batch_of([hit(FIRST_DAY, 86_399, path="/stray")])
        batch.states = {bucket: states for bucket, states in batch.states.items() if bucket.width is not Width.DAY}
        store.merge(batch)
        assert [problem.split(": ")[1] for problem in problems(store)] == ["quarters have it, the day has not"]


def test_it_ends_after_many_problems(store: Store) -> None:
    batch = batch_of([hit(path=f"/{number}") for number in range(2 * MAX_PROBLEMS)])
    batch.states = {bucket: states for bucket, states in batch.states.items() if bucket.width is Width.DAY}
    store.merge(batch)
    assert len(problems(store)) == MAX_PROBLEMS


def test_writers_may_go_on(store: Store) -> None:
    """Also the twin: a look at days and quarters that is not repeated finds differences that are none."""
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


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE days SET hits = hits + 1", "by quarters"),
        ("UPDATE days SET success = success + 1 WHERE endpoint = 1", "success is"),
        ("DELETE FROM quarters WHERE consumer = 1", "no quarter has"),
        ("DELETE FROM days WHERE endpoint = 2 AND consumer = 1", "the day has not"),
        ("DELETE FROM days; DELETE FROM quarters", "12 records were counted, but there are 0 hits"),
        ("UPDATE quarters SET cells = x'c1' WHERE consumer = 1", "of quarters can't be unpacked"),
        ("UPDATE quarters SET columns = x'90' WHERE consumer = 1", "of quarters have not the columns of states"),
        ("UPDATE quarters SET hits = hits + 1", "have not the states and hits that they say"),
        (
            "UPDATE quarters SET endpoints = x'94910391110000'",
            "of quarters have not the states and hits that they say",
        ),
        ("UPDATE quarters SET endpoints = x'9494010203049104005f'", "have not the states and hits that they say"),
        (
            "DELETE FROM days; UPDATE quarters SET states = 0, hits = 0, endpoints = x'949090005f',"
            " columns = x'9f909090909090909090909090909090', cells = x'90'",
            "have not the states and hits that they say",
        ),
        (
            "UPDATE quarters SET endpoints = CAST(substr(endpoints, 1, length(endpoints) - 2) || x'5f5f' AS BLOB)",
            "damaged in a way that no answer shows",
        ),
        ("UPDATE summed SET before_day = 99999 WHERE days = 4", "stretches are not what their days come to"),
        ("DELETE FROM stretches_of_1 WHERE consumer = 1", "stretches are not what their days come to"),
        (
            "UPDATE stretches_of_1 SET columns = x'c1'",
            "stretches are not what their days come to",
        ),
        (
            "UPDATE stretches_of_1 SET columns = x'90'",
            "stretches are not what their days come to",
        ),
        ("UPDATE stretches_of_1 SET endpoints = x'9491639101005f'", "stretches are not what their days come to"),
        ("UPDATE days SET histogram = '[]'", "rows of days have no counts in histogram"),
        ("UPDATE days SET codes = '{\"x\": 1}'", "rows of days have no counts in codes"),
        ("UPDATE days SET codes = '{\"200\": 1.5}'", "rows of days have no counts in codes"),
        ("UPDATE days SET codes = '{\"200\": null}'", "rows of days have no counts in codes"),
        ("UPDATE sources SET skipped = ''", "1 rows of sources have no counts in skipped"),
        ('UPDATE sources SET malformed = \'{"json": "1"}\'', "1 rows of sources have no counts in malformed"),
        ("UPDATE sources SET counted = counted - 1", "records were read"),
        ("DELETE FROM endpoints WHERE number = 2", "a row of days refers to a row of endpoints"),
        (
            "DELETE FROM endpoints WHERE number = 2; DELETE FROM days WHERE endpoint = 2",
            "6 parts of quarters refer to endpoints that do not exist",
        ),
        ("UPDATE consumers SET kind = 'lamp' WHERE number = 1", "1 consumers are of no kind"),
        ("INSERT INTO pruned VALUES (30000)", "6 parts of quarters are older than what was pruned"),
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
        assert store.facts().day_states == 24


# --- status


def test_the_status_says_what_a_store_holds(store: Store) -> None:
    status = status_of(store, "Asia/Kolkata")
    assert (status.hits, status.days) == (24, 3)
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
    assert (before.schema, before.consumers, before.endpoints) == ("1", 2, 4)
    assert (before.day_states, before.quarter_states, before.pruned_before) == (24, 24, None)
    assert (after.quarter_states, after.pruned_before) == (16, (FIRST_DAY + 1) * DAY_US)
    assert before.size_bytes == (tmp_path / "s.db").stat().st_size


def test_a_store_that_can_only_be_read_has_no_sources(store: Store) -> None:
    class OnlyRead(ReadableStore):
        read: Callable = staticmethod(store.read)  # type: ignore[type-arg, assignment]

        def close(self) -> None: ...

    assert status_of(OnlyRead()).sources is None
    assert verify(OnlyRead()).sources == 0
    assert problems(OnlyRead()) == []


# --- the store's own look through its days


class AskedForAll(SQLiteStore):
    """The plain twin: every day is asked for through the contract."""

    def look_through(self) -> LookedThrough:
        return LookedThrough()


def damage_at_random(path: Path, chosen: random.Random) -> None:
    """A value of a state, or a state, is not what it was: of a day, or of a quarter."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if chosen.random() < 0.5:
            rows = connection.execute("SELECT rowid, states, columns FROM quarters").fetchall()
            rowid, states, columns = chosen.choice(rows)
            table = msgpack.decode(columns)
            if chosen.random() < 0.3:
                connection.execute("DELETE FROM quarters WHERE rowid = ?", (rowid,))
                return
            column = chosen.choice(
                [number for number in range(len(table)) if number != 1]
            )  # hits are in the row too
            table[column][chosen.randrange(states)] += chosen.choice((-1, 1, 5, 96, 900_000_000))
            connection.execute("UPDATE quarters SET columns = ? WHERE rowid = ?", (msgpack.encode(table), rowid))
            return
        bucket, consumer, endpoint = chosen.choice(
            connection.execute("SELECT bucket, consumer, endpoint FROM days").fetchall()
        )
        which = f"bucket = {bucket} AND consumer = {consumer} AND endpoint = {endpoint}"
        if chosen.random() < 0.2:
            connection.execute(f"DELETE FROM days WHERE {which}")
            return
        column = chosen.choice(PLAIN_COLUMNS)
        change = chosen.choice(
            (f"{column} + 1", f"{column} - 1", f"ifnull({column}, -2) + 1", "0", "2000000000000000")
        )
        connection.execute(f"UPDATE days SET {column} = {change} WHERE {which}")


@pytest.mark.parametrize("pruned", [False, True])
def test_a_look_through_the_file_finds_what_questions_find(tmp_path: Path, pruned: bool, seed: int) -> None:
    chosen = random.Random(seed)
    found = 0
    for number in range(40):
        path = tmp_path / f"{number}.db"
        with SQLiteStore(path) as store:
            fill(store)
            store.merge(batch_of([hit(FIRST_DAY + 2, 899, path="/899", code=500, oauth_id="c")]))
            if pruned:
                store.prune((FIRST_DAY + 1) * DAY_US)
            assert store.look_through().suspects == set()
        damage_at_random(path, chosen)
        with SQLiteStore(path) as store, AskedForAll(path) as asked:
            expected = verify(asked)
            # What is kept beside days, and what no answer shows, can't be found by asking.
            problems = [one for one in verify(store).problems if not re.search("no answer shows|stretch", one.what)]
            assert problems == expected.problems
            found += bool(expected.problems)
    assert found > 30


def test_what_no_answer_shows_is_found_in_the_file(tmp_path: Path) -> None:
    """Two parts of a state that are wrong each, and come to what is right."""
    path = tmp_path / "s.db"
    with SQLiteStore(path) as store:
        store.merge(batch_of([hit(), hit()]))
        store.merge(batch_of([hit(), hit()]))
        assert problems(store) == []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for rowid, by in ((1, -1), (2, 1)):
            (columns,) = connection.execute("SELECT columns FROM quarters WHERE rowid = ?", (rowid,)).fetchone()
            table = msgpack.decode(columns)
            table[5][0] += by  # the total of latencies
            connection.execute("UPDATE quarters SET columns = ? WHERE rowid = ?", (msgpack.encode(table), rowid))
    with SQLiteStore(path) as store, AskedForAll(path) as asked:
        (problem,) = problems(store)
        assert problem == "day 2020-10-13: states or quarters are damaged in a way that no answer shows"
        assert problems(asked) == []
