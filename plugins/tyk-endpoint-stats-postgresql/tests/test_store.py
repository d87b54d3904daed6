"""The store sits the exam of every store, on a real server."""

import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from postgres_servers import PostgresServer
from tyk_endpoint_stats_postgresql import day_rows, reading
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore
from tyk_endpoint_stats_postgresql.texts import digest, plain, stored

from tests.lent_stores import LentStores
from tests.waiting import wait_for
from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import PluginError, StoreError, UnusableStore
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.opening import open_readable_store, open_store
from tyk_endpoint_stats.plugin_manager import load_plugins
from tyk_endpoint_stats.stores.rules import MAX_PIECES
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    Damage,
    DurableStoreConformance,
    InspectableConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
    batch_of,
    hit,
    plain_hits,
)
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTER_HOURS, EVERYTHING, check_answers
from tyk_endpoint_stats.testing.generators import FIRST_DAY

CONSUMER = f"consumer = '{digest('org-1', 'key', 'k1')}'"
ROW = f"{CONSUMER} AND endpoint = '{digest('api-1', '/get')}' AND day = {FIRST_DAY}"
DAMAGES = {
    Damage.CHANGED_ROW: f"UPDATE days SET hits = hits + 1 WHERE {ROW}",
    Damage.LOST_ROW: f"DELETE FROM days WHERE {ROW}",
    Damage.LOST_TOTAL: f"DELETE FROM totals WHERE {CONSUMER} AND day = {FIRST_DAY}",
    Damage.LESS_OF_EVERYONE: "UPDATE totals SET hits = 0 WHERE kind = 2",
    Damage.LOST_QUARTER_HOURS: f"UPDATE days SET quarter_hours = '' WHERE {ROW}",
    Damage.IMPOSSIBLE_STATE: f"UPDATE days SET last_hit_us = first_hit_us - 1 WHERE {ROW}",
    Damage.LOST_ROWS: "DELETE FROM days; DELETE FROM totals",
    Damage.UNACCOUNTED: "UPDATE sources SET counted = counted - 1",
    Damage.UNREADABLE: rf"UPDATE days SET distribution = '\x0900' WHERE {ROW}",
    Damage.NO_KIND: f"UPDATE consumers SET kind = 'lamp' WHERE {CONSUMER}",
}


class TestPostgreSQLStore(
    LentStores,
    CopyableConformance,
    DurableStoreConformance,
    InspectableConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
):
    max_examples, merges, every_combination = 5, 16, False

    @pytest.fixture(autouse=True)
    def _server(self, server: PostgresServer) -> None:
        self.server: PostgresServer = server

    def open_store(self, place: Path) -> PostgreSQLStore:
        return PostgreSQLStore(f"{self.server.url}?schema={self.name_of(place)}")

    def plant(self, place: Path, damage: Damage) -> None:
        self.server.execute(f"SET search_path = {self.name_of(place)}; {DAMAGES[damage]}")


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A store of a test's own."""
    schema = f"store_{uuid4().hex[:16]}"
    yield f"{server.url}?schema={schema}"
    server.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def schema_of(url: str) -> str:
    return url.partition("schema=")[2]


def test_the_scheme_is_introduced_and_loads_no_driver() -> None:
    assert load_plugins().stores["postgresql"].plugin == "tyk-endpoint-stats-postgresql"
    code = (
        "import sys; from tyk_endpoint_stats.plugin_manager import load_plugins;"
        "load_plugins(); sys.exit('psycopg' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_question_to_a_store_that_is_not_there_makes_none(url: str, server: PostgresServer) -> None:
    with pytest.raises(UnusableStore, match="an ingest makes it"):
        open_readable_store(url, existing=True)
    assert server.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema_of(url),)) == []
    open_store(url).close()
    open_readable_store(url, existing=True).close()


