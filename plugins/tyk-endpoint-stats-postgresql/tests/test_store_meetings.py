"""Writers that meet in a row wait for each other: not for ever, and never in a circle."""

import threading
from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from postgres_servers import PostgresServer
from store_tables import Schema, batch
from tyk_endpoint_stats_postgresql import connections, names
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.errors import StoreBusy
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import run_together

pytestmark = pytest.mark.slow


def test_a_merge_that_waits_for_another_too_long_is_told_so(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "waits")
    with psycopg.connect(server.url) as holder, PostgreSQLStore(schema.url) as store:
        store.merge(batch(0))
        holder.execute(f"SELECT FROM {schema.name}.sources FOR UPDATE")
        with monkeypatch.context() as patch:
            patch.setattr(store_module, "MERGE_TIMEOUT_S", 0.3)
            with pytest.raises(StoreBusy):
                store.merge(batch(1))
        holder.rollback()
        assert store.merge(batch(1)) is True


def meet(schema: Schema, monkeypatch: pytest.MonkeyPatch, *, one_backwards: bool) -> list[str]:
    """Two merges of the same consumers, each stopped behind its first row until the other has written one too."""
    write_rows, in_order = names._write, sorted
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
        patch.setattr(names, "_write", one_by_one)
        patch.setattr(
            names,
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


def test_pruning_and_merging_side_by_side_leave_no_quarter_hour_of_pruned_time(server: PostgresServer) -> None:
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
    for table in ("days", "totals"):
        left = f"SELECT count(*) FROM {schema.name}.{table} WHERE quarter_hours <> ''"
        assert server.execute(left) == [(0,)]
    assert server.execute(f"SELECT sum(hits)::int FROM {schema.name}.days") == [(300,)]


def drop_while_merging(schema: Schema) -> list[str]:
    """Drop all rows again and again while another merges; what ``verify`` finds afterwards."""
    done = threading.Event()

    def merge() -> None:
        try:
            with PostgreSQLStore(schema.url) as store:
                for number in range(25):
                    store.merge(batch(number))
        finally:
            done.set()

    def drop() -> None:
        with PostgreSQLStore(schema.url) as store:
            while not done.is_set():
                store.drop(86_400_000_000)

    run_together(merge, drop)
    with PostgreSQLStore(schema.url) as store:
        return problems_of(store)


def problems_of(store: PostgreSQLStore) -> list[str]:
    """But for the counts of sources, which know of dropped rows."""
    return [problem.what for problem in verify(store).problems if problem.where != "sources"]


def test_dropping_and_merging_side_by_side_leave_totals_with_their_rows(server: PostgresServer) -> None:
    assert drop_while_merging(Schema(server, "drops")) == []


def drop_around_a_merge(schema: Schema, monkeypatch: pytest.MonkeyPatch, *, is_alone: bool) -> list[str]:
    """Stop a drop between its two tables until a merge is through, or has waited; what ``verify`` finds afterwards."""
    is_between, is_merged = threading.Event(), threading.Event()

    def stopped(connection: connections.Connection, day: int) -> int:
        dropped = connection.execute("DELETE FROM days WHERE day < %s", (day,)).rowcount
        is_between.set()
        is_merged.wait(0.5 if is_alone else 30)
        return dropped + connection.execute("DELETE FROM totals WHERE day < %s", (day,)).rowcount

    def merge(store: PostgreSQLStore) -> None:
        is_between.wait(30)
        store.merge(batch_of([hit(0, api_key="another", path="/another")]))
        is_merged.set()

    with monkeypatch.context() as patch, PostgreSQLStore(schema.url) as one, PostgreSQLStore(schema.url) as other:
        one.merge(batch_of([hit(0)]))
        patch.setattr(store_module, "drop_before", stopped)
        if not is_alone:
            patch.setattr(store_module, "_PRUNED_TO", "SELECT %s")
            patch.setattr(one, "_lock_key", one._lock_key + 1)
        run_together(lambda: one.drop(86_400_000_000), lambda: merge(other))
        return problems_of(one)


def test_a_merge_waits_for_a_drop(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twin: a drop that takes no lock takes a batch's totals and leaves its rows."""
    assert drop_around_a_merge(Schema(server, "waited"), monkeypatch, is_alone=True) == []
    assert drop_around_a_merge(Schema(server, "alone"), monkeypatch, is_alone=False) != []
