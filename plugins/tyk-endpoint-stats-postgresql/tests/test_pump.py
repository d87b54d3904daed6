"""Tyk Pump's own aggregates, read where they are."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from postgres_servers import PostgresServer
from pump_rows import EXACT_CODES, STORES, create_table, insert, rows_of
from tyk_endpoint_stats_postgresql.pump import PumpReader
from tyk_endpoint_stats_postgresql.pump_tables import Table

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket, PluginError, StoreError, UnusableStore
from tyk_endpoint_stats.opening import open_readable_store, open_store
from tyk_endpoint_stats.testing import Hit, ReadableStoreConformance, hit, plain_hits
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.pump import pump_answer
from tyk_endpoint_stats.testing.texts import UGLY_TEXTS
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
NOON = 1_602_590_400  # 2020-10-13T12:00:00Z


class TestPumpReader(ReadableStoreConformance):
    max_examples, every_combination = 5, False
    # No PostgreSQL holds a NUL; Pump drops an empty organisation, and counts no API without an id; the first colon
    # ends an API's id.
    ugly_texts = tuple(text for text in UGLY_TEXTS if text and "\0" not in text and ":" not in text)

    @pytest.fixture(autouse=True)
    def _server(self, server: PostgresServer) -> None:
        self.server = server

    def open_filled(self, place: Path, records: Sequence[Record]) -> PumpReader:
        self.remove_store(place)
        self.server.execute(f"CREATE SCHEMA {place.name}")
        create_table(self.server.url, "aggregate", f"{place.name}.tyk_aggregated")
        insert(self.server.url, f"{place.name}.tyk_aggregated", rows_of(plain_hits(records)))
        return PumpReader(f"{self.server.url}?schema={place.name}")

    def remove_store(self, place: Path) -> None:
        self.server.execute(f"DROP SCHEMA IF EXISTS {place.name} CASCADE")

    def expected(self, hits: Sequence[Hit], selection: Selection) -> dict[Group, EndpointStats] | None:
        answer = pump_answer(hits, selection)
        for stats in (answer or {}).values():
            stats.codes = {code: count for code, count in stats.codes.items() if code in EXACT_CODES}
            stats.min_latency_non_error_ms = stats.min_upstream_latency_non_error_ms = None
        return answer


@dataclass
class Pump:
    """A schema with Pump's table in it."""

    server: PostgresServer
    schema: str

    @property
    def url(self) -> str:
        return f"tyk-pump+{self.server.url}?schema={self.schema}"

    def insert(self, rows: list[dict[str, Any]], table: str = "tyk_aggregated") -> None:
        if not self.server.execute("SELECT to_regclass(%s)", (f"{self.schema}.{table}",))[0][0]:
            create_table(self.server.url, "aggregate", f"{self.schema}.{table}")
        insert(self.server.url, f"{self.schema}.{table}", rows)


@pytest.fixture
def pump(server: PostgresServer) -> Iterator[Pump]:
    schema = f"pump_{uuid4().hex[:16]}"
    server.execute(f"CREATE SCHEMA {schema}")
    yield Pump(server, schema)
    server.execute(f"DROP SCHEMA {schema} CASCADE")


