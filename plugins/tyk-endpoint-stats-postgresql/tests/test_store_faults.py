"""Connections that are lost, answers that never come: a merge is known to be done, or said to be not."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from postgres_servers import PostgresServer
from store_tables import Schema, batch
from tyk_endpoint_stats_postgresql import connections
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreBusy, StoreError
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS

pytestmark = pytest.mark.slow


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
        assert schema.sums() == (40,) * 9


def test_a_commit_that_never_arrived_is_an_error_and_can_be_repeated(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = Schema(server, "lost_commit")
    with PostgreSQLStore(schema.url) as store:
        with pytest.raises(StoreError), first_commit_lost(monkeypatch, arrives=False):
            store.merge(batch(0))
        assert schema.sums() == (0,) * 9
        assert store.merge(batch(0)) is True
        assert schema.sums() == (20,) * 9


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
        assert schema.sums() == (20,) * 9


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
        server.kill()
        server.start()
        assert store.position("s") == "1"
        assert store.merge(batch(1)) is True
        server.kill()
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
