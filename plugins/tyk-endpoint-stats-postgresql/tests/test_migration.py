"""Tables of an earlier version are brought up to date: all steps or none, once, and nobody writes meanwhile."""

from collections.abc import Iterator

import psycopg
import pytest
from postgres_servers import PostgresServer
from store_tables import Schema, batch
from tyk_endpoint_stats_postgresql import schema as schema_module
from tyk_endpoint_stats_postgresql import store as store_module
from tyk_endpoint_stats_postgresql.schema import STEPS
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore, open_existing_postgresql

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.errors import StoreError, UnusableStore
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import run_together, snapshot

NOTES = ("0002_notes", "CREATE TABLE notes (note text); INSERT INTO notes VALUES ('taken')")
BROKEN = ("0003_broken", "CREATE TABLE halves (half integer); SELECT 1 / 0")
AGAIN = ("0003_again", "ALTER TABLE consumers ADD COLUMN note text")


def knowing(monkeypatch: pytest.MonkeyPatch, *steps: tuple[str, str]) -> None:
    """A version of this plugin that knows more steps."""
    for module in (schema_module, store_module):
        monkeypatch.setattr(module, "STEPS", (*STEPS, *steps))


@pytest.fixture
def schema(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Schema]:
    """A store of today with a batch in it."""
    made = Schema(server, request.node.name[:60].lower())
    with PostgreSQLStore(made.url) as store:
        store.merge(batch(0))
    yield made
    server.execute(f"DROP SCHEMA {made.name} CASCADE")


def test_a_store_takes_the_steps_it_lacks_once(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whichever of eight opens it first, also where only what exists is opened; what it holds stays."""
    with PostgreSQLStore(schema.url) as store:
        before = snapshot(store)
    knowing(monkeypatch, NOTES, AGAIN)
    run_together(*[lambda: open_existing_postgresql(schema.url).close()] * 8)
    assert schema.server.execute(f"SELECT note FROM {schema.name}.notes") == [("taken",)]
    with PostgreSQLStore(schema.url) as store:
        assert store.facts().schema == "0003_again"
        assert snapshot(store) == before
        store.merge(batch(1))
        assert verify(store).problems == []
    assert schema.is_whole()


def test_a_store_of_an_earlier_version_gets_the_table_of_growth(schema: Schema) -> None:
    with PostgreSQLStore(schema.url) as store:
        store.merge(batch_of([hit(20_000)]))
    schema.server.execute(
        f"DROP TABLE {schema.name}.growth; UPDATE {schema.name}.history SET step = '0001_day_rows'"
    )
    with open_existing_postgresql(schema.url) as store:
        assert store.growth() == {}
        store.merge(Batch(growth={20_000: Grown(1, 5)}))
        assert store.growth() == {20_000: Grown(1, 5)}
        assert verify(store).problems == []


def test_a_step_that_fails_leaves_all_as_it_was(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        knowing(patch, NOTES, BROKEN)
        with pytest.raises(StoreError, match="division by zero"):
            PostgreSQLStore(schema.url)
    assert schema.server.execute("SELECT to_regclass(%s)", (f"{schema.name}.notes",)) == [(None,)]
    with PostgreSQLStore(schema.url) as store:
        assert store.facts().schema == STEPS[-1][0]
        assert store.merge(batch(1)) is True


def test_tables_that_were_changed_under_an_open_store_are_written_to_no_more(
    schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step waits for merges that go on; whoever comes later is told."""
    with PostgreSQLStore(schema.url) as old:
        with monkeypatch.context() as patch:
            knowing(patch, NOTES)
            PostgreSQLStore(schema.url).close()
        for write in (lambda: old.merge(batch(1)), lambda: old.prune(0), lambda: old.drop(0)):
            with pytest.raises(UnusableStore, match=r"changed.*0002_notes"):
                write()
    with pytest.raises(UnusableStore, match=r"0002_notes.*pip install --upgrade"):
        PostgreSQLStore(schema.url)
    assert schema.sums() == (20,) * 9


def test_a_role_that_may_only_read_does_not_change_tables(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    server, name = schema.server, schema.name
    server.execute(
        "DROP ROLE IF EXISTS looker; CREATE ROLE looker LOGIN;"
        f"GRANT USAGE ON SCHEMA {name} TO looker; GRANT SELECT ON ALL TABLES IN SCHEMA {name} TO looker"
    )
    knowing(monkeypatch, NOTES)
    with pytest.raises(UnusableStore, match="permission denied"):
        open_existing_postgresql(schema.url.replace("postgres@", "looker@"))
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY looker; DROP ROLE looker")
    assert server.execute(f"SELECT step FROM {name}.history") == [(STEPS[-1][0],)]