def vector_rows(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that Pump's own code left, as rows of its table."""
    same = ("timestamp", "org_id", "dimension", "dimension_value")
    renamed = {"last_time": "counter_last_time"}
    left_out = {*same, "bucket", "owner", "api_id", "path"}
    return [
        {name: row[name] for name in same}
        | {renamed.get(name, f"counter_{name}"): value for name, value in row.items() if name not in left_out}
        for row in case["sql"]
    ]


@pytest.mark.parametrize("case", STORES["pump_store_outputs"], ids=lambda case: case["case"])
def test_the_routes_answer_with_the_numbers_that_pump_left(pump: Pump, case: dict[str, Any]) -> None:
    pump.insert(vector_rows(case))
    routes = {"keyendpoints": "keys", "oauthendpoints": "oauthid"}
    settings = Settings(tokens=Tokens([TOKEN]))
    with open_readable_store(pump.url) as store:
        for row in case["sql"]:
            path = f"/api/activity/{routes[row['dimension']]}/endpoint/{row['owner']}/13/10/2020/13/10/2020"
            answer = respond(Request("GET", path, {"authorization": TOKEN}), store, settings)
            assert answer.status == 200
            (found,) = (one for one in json.loads(answer.body)["data"] if one["id"]["path"] == row["path"])
            assert found["id"]["api_id"] == row["api_id"]
            for name in (
                *("hits", "success", "error", "request_time", "latency", "upstream_latency"),
                *("max_latency", "min_latency", "max_upstream_latency", "min_upstream_latency"),
            ):
                assert found[name] == row[name], name
            assert datetime.fromisoformat(found["last_hit"]) == datetime.fromisoformat(row["last_time"])


def row(owner: str = "k", hits: int = 1, timestamp: int = NOON, **more: Any) -> dict[str, Any]:
    return {
        "timestamp": timestamp,
        "org_id": "o",
        "dimension": "keyendpoints",
        "dimension_value": f"{owner}.YTov",
        "counter_hits": hits,
        "counter_total_request_time": 10 * hits,
        "counter_last_time": datetime.fromtimestamp(timestamp, UTC),
    } | more


def hits_of(store: Any, owner: str, **more: Any) -> int:
    day = date(2020, 10, 13)
    return sum(found.hits for found in store.endpoints(Consumer.key(owner), day, day, **more))


def test_an_owner_is_found_as_it_is_and_no_other_with_it(pump: Pump) -> None:
    """Twin: a search by LIKE finds two more for ``k_x``."""
    owners = ["k1", "k1.x", "k1.x.y", "k_x", "kxx", "k%", "K1", "k", ".", "k1.", ".k1", "ключ", r"k\x"]
    pump.insert([row(owner, 10**number) for number, owner in enumerate(owners)])
    with open_readable_store(pump.url) as store:
        assert {owner: hits_of(store, owner) for owner in owners} == {
            owner: 10**number for number, owner in enumerate(owners)
        }
        assert {found.id: found.hits for found in store.consumers()} == {
            owner: 10**number for number, owner in enumerate(owners)
        }
    like = "SELECT count(*) FROM tyk_aggregated WHERE dimension_value LIKE %s || '.%%'"
    found = pump.server.execute(like.replace("tyk_", f"{pump.schema}.tyk_"), ("k_x",))
    assert found == [(3,)]


def test_everyones_hits_are_read_where_pump_counts_them(pump: Pump) -> None:
    """Those of an organisation or an API with untracked ones, those of an endpoint with all of its API's versions."""
    endpoint = {"dimension": "apiendpoints"}
    pump.insert(
        [
            row(hits=64, dimension="", dimension_value="total"),
            row(hits=128, dimension="", dimension_value="total", org_id="another"),
            row(hits=32, dimension="apiid", dimension_value="a"),
            row(hits=8, dimension_value=b"a:v1:/x".hex(), **endpoint),
            row(hits=4, dimension_value=b"a:v2:/x".hex(), **endpoint),
            row(hits=2, dimension_value=b"a:v2:/y".hex(), **endpoint),
            row(hits=1, dimension_value=b"b:v2:/x".hex(), **endpoint),
            row("k1", hits=512),
        ]
    )
    ever = (Span(Width.DAY, 0, 10**6),)
    by_endpoint = frozenset({Dimension.ENDPOINT})

    with open_readable_store(pump.url) as store:

        def hits(**asked: Any) -> dict[Any, int]:
            return {group.endpoint: stats.hits for group, stats in store.read(Selection(ever, **asked))}

        assert hits() == {None: 192}
        assert hits(org_id="o") == {None: 64}
        assert hits(api_id="a") == {None: 32}
        assert hits(path="/x") == {None: 13}
        assert hits(api_id="a", path="/x") == {None: 12}
        assert hits(api_id="a", group_by=by_endpoint) == {Endpoint("a", "/x"): 12, Endpoint("a", "/y"): 2}
        assert hits(path="/nothing") == {}
        pump.insert([row(dimension_value="zz", **endpoint)])
        with pytest.raises(StoreError, match=r"~[0-9a-f]{8} is no endpoint key"):
            hits(group_by=by_endpoint)


def test_shards_and_the_table_for_all_time_are_one(pump: Pump) -> None:
    """Also a bucket that was written twice, and a shard named by Pump's zone, a day off."""
    pump.insert([row(hits=1), row(hits=2)])
    pump.insert([row(hits=4)], "tyk_aggregated_20201013")
    pump.insert([row(hits=8, timestamp=NOON + 11 * 3600)], "tyk_aggregated_20201014")
    pump.insert([row(hits=16, timestamp=NOON - 12 * 3600)], "tyk_aggregated_20201012")
    pump.insert([row(hits=32, timestamp=NOON - 86_400)], "tyk_aggregated_20201011")
    pump.insert([row(hits=64)], "tyk_aggregated_20209999")
    pump.insert([row(hits=64)], "tyk_aggregated_backup")
    with open_readable_store(pump.url) as store:
        assert hits_of(store, "k") == 31
        assert [found.hits for found in store.consumers()] == [63]


def test_a_shard_is_looked_at_where_its_day_may_be_asked_for() -> None:
    shard = Table("t_20201013", date(2020, 10, 13))
    days = [date(2020, 10, 13) + timedelta(days=by) for by in range(-3, 4)]
    assert [shard.may_hold(day, day) for day in days] == [False, False, True, True, True, False, False]
    assert shard.may_hold(date.min, date.max)


def test_a_day_that_would_divide_an_hour_is_an_error_and_others_are_answered(pump: Pump) -> None:
    """Midnight in Kolkata is 18:30 UTC; only an hour with hits of this consumer matters."""
    pump.insert([row("edge", timestamp=NOON + 6 * 3600), row("inside"), row("edge", 4, NOON)])
    with open_readable_store(pump.url) as store:
        assert hits_of(store, "edge") == 5
        assert hits_of(store, "inside", zone="Asia/Kolkata") == 1
        assert hits_of(store, "edge", zone="America/New_York") == 5
        with pytest.raises(EdgeInsideBucket, match="60 minutes from 2020-10-13T18:00:00Z"):
            hits_of(store, "edge", zone="Asia/Kolkata")
        settings = Settings(tokens=Tokens([TOKEN]), zone=ZoneInfo("Asia/Kolkata"))
        path = "/api/activity/keys/endpoint/edge/13/10/2020/13/10/2020"
        answer = respond(Request("GET", path, {"authorization": TOKEN}), store, settings)
        assert (answer.status, "another time zone" in json.loads(answer.body)["Message"]) == (400, True)


def test_a_pump_in_kolkata_answers_for_kolkata_and_refuses_utc(pump: Pump) -> None:
    pump.insert([row(timestamp=NOON - 12 * 3600 + 1800), row(timestamp=NOON - 12 * 3600 - 1800)])
    with open_readable_store(pump.url) as store:
        assert hits_of(store, "k", zone="Asia/Kolkata") == 2
        with pytest.raises(EdgeInsideBucket):
            hits_of(store, "k")


def test_buckets_of_a_minute_are_told_by_an_option(pump: Pump) -> None:
    """Midnight in Kolkata is 18:30 UTC: a minute before it and one behind it."""
    edge = NOON + 6 * 3600 + 1800
    pump.insert([row(hits=1, timestamp=edge - 60), row(hits=2, timestamp=edge)])
    with open_readable_store(f"{pump.url}&aggregation_time=1") as store:
        assert hits_of(store, "k", zone="Asia/Kolkata") == 1
        selection = Selection(
            (Span(Width.QUARTER_HOUR, FIRST_DAY * 96, FIRST_DAY * 96 + 96),),
            frozenset({Dimension.BUCKET}),
            consumer_id="k",
        )
        assert {group.bucket.number % 96: stats.hits for group, stats in store.read(selection) if group.bucket} == {
            73: 1,
            74: 2,
        }
    with pytest.raises(PluginError, match="aggregation_time"):
        open_readable_store(f"{pump.url}&aggregation_time=15")


def test_what_pump_does_not_say_is_absent_and_the_rest_exact(pump: Pump) -> None:
    big = 2**53 + 1
    pump.insert(
        [
            row(hits=3, counter_success=1, counter_error=2, code_404=1, code_4x=1, counter_total_latency=big),
            row(hits=1, counter_last_time=None, counter_min_latency=7, counter_total_latency=1),
        ]
    )
    with open_readable_store(pump.url) as store:
        (found,) = store.endpoints(Consumer.key("k"), date(2020, 10, 13), date(2020, 10, 13))
    assert found.stats.total_latency_ms == big + 1
    assert found.stats.codes == {404: 1}
    assert found.stats.latency_percentile_ms(95) is None
    assert found.stats.first_hit_us is None
    assert found.stats.min_latency_ms == found.stats.min_latency_all_ms == 7
    assert found.stats.max_latency_ms is None


def test_a_hit_without_a_time_is_at_least_as_late_as_its_bucket(pump: Pump) -> None:
    pump.insert([row(counter_last_time=None), row("z", counter_last_time=datetime(1, 1, 1, tzinfo=UTC))])
    with open_readable_store(pump.url) as store:
        assert {found.last_hit for found in store.consumers()} == {datetime.fromtimestamp(NOON, UTC)}


@pytest.mark.parametrize("value", ["k.!!", "a-key-as-it-was-sent"])
def test_a_row_that_cannot_be_read_is_an_error_and_no_smaller_number(pump: Pump, value: str) -> None:
    pump.insert([row(), row(dimension_value=value)])
    with open_readable_store(pump.url) as store:
        with pytest.raises(StoreError, match=r"~[0-9a-f]{8} is no endpoint key") as problem:
            store.read(Selection((Span(Width.DAY, 0, 10**6),), frozenset(Dimension)))
        assert value not in str(problem.value)


def test_a_database_without_pumps_table_says_what_is_missing(pump: Pump) -> None:
    with pytest.raises(UnusableStore, match="sql-pump-aggregate"):
        open_readable_store(pump.url)


def test_it_can_only_be_read(pump: Pump) -> None:
    pump.insert([row()])
    with pytest.raises(PluginError, match="only be read"):
        open_store(pump.url)
    with PumpReader(pump.url) as store, store._connect() as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)


def test_the_command_line_prints_what_is_there_and_leaves_the_rest_empty(pump: Pump) -> None:
    from click.testing import CliRunner

    from tyk_endpoint_stats.cli.program import program

    pump.insert(rows_of(plain_hits([hit(code=500), hit(alias="Ann")])))
    asked = ["--key", "k1", "--from", "2020-10-13", "--to", "2020-10-13", "--format", "json"]
    result = CliRunner().invoke(program, ["endpoints", "--store", pump.url, *asked])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert (found["hits"], found["codes"]) == (2, {"500": 1})
    assert found["first_hit"] is found["p95"] is None
    listed = CliRunner().invoke(program, ["consumers", "--store", pump.url, "--format", "json"])
    assert [one["alias"] for one in json.loads(listed.stdout)] == ["Ann"]
