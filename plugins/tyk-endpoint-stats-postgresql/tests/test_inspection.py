"""Damage in the tables that no answer shows is found by ``damage``, each kind of it; nothing else is."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from postgres_servers import PostgresServer
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.schema import INDEXES
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.errors import StoreBusy
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY, numbered_batch

NOBODY = "'00000000-0000-0000-0000-000000000000'"


class Filled:
    """A store with something in it, and a way past it."""

    def __init__(self, server: PostgresServer, schema: str) -> None:
        self.server, self.schema = server, schema
        self.url = f"{server.url}?schema={schema}"
        with PostgreSQLStore(self.url) as store:
            for number in range(2):
                hits = [hit(FIRST_DAY + number, path=f"/{n}", oauth_id="c\0") for n in range(3)]
                store.merge(numbered_batch(hits, "file:a\1", number))
            assert store.damage() == []

    def damaged_by(self, sql: str) -> list[str]:
        self.server.execute(f"SET search_path = {self.schema}, public; {sql}")
        with PostgreSQLStore(self.url) as store:
            found = [*store.damage()]
            assert [problem.what for problem in verify(store).problems][: len(found)] == found
            return found


@pytest.fixture
def filled(server: PostgresServer) -> Iterator[Filled]:
    schema = f"store_{uuid4().hex[:16]}"
    yield Filled(server, schema)
    server.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            "DELETE FROM endpoints WHERE path = '/1'",
            "4 rows of days refer to a row of endpoints that does not exist",
        ),
        (
            "DELETE FROM endpoints WHERE path = '/1'",
            "2 rows of totals refer to a row of endpoints that does not exist",
        ),
        (
            "DELETE FROM consumers WHERE kind = 'key'",
            "6 rows of days refer to a row of consumers that does not",
        ),
        (f"UPDATE endpoints SET endpoint = {NOBODY} WHERE path = '/1'", "1 rows of endpoints have not the key"),
        ("UPDATE consumers SET id = 'other' WHERE kind = 'key'", "1 rows of consumers have not the key"),
        ("UPDATE sources SET source = 'other'", "1 rows of sources have not the key"),
        ("UPDATE sources SET skipped = '[1]'", "a row of sources has no counts"),
        ('UPDATE sources SET malformed = \'{"read": "1"}\'', "a row of sources has no counts"),
        (
            f"UPDATE history SET pruned_before_day = {FIRST_DAY + 1}",
            "6 rows of days have quarter hours that are older than what was pruned",
        ),
        ("UPDATE totals SET kind = 4 WHERE kind = 1", "4 rows of totals are not of the kind that they say"),
        ("UPDATE totals SET kind = 1 WHERE kind = 3", "2 rows of totals are not of the kind that they say"),
        ("DROP INDEX consumers_id", "index consumers_id does not exist or is not valid"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'days_pkey'::regclass", "index days_pkey does"),
    ],
)
def test_damage_in_tables_is_found(filled: Filled, sql: str, says: str) -> None:
    found = filled.damaged_by(sql)
    assert any(text.startswith(says) for text in found), found


def test_an_index_that_lacks_a_row_is_found_where_amcheck_is_installed(
    filled: Filled, server: PostgresServer
) -> None:
    """Also the twin: without the extension nothing is seen of it."""
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'days_pkey'::regclass; COMMIT;"
    lose = (
        f"CREATE TEMPORARY TABLE kept AS SELECT * FROM days; {ready.format('false')}"
        f"DELETE FROM days; INSERT INTO days SELECT * FROM kept; COMMIT; {ready.format('true')}"
    )
    assert filled.damaged_by(f"BEGIN; {lose}") == []
    server.execute("CREATE EXTENSION amcheck SCHEMA public")
    try:
        (found,) = filled.damaged_by("SELECT")
        assert found.startswith("index days_pkey is damaged: heap tuple")
    finally:
        server.execute("DROP EXTENSION amcheck")


def test_every_index_is_known(filled: Filled, server: PostgresServer) -> None:
    names = server.execute("SELECT indexname FROM pg_indexes WHERE schemaname = %s", (filled.schema,))
    assert {name for (name,) in names} == INDEXES


def test_the_deadline_of_questions_does_not_bind_the_look(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the twin: a question, which it binds."""
    monkeypatch.setattr(store_module, "READ_TIMEOUT_S", 0.3)
    with PostgreSQLStore(filled.url) as store, psycopg.connect(filled.server.url) as other:
        other.execute(f"LOCK TABLE {filled.schema}.consumers")
        with pytest.raises(StoreBusy):
            store.outline()
        threading.Timer(0.6, other.rollback).start()
        began = time.monotonic()
        assert store.damage() == []
        assert time.monotonic() - began > 0.3
