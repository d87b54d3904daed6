"""Tyk Pump's raw tables: every row once, however late and out of order it comes."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result
from postgres_servers import PostgresServer
from pump_rows import VECTORS, insert
from raw_tables import FROM_2020, Raw, not_waiting_for_open_transactions, raw_row
from tyk_endpoint_stats_postgresql.raw_position import RawPosition, parse_position

from tyk_endpoint_stats.cli.program import program
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import PluginError, SourceError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, answer_of
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.sources import SourceConformance

pytestmark = pytest.mark.slow

CASES = json.loads((VECTORS / "cases.json").read_bytes())["cases"]


class TestRawTable(SourceConformance):
    @pytest.fixture(autouse=True)
    def _server(self, server: PostgresServer) -> None:
        self.server = server

    def add_records(self, place: Path, records: Sequence[Record]) -> None:
        Raw(self.server, place.name).insert(records)

    def add_malformed(self, place: Path) -> int:
        rows = [
            raw_row(hit()) | {"timestamp": at} for at in (None, "infinity", "0044-03-15 BC", "0001-01-01 00:00Z")
        ]
        insert(self.server.url, Raw(self.server, place.name).name, rows)
        return len(rows)

    def open_source(self, place: Path) -> Source:
        return Raw(self.server, place.name).source()

    def remove(self, place: Path) -> None:
        Raw(self.server, place.name).drop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_cases_come_out_of_the_table_as_out_of_a_file(table: Raw, case: dict[str, Any]) -> None:
    records = msgspec.convert([record for record in case["records"] if record], list[Record])
    table.insert(records)
    with MemoryStore() as store, MemoryStore() as expected:
        report = ingest(store, table.source())
        plain = ingest(expected, records)
        assert report.counts == plain.counts
        selection = Selection(ALL_DAYS, EVERYTHING)
        assert answer_of(store, selection) == answer_of(expected, selection)


def late_commit(table: Raw) -> list[int]:
    """What is read before and after a transaction commits that had begun before another that is committed."""
    read = []
    with MemoryStore() as store, psycopg.connect(table.server.url) as slow:
        row = raw_row(hit(path="/slow"))
        names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
        statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        slow.execute(statement, list(row.values()))
        table.insert([hit(path="/quick")] * 2)
        read.append(ingest(store, table.source()).read)
        slow.commit()
        table.insert([hit(path="/later")])
        read += [ingest(store, table.source()).read for _ in range(2)]
        read.append(sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()))
    return read


def test_what_is_committed_late_is_read_late_and_once(table: Raw) -> None:
    """What was written behind a transaction that is still open waits for it."""
    assert late_commit(table) == [0, 4, 0, 4]


def test_a_reader_that_does_not_wait_for_open_transactions_loses_rows(
    table: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin."""
    not_waiting_for_open_transactions(monkeypatch)
    assert late_commit(table)[-1] < 4


def test_rows_that_come_late_and_in_any_order_are_read_once(table: Raw) -> None:
    """Twin: whoever goes on from the newest timestamp finds none of the later ones."""
    with MemoryStore() as store:
        table.insert([hit(FIRST_DAY + 1, path="/first")])
        assert ingest(store, table.source()).read == 1
        table.insert([hit(FIRST_DAY, path="/older"), hit(FIRST_DAY + 1, path="/same time")])
        assert ingest(store, table.source()).read == 2
        newer = f'SELECT count(*) FROM {table.name} WHERE "timestamp" > %s'
        assert table.server.execute(newer, (hit(FIRST_DAY + 1).timestamp,)) == [(0,)]


def test_rows_older_than_the_limit_are_read_the_first_time_and_not_later(table: Raw) -> None:
    url = table.url.replace(FROM_2020, "late_days=1")
    with MemoryStore() as store:
        table.insert([hit()])
        (source,) = open_sources(url)
        assert "at most 1 days older" in source.warnings[0]
        assert ingest(store, source).read == 1
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        table.insert([hit(), hit(timestamp=now)])
        assert ingest(store, source).read == 1


def test_every_shard_is_a_source_of_its_own(table: Raw) -> None:
    source = table.source()
    with MemoryStore() as store:
        table.insert([hit()])
        for day in ("20201013", "20201014"):
            replace(table, table=f"tyk_analytics_{day}").insert([hit(), hit()])
        assert [part.label.split()[-1] for part in source.parts()] == [
            "tyk_analytics",
            "tyk_analytics_20201013",
            "tyk_analytics_20201014",
        ]
        assert ingest(store, source).read == 5
        replace(table, table="tyk_analytics_20201015").insert([hit()])
        assert ingest(store, source).read == 1
        assert len(store.sources()) == 4
        with pytest.raises(SourceError, match="4 tables"):
            source.open(store.position)


def test_columns_that_an_older_pump_did_not_make_are_zero(table: Raw) -> None:
    for column in ("mcp_stats_is_mcp", "graphql_stats_is_graph_ql", "latency_upstream", "trackpath"):
        table.server.execute(f"ALTER TABLE {table.name} DROP COLUMN {column}")
    row = raw_row(hit(latency_ms=7)) | {"alias": None, "api_name": None}
    table_row = {name: value for name, value in row.items() if name in columns_of(table)}
    insert(table.server.url, table.name, [table_row])
    with MemoryStore() as store:
        assert ingest(store, table.source()).counts.counted == 1
        (stats,) = answer_of(store, Selection(ALL_DAYS)).values()
        assert (stats.max_latency_ms, stats.max_upstream_latency_ms) == (7, 0)


def columns_of(table: Raw) -> set[str]:
    rows = table.server.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND NOT attisdropped", (table.name,)
    )
    return {name for (name,) in rows}


