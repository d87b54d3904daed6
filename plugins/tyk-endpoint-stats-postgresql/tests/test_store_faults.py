"""What a crash of the client or of the server may do to a store: nothing, or one whole batch."""

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from postgres_servers import PostgresServer
from tyk_endpoint_stats_postgresql import connections, writing
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.selection import Batch, Counts, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, StoreBusy, StoreError
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, run_together

SIZE = 20


def batch(number: int, source: str = "s", size: int = SIZE) -> Batch:
    """Batch ``number`` of a source. All touch the same states, so sums say how many were merged."""
    made = Batch(counts=Counts(read=size, counted=size), source=source)
    made.begins = str(number) if number else None
    made.ends = str(number + 1)
    states = {}
    for index in range(size):
        stats = EndpointStats()
        stats.add(200, 5, 5, 4, number * 1_000_000)
        states["org", "key", f"k{index % 5}", "api", f"/{index}"] = stats
    made.states = {Bucket(Width.QUARTER, 0): states, Bucket(Width.DAY, 0): states}
    return made


class Schema:
    """A store's tables, looked at with nothing of ours."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        self.url = f"{server.url}?schema={name}"
        server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        PostgreSQLStore(self.url).close()

    def is_whole(self) -> bool:
        """Hits in quarters, in days, in codes and by position are the same."""
        return len(set(self.sums())) == 1

    def sums(self) -> tuple[int, int, int, int, int]:
        (found,) = self.server.execute(
            f"SELECT (SELECT coalesce(sum(hits), 0)::int FROM {self.name}.quarters),"
            f" (SELECT coalesce(sum(hits), 0)::int FROM {self.name}.days),"
            f" (SELECT coalesce(sum((codes->>'200')::int), 0)::int FROM {self.name}.days),"
            f" (SELECT coalesce(sum(position::int), 0)::int * {SIZE} FROM {self.name}.sources),"
            f" (SELECT coalesce(sum((counts::json->>'counted')::int), 0)::int FROM {self.name}.sources)"
        )
        return tuple(found)


def in_child(work: Callable[[], object]) -> int:
    """Run ``work`` in a forked child; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        os._exit(3)


