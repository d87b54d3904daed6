"""What ``kill -9`` of a writer, or of the server, may do to a store: nothing, or one whole batch."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from postgres_servers import PostgresServer
from store_tables import Schema, batch
from tyk_endpoint_stats_postgresql import connections, sources
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tests.children import in_child, kill
from tests.waiting import wait_for
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.errors import PositionConflict, StoreError


@contextmanager
def position_in_a_transaction_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The broken twin: the position is committed before the rows."""
    advance = sources.advance

    def advance_and_commit(connection: connections.Connection, made: Batch, merged_by: object) -> bool:
        is_new = advance(connection, made, merged_by)
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        return is_new

    with monkeypatch.context() as patch:
        patch.setattr(sources, "advance", advance_and_commit)
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
            before = schema.sums()
            wait_for(lambda before=before: schema.sums() != before)  # type: ignore[misc]
            # A random moment of their life, after they merged something: the pause is what the test is about.
            time.sleep(rng.uniform(0, 0.2))
            if number % crash_every == 0:
                server.kill()
                server.start()
                time.sleep(rng.uniform(0.05, 0.2))
        finally:
            for child in children:
                kill(child)
        assert schema.is_whole(), schema.sums()


def test_random_kills_of_writers_and_server_lose_nothing_and_count_nothing_twice(
    server: PostgresServer, seed: int
) -> None:
    schema = Schema(server, "random_faults")
    random_faults(schema, ("shared", "shared", "alone"), 4, seed, crash_every=2)
    assert schema.sums()[0] > 0


@pytest.mark.torture
def test_two_hundred_random_kills_and_forty_of_the_server(server: PostgresServer, seed: int) -> None:
    """Eight writers, four of them on one source."""
    sources = ("shared",) * 4 + tuple(f"source {number}" for number in range(4))
    random_faults(Schema(server, "torture"), sources, 200, seed + 1000, crash_every=5)
