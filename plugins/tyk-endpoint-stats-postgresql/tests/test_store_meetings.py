"""Writers that meet in a row wait for each other: not for ever, and never in a circle."""

import threading
from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from postgres_servers import PostgresServer
from store_tables import Schema, batch
from tyk_endpoint_stats_postgresql import connections, writing
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.errors import StoreBusy
from tyk_endpoint_stats.testing.exam import run_together


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