def test_a_schema_with_other_tables_is_left_alone(url: str, server: PostgresServer) -> None:
    schema = schema_of(url)
    server.execute(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.days (theirs text)")
    with pytest.raises(UnusableStore, match="holds other tables"):
        open_store(url)
    server.execute(f"CREATE TABLE {schema}.history (theirs text)")
    with pytest.raises(UnusableStore, match="holds other tables"):
        open_store(url)
    assert server.execute("SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", (schema,)) == [
        (2,)
    ]


def test_a_store_of_a_newer_version_is_left_alone(url: str, server: PostgresServer) -> None:
    open_store(url).close()
    server.execute(f"UPDATE {schema_of(url)}.history SET step = '0099_months'")
    for existing in (False, True):
        with pytest.raises(UnusableStore, match=r"0099_months.*pip install --upgrade"):
            open_readable_store(url, existing=existing)


def test_a_store_that_kept_other_rows_is_left_alone_and_what_to_do_is_said(
    url: str, server: PostgresServer
) -> None:
    schema = schema_of(url)
    server.execute(
        f"CREATE SCHEMA {schema}; SET search_path = {schema}; CREATE TABLE store (version integer NOT NULL);"
        "INSERT INTO store VALUES (1); CREATE TABLE quarters (consumer uuid); CREATE TABLE days (consumer uuid)"
    )
    with pytest.raises(UnusableStore, match=rf"ingest again into a new one .*DROP SCHEMA {schema} CASCADE"):
        open_store(url)
    assert server.execute("SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", (schema,)) == [
        (3,)
    ]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush%zz@h/db",
        "postgresql://u:hush@h/db?nonsense=hush",
        "postgresql://h/db?schema=A-B",
        "postgresql://h/db?schema=a&schema=b&password=hush",
    ],
)
def test_a_url_that_cannot_be_used_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(PluginError) as caught:
        open_store(url)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "where", ["u:hush@127.0.0.1:1/db", "u:hush?x@127.0.0.1:1/db", "127.0.0.1:1/db?user=u&password=hush"]
)
def test_a_server_that_cannot_be_reached_is_an_error_without_the_password(where: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught:
        open_store(f"postgresql://{where}")
    assert time.monotonic() - began < 10
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_a_driver_that_names_the_user_is_masked(server: PostgresServer) -> None:
    with pytest.raises(StoreError, match=r'role "\*\*\*" does not exist') as caught:
        open_store(server.url.replace("postgres@", "nobody-knows@"))
    assert "nobody-knows" not in str(caught.value)


def test_a_database_that_is_not_utf8_is_refused(server: PostgresServer) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(UnusableStore, match="ENCODING 'UTF8'"):
        open_store(server.url.removesuffix("/postgres") + "/latin")


def test_a_role_that_may_only_read_can_serve(url: str, server: PostgresServer) -> None:
    with open_store(url) as store:
        store.merge(batch_of([hit()]))
    schema = schema_of(url)
    server.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    server.execute(
        f"GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader"
    )
    with open_store(url.replace("postgres@", "reader@")) as store:
        assert [stats.hits for _, stats in store.read(Selection(ALL_DAYS))] == [1]
        assert store.facts().day_rows == 1
        assert verify(store).problems == []
        with pytest.raises(UnusableStore, match="permission denied"):
            store.merge(batch_of([hit()]))
    # The tables of a session go with its end, which the server comes to a little after the client.
    wait_for(lambda: server.execute("SELECT 1 FROM pg_stat_activity WHERE usename = 'reader'") == [])
    server.execute(f"DROP SCHEMA {schema} CASCADE; DROP ROLE reader")


def test_the_view_has_names_instead_of_keys(url: str, server: PostgresServer) -> None:
    with open_store(url) as store:
        store.merge(batch_of([hit(alias="Ann", api_name="One", latency_ms=7), hit(code=500, latency_ms=8)]))
    (found,) = server.execute(
        "SELECT day::text, org_id, kind, consumer, alias, api_name, path, hits, error, latency_ms, min_latency_ms,"
        f" last_hit::text FROM {schema_of(url)}.endpoint_days"
    )
    assert found[:7] == ("2020-10-13", "org-1", "key", "k1", "Ann", "One", "/get")
    assert found[7:] == (2, 1, Decimal("7.5"), 7, "2020-10-13 07:52:20+00")


def test_what_is_stored_keeps_the_order_of_texts_and_comes_back() -> None:
    texts = ["", "\0", "\0\0", "\0\1", "\0a", "\1", "\1\0", "\1\1", "\1\2", "\1a", "\2", "a", "a\0", "a\1", "aa"]
    assert [plain(stored(text)) for text in texts] == texts
    assert sorted(texts, key=stored) == sorted(texts)
    assert not any("\0" in stored(text) for text in texts)


def test_digests_tell_apart_what_joins_to_the_same_text() -> None:
    parts = [("a", "b"), ("ab", ""), ("", "ab"), ("a", "b", ""), ("1:a", "b"), ("a1:b",)]
    assert len({digest(*each) for each in parts}) == len(parts)


def plan_of(selection: Selection, url: str) -> str:
    """How the server finds the rows of a selection."""
    with PostgreSQLStore(url) as store, store._reading() as connection:
        source, parameters = reading._source(connection, selection, selection.spans[0])
        return "\n".join(line for (line,) in connection.execute(f"EXPLAIN SELECT sum(hits){source}", parameters))


def test_answers_seek_in_the_primary_keys(url: str, server: PostgresServer) -> None:
    """Also where most of a table is other consumers' and other days'."""
    hits = [hit(FIRST_DAY + n % 30, api_key=f"k{n % 200}", path=f"/{n}") for n in range(6000)]
    with open_store(url) as store:
        store.merge(batch_of(hits))
    schema = schema_of(url)
    server.execute(f"ANALYZE {schema}.days; ANALYZE {schema}.totals; ANALYZE {schema}.consumers")
    days = (Span(Width.DAY, FIRST_DAY, FIRST_DAY + 12),)
    for selection, index in (
        (Selection(days, frozenset({Dimension.ENDPOINT}), consumer_id="k7"), "days_pkey"),
        (Selection(days, consumer_id="k7"), "totals_pkey"),
        (Selection(days, frozenset({Dimension.BUCKET})), "totals_pkey"),
    ):
        plan = plan_of(selection, url)
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan


def test_a_row_of_many_merges_is_written_back_in_one_piece(url: str, server: PostgresServer) -> None:
    """And answers what its records do, before and after it."""
    rows = f"SELECT max(pieces) FROM {schema_of(url)}.{{}}"
    merges = MAX_PIECES + 3
    records = [hit(second=900 * n, code=200 + n % 3, latency_ms=n) for n in range(merges)]
    questions = [Selection(spans, EVERYTHING) for spans in (ALL_DAYS, ALL_QUARTER_HOURS)]
    questions += [Selection(spans) for spans in (ALL_DAYS, ALL_QUARTER_HOURS)]
    with open_store(url) as store:
        for number, record in enumerate(records, 1):
            store.merge(batch_of([record]))
            pieces = number if number <= MAX_PIECES else number - MAX_PIECES
            assert server.execute(rows.format("days")) == server.execute(rows.format("totals")) == [(pieces,)]
            if number >= MAX_PIECES - 1:
                check_answers(store, plain_hits(records[:number]), questions)


def test_a_merge_writes_back_no_more_than_its_share(
    url: str, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest waits for the next one; none is forgotten."""
    few = {table: sql.replace("LIMIT 2000", "LIMIT 3") for table, sql in day_rows._MERGES.items()}
    monkeypatch.setattr(day_rows, "_MERGES", few)
    too_long = f"SELECT count(*) FROM {schema_of(url)}.days WHERE pieces > {MAX_PIECES}"
    batch = batch_of([hit(path=f"/{n}") for n in range(10)])
    with open_store(url) as store:
        for _ in range(MAX_PIECES):
            store.merge(batch)
        left = []
        for _ in range(4):
            store.merge(batch)
            left += server.execute(too_long)
        assert left == [(7,), (4,), (1,), (0,)]


def test_rows_are_dropped_by_age_and_a_consumer_is_forgotten(url: str, server: PostgresServer) -> None:
    """Everyone's totals keep what a forgotten consumer did."""
    records = [
        hit(FIRST_DAY + day, api_key=key, org_id=org_id, oauth_id="c", alias=key)
        for day in range(3)
        for key in ("k1", "k2")
        for org_id in ("org-1", "org-2")
    ]
    by_consumer = Selection(ALL_DAYS, frozenset({Dimension.CONSUMER}))
    with PostgreSQLStore(url) as store:
        store.merge(batch_of(records, "s", None, "1"))
        # Of each day and organisation: 3 rows, 3 totals of consumers, and 2 of everyone.
        assert store.drop((FIRST_DAY + 1) * 86_400_000_000) == 2 * (3 + 3 + 2)
        records = records[4:]
        check_answers(store, plain_hits(records), [by_consumer, Selection(ALL_DAYS)])
        assert store.forget(Consumer.key("k1"), "org-1") == 2 * 2
        kept = [one for one in plain_hits(records) if (one.org_id, one.consumer_id) != ("org-1", "k1")]
        check_answers(store, kept, [by_consumer, Selection(ALL_DAYS)])
        assert store.forget(Consumer.key("k1")) == 2 * 2
        check_answers(store, [one for one in kept if one.consumer_id != "k1"], [by_consumer, Selection(ALL_DAYS)])
        assert store.forget(Consumer.oauth_client("k2")) == 0
        assert store.damage() == []
        assert {problem.where for problem in verify(store).problems} <= {"sources"}, "counts know of dropped rows"
        assert store.position("s") == "1"
    forgotten = f"SELECT count(*) FROM {schema_of(url)}.consumers WHERE 'k1' IN (id, alias)"
    assert server.execute(forgotten) == [(0,)]


def test_each_field_has_its_column_and_its_meaning(url: str, server: PostgresServer) -> None:
    open_store(url).close()
    described = server.execute(
        "SELECT attname::text, attnotnull, col_description(attrelid, attnum) FROM pg_attribute"
        f" WHERE attrelid = '{schema_of(url)}.days'::regclass AND attnum > 3 ORDER BY attnum"
    )
    fields = [(field.name, not field.optional, field.meaning) for field in FIELDS]
    assert described[: len(FIELDS)] == fields
    assert [name for name, *_ in described[len(FIELDS) :]] == ["pieces", "distribution", "quarter_hours"]