@contextmanager
def position_in_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broken twin: the position is committed before the states."""
    advance = writing.advance_position

    def advance_and_commit(connection: connections.Connection, made: Batch, merged_by: object) -> str | None:
        stood_at = advance(connection, made, merged_by)
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        return stood_at

    with monkeypatch.context() as patch:
        patch.setattr(writing, "advance_position", advance_and_commit)
        yield


def kill_before_each_statement(schema: Schema) -> Iterator[bool]:
    """For each statement of a merge: is what a kill before it leaves behind whole?"""
    for statement in range(100):

        def merge_and_die(number: int = statement) -> None:
            store = PostgreSQLStore(schema.url)
            left = number

            def counted(call: Callable[..., Any]) -> Callable[..., Any]:
                def count(*given: Any, **more: Any) -> Any:
                    nonlocal left
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return call(*given, **more)

                return count

            psycopg.Cursor.execute = counted(psycopg.Cursor.execute)  # type: ignore[method-assign]
            psycopg.Cursor.copy = counted(psycopg.Cursor.copy)  # type: ignore[method-assign]
            store.merge(batch(number))

        _, status = os.waitpid(in_child(merge_and_die), 0)
        yield schema.is_whole()
        with PostgreSQLStore(schema.url) as store:
            store.merge(batch(statement))
        if not status:
            return
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    raise AssertionError("a merge has fewer than 100 statements")


def test_a_kill_before_any_statement_of_a_merge_leaves_whole_batches(server: PostgresServer) -> None:
    whole = list(kill_before_each_statement(Schema(server, "each_statement")))
    assert len(whole) > 10
    assert all(whole)


def test_the_kills_catch_a_position_in_a_second_commit(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with position_in_a_transaction_of_its_own(monkeypatch):
        assert not all(kill_before_each_statement(Schema(server, "each_statement_twin")))


def write(url: str, source: str, seed: int) -> None:
    """Write batches of a source until killed: ask, merge, send old ones again; a server may be away for a while."""
    rng = random.Random(seed)
    while True:
        try:
            with PostgreSQLStore(url) as store:
                position = int(store.position(source) or 0)
                while True:
                    if rng.random() < 0.2 and position > 1:
                        try:
                            assert not store.merge(batch(position - rng.randrange(1, 3), source))
                        except PositionConflict:
                            pass
                    try:
                        store.merge(batch(position, source))
                    except PositionConflict as problem:
                        position = int(problem.stored or 0)
                    else:
                        position = int(store.position(source) or 0)
        except StoreError:
            time.sleep(0.01)


def random_faults(schema: Schema, sources: Sequence[str], rounds: int, seed: int, crash_every: int) -> None:
    """Kill writers, one for each of ``sources``, at random; now and then the server too."""
    rng = random.Random(seed)
    server = schema.server
    for number in range(1, rounds + 1):
        children = [
            in_child(lambda source=source, n=n: write(schema.url, source, seed + n))  # type: ignore[misc]
            for n, source in enumerate(sources)
        ]
        try:
            before, deadline = schema.sums(), time.monotonic() + 20
            while schema.sums() == before and time.monotonic() < deadline:
                # A random moment of their life, after they merged something: the pause is what the test is about.
                time.sleep(rng.uniform(0, 0.2))
            if number % crash_every == 0:
                server.crash()
                server.start()
                time.sleep(rng.uniform(0.05, 0.2))
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        assert schema.is_whole(), schema.sums()


def test_random_kills_of_writers_and_server_lose_nothing_and_count_nothing_twice(
    server: PostgresServer, seed: int
) -> None:
    schema = Schema(server, "random_faults")
    random_faults(schema, ("shared", "shared", "alone"), 6, seed, crash_every=3)
    assert schema.sums()[0] > 0


@pytest.mark.torture
def test_two_hundred_random_kills_and_forty_of_the_server(server: PostgresServer, seed: int) -> None:
    """Eight writers, four of them on one source."""
    sources = ("shared",) * 4 + tuple(f"source {number}" for number in range(4))
    random_faults(Schema(server, "torture"), sources, 200, seed + 1000, crash_every=5)


def cut(connection: connections.Connection) -> None:
    """The network is gone."""
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)


@contextmanager
def first_commit_lost(monkeypatch: pytest.MonkeyPatch, *, arrives: bool) -> Iterator[None]:
    """The first COMMIT gets no answer; the server may have got it all the same."""
    execute = psycopg.Connection.execute
    lost = False

    def losing(self: connections.Connection, query: str, *given: object) -> object:
        nonlocal lost
        if query != "COMMIT" or lost:
            return execute(self, query, *given)
        lost = True
        if arrives:
            execute(self, query)
        cut(self)
        return execute(self, "SELECT 1")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", losing)
        yield


def test_a_commit_whose_answer_is_lost_is_known_by_the_position(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "lost_answer")
    with PostgreSQLStore(schema.url) as store:
        store.merge(batch(0))
        with first_commit_lost(monkeypatch, arrives=True):
            assert store.merge(batch(1)) is True
        assert store.merge(batch(1)) is False
        assert schema.sums() == (40,) * 5


def test_a_commit_that_never_arrived_is_an_error_and_can_be_repeated(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "lost_commit")
    with PostgreSQLStore(schema.url) as store:
        with pytest.raises(StoreError), first_commit_lost(monkeypatch, arrives=False):
            store.merge(batch(0))
        assert schema.sums() == (0,) * 5
        assert store.merge(batch(0)) is True
        assert schema.sums() == (20,) * 5


def test_a_merge_of_somebody_else_is_not_taken_for_the_lost_one(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position alone would say yes: that is the broken twin of asking who set it."""
    schema = Schema(server, "lost_and_overtaken")
    with PostgreSQLStore(schema.url) as store, PostgreSQLStore(schema.url) as other:
        was_merged = store._was_merged

        def overtaken(*given: object) -> bool:
            assert other.merge(batch(0)) is True
            return was_merged(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "_was_merged", overtaken)
        with pytest.raises(StoreError), first_commit_lost(monkeypatch, arrives=False):
            store.merge(batch(0))
        assert schema.sums() == (20,) * 5


def test_a_batch_without_a_source_whose_commit_is_lost_is_an_error(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "lost_without_source")
    with (
        PostgreSQLStore(schema.url) as store,
        pytest.raises(StoreError),
        first_commit_lost(monkeypatch, arrives=True),
    ):
        store.merge(batch_of([hit()]))