def test_values_out_of_range_are_mended_or_rejected_with_their_row(table: Raw) -> None:
    insert(
        table.server.url,
        table.name,
        [raw_row(hit()) | {"latency_total": -5, "requesttime": 2**62}, raw_row(hit()) | {"responsecode": 2**40}],
    )
    rejected: list[Any] = []
    with MemoryStore() as store:
        report = ingest(store, table.source(), IngestOptions(on_rejected=rejected.extend))
    assert (report.counts.counted, report.counts.repaired) == (1, 1)
    (one,) = rejected
    assert "tyk_analytics, a row of 2020-10-13 07:52:20+00" in one.where
    assert b'"api_key":"k1"' in one.raw


def test_vacuum_full_changes_nothing_and_a_rewritten_table_is_an_error(table: Raw) -> None:
    """A copy of rows is new rows to whoever looks at transactions: without the error all would count again."""
    url = table.url.replace(FROM_2020, "late_days=1")
    with MemoryStore() as store:
        table.insert([hit()] * 3)
        ingest(store, open_sources(url)[0])
        table.server.execute(f"VACUUM FULL {table.name}")
        assert ingest(store, open_sources(url)[0]).read == 0
        table.server.execute(f"UPDATE {table.name} SET alias = alias")
        table.server.execute(f"VACUUM FULL {table.name}")
        with pytest.raises(SourceError, match="rewritten row by row"):
            ingest(store, open_sources(url)[0])
        table.server.execute(f"TRUNCATE {table.name}")
        table.insert([hit(timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))])
        assert ingest(store, open_sources(url)[0]).read == 1


def test_a_position_of_somebody_else_is_an_error(table: Raw) -> None:
    table.insert([hit()])
    with MemoryStore() as store:
        ingest(store, table.source())
        (progress,) = store.sources()
        store.merge(batch_of([], progress.source, progress.position, "17"))
        with pytest.raises(SourceError, match="which is no position"):
            ingest(store, table.source())


def test_positions_come_back_from_their_text() -> None:
    for position in (
        RawPosition(0, 7, 0, 1_602_575_540_000_000, 16384, "2020-10-13 07:52:20.000001+00"),
        RawPosition(7, 7, -5, 3, 0),
        RawPosition(7, 2**40, 1, 2, 3, "infinity"),
    ):
        assert parse_position(position.text()) == position
    for text in ("", "1-2", "1-2 since x to 3 file 4", "١-2 since 0 to 0 file 0"):
        assert parse_position(text) is None


def test_a_role_that_may_only_read_is_enough(table: Raw) -> None:
    table.insert([hit()])
    table.server.execute(
        "DROP ROLE IF EXISTS rawreader; CREATE ROLE rawreader LOGIN;"
        f"GRANT USAGE ON SCHEMA {table.schema} TO rawreader; GRANT SELECT ON {table.name} TO rawreader"
    )
    with MemoryStore() as store:
        assert ingest(store, open_sources(table.url.replace("postgres@", "rawreader@"))[0]).read == 1
    table.server.execute(f"REVOKE ALL ON {table.name} FROM rawreader")
    table.server.execute(f"REVOKE ALL ON SCHEMA {table.schema} FROM rawreader; DROP ROLE rawreader")


def test_what_cannot_be_read_says_why(table: Raw, server: PostgresServer) -> None:
    with MemoryStore() as store:
        server.execute(f"DROP TABLE {table.name}")
        with pytest.raises(SourceError, match="is sql among Tyk Pump's pumps"):
            ingest(store, table.source())
        server.execute(f"CREATE VIEW {table.name} AS SELECT 1 AS one")
        with pytest.raises(SourceError, match="is no table"):
            ingest(store, table.source())
        with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught:
            ingest(store, open_sources("tyk-raw+postgresql://u:hush@127.0.0.1:1/db")[0])
        assert "hush" not in str(caught.value)
    with pytest.raises(PluginError, match="late_days"):
        open_sources("tyk-raw+postgresql://h/db?late_days=soon")


def test_behind_four_billion_transactions_rows_are_still_told_apart(table: Raw) -> None:
    """The server's counter is set there, and stays; rows know its last 32 bits alone."""
    with MemoryStore() as store, MemoryStore() as other:
        table.insert([hit()] * 2)
        assert ingest(store, table.source()).read == 2
        table.server.set_epoch(1)
        table.insert([hit()])
        with pytest.raises(SourceError, match="beyond 2 billion"):
            ingest(store, table.source())
        assert ingest(other, table.source()).read == 3
        table.insert([hit()] * 4)
        assert ingest(other, table.source()).read == 4
        assert ingest(other, table.source()).read == 0


def test_the_commands_read_into_a_store_in_postgresql_and_ask_it(table: Raw) -> None:
    table.insert([hit(), hit(code=500, path="/put"), hit(code=-1)])
    store_url = f"{table.server.url}?schema={table.schema}_store"

    def run(*words: str) -> Result:
        result = CliRunner().invoke(program, words)
        assert result.exit_code == 0, result.output
        return result

    try:
        first = run("ingest", "--store", store_url, table.url)
        assert "at most 36500 days older" in first.stderr
        assert "tcp" in first.stdout
        assert "skipped" in first.stdout
        run("ingest", "--store", store_url, table.url)
        days = ("--from", "2020-10-13", "--to", "2020-10-13")
        found = run("endpoints", "--store", store_url, "--key", "k1", *days, "--format", "json")
        assert {(row["path"], row["hits"], row["error"]) for row in json.loads(found.stdout)} == {
            ("/get", 1, 0),
            ("/put", 1, 1),
        }
    finally:
        table.server.execute(f"DROP SCHEMA IF EXISTS {table.schema}_store CASCADE")