def test_connections_that_died_while_idle_are_replaced(server: PostgresServer) -> None:
    schema = Schema(server, "idle")
    with PostgreSQLStore(schema.url) as store:
        store.merge(batch(0))
        server.crash()
        server.start()
        assert store.position("s") == "1"
        assert store.merge(batch(1)) is True
        server.crash()
        with pytest.raises(StoreError, match="connection"):
            store.read(Selection(ALL_DAYS))
        server.start()
        assert [stats.hits for _, stats in store.read(Selection(ALL_DAYS))] == [40]


@contextmanager
def frozen(pool: connections.Pool) -> Iterator[None]:
    """The server's side of the pool's idle connection has stopped: nothing is answered, nothing is closed."""
    (connection,) = pool._idle
    pid = connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only around what has to miss them: a busy machine may miss them too."""
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "READ_TIMEOUT_S", 0.3)
        patch.setattr(store_module, "MERGE_TIMEOUT_S", 0.3)
        yield


def test_a_server_that_does_not_answer_is_given_up(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = Schema(server, "frozen")
    with PostgreSQLStore(schema.url) as store:
        store.merge(batch(0))
        store.position("s")
        busy = pytest.raises(StoreBusy, match=r"no answer within 0\.3 s")
        with short_deadlines(monkeypatch), frozen(store._readers), busy:
            store.read(Selection(ALL_DAYS))
        with short_deadlines(monkeypatch), frozen(store._writers), pytest.raises(StoreBusy):
            store.merge(batch(1))
        assert store.merge(batch(1)) is True


def test_a_merge_that_waits_for_another_too_long_is_told_so(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "waits")
    with psycopg.connect(server.url) as holder, PostgreSQLStore(schema.url) as store:
        store.merge(batch(0))
        holder.execute(f"SELECT FROM {schema.name}.sources FOR UPDATE")
        with short_deadlines(monkeypatch), pytest.raises(StoreBusy):
            store.merge(batch(1))
        holder.rollback()
        assert store.merge(batch(1)) is True


def meet(schema: Schema, monkeypatch: pytest.MonkeyPatch, *, one_backwards: bool) -> list[str]:
    """Two merges of the same consumers, each stopped behind its first row until the other has written one too."""
    write_rows, in_order = writing._write_rows, sorted
    both_wrote = threading.Barrier(2)
    backwards = threading.local()
    problems: list[str] = []

    def one_by_one(connection: connections.Connection, statement: str, rows: list[Any]) -> None:
        for row in rows:
            write_rows(connection, statement, [row])
            if "consumers" in statement:
                try:
                    both_wrote.wait(0.5)
                except threading.BrokenBarrierError:
                    pass  # the other waits for this row

    def order_of_thread(rows: Iterable[Any], key: Any = None) -> list[Any]:
        return in_order(rows, key=key, reverse=backwards.value)

    def merge(store: PostgreSQLStore, is_backwards: bool) -> None:
        backwards.value = is_backwards
        try:
            store.merge(batch(0, source=threading.current_thread().name))
        except StoreBusy as problem:
            problems.append(str(problem))

    with monkeypatch.context() as patch, PostgreSQLStore(schema.url) as one, PostgreSQLStore(schema.url) as other:
        patch.setattr(writing, "_write_rows", one_by_one)
        patch.setattr(
            writing,
            "sorted",
            lambda rows, key=None: in_order(rows, key=key, reverse=backwards.value),
            raising=False,
        )
        run_together(lambda: merge(one, False), lambda: merge(other, one_backwards))
    return problems


def test_writers_that_meet_wait_and_never_in_a_circle(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twin: rows written in an order of one's own deadlock."""
    assert meet(Schema(server, "ordered"), monkeypatch, one_backwards=False) == []
    (problem,) = meet(Schema(server, "unordered"), monkeypatch, one_backwards=True)
    assert "deadlock detected" in problem


def test_pruning_and_merging_side_by_side_leave_no_quarter_of_pruned_time(server: PostgresServer) -> None:
    schema = Schema(server, "prunes")
    done = threading.Event()

    def merge() -> None:
        try:
            with PostgreSQLStore(schema.url) as store:
                for number in range(15):
                    store.merge(batch(number))
        finally:
            done.set()

    def prune() -> None:
        with PostgreSQLStore(schema.url) as store:
            while not done.is_set():
                store.prune(86_400_000_000)

    run_together(merge, prune)
    assert server.execute(f"SELECT count(*) FROM {schema.name}.quarters") == [(0,)]
    assert server.execute(f"SELECT sum(hits)::int FROM {schema.name}.days") == [(300,)]
