"""Tyk Pump's own aggregates in MongoDB, read where they are, from a real server."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest
from bson import Decimal128, Int64
from bson.raw_bson import RawBSONDocument
from pump_aggregates_writer import (
    KEY,
    MOMENT,
    ORG_1,
    ORG_2,
    aggregate_documents,
    counter,
    document,
    fill,
    put,
    used,
)
from pump_writer import PumpDatabase
from tyk_endpoint_stats_mongodb import pump_pipeline
from tyk_endpoint_stats_mongodb.pump_aggregates import open_pump
from tyk_endpoint_stats_mongodb.pump_pipeline import MAX_LEVELS

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import EdgeInsideBucket, PluginError, StoreError, UnusableStore
from tyk_endpoint_stats.opening import open_readable_store, open_store
from tyk_endpoint_stats.questions.group_rows import EndpointRow
from tyk_endpoint_stats.testing import hit, plain_hits
from tyk_endpoint_stats.testing.exam import ALL_DAYS
from tyk_endpoint_stats.tyk.endpoint_key import decode_endpoint_key
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
DAY = MOMENT.date()


def rows(pump: PumpDatabase, owner: str = "k1", *, collection: str = "", **question: Any) -> list[EndpointRow]:
    """What a key did on the day of the tests."""
    with open_readable_store(pump.url("tyk-pump", collection)) as store:
        return store.endpoints(Consumer.key(owner), DAY, DAY, **question)


def hits_of(pump: PumpDatabase, owner: str = "k1", **question: Any) -> int:
    return sum(row.hits for row in rows(pump, owner, **question))


class TestOwners:
    OWNERS = ("k1", "k1.x", "k1.x.y", "k", "K1", "$where", "$a.$b", "a b/c", "ключ", "hits", "x.hits", "_id")

    def test_each_is_found_as_it_is_and_no_other_with_it(self, pump: PumpDatabase) -> None:
        """Dots are levels (Pump's defect 9): ``k1.x.y`` lies in ``k1.x``, which lies in ``k1``."""
        made = document()
        for number, owner in enumerate(self.OWNERS):
            put(made, f"keyendpoints.{owner}")[KEY] = counter(hits=2**number)
        fill(pump, made)
        assert {owner: hits_of(pump, owner) for owner in self.OWNERS} == {
            owner: 2**number for number, owner in enumerate(self.OWNERS)
        }
        with open_pump(pump.url("tyk-pump")) as store:
            assert {one.id: one.hits for one in store.consumers()} == {
                owner: 2**number for number, owner in enumerate(self.OWNERS)
            }
        for stranger in (
            "",
            ".",
            "k1.",
            ".k1",
            "x",
            "$a",
            "k1.x.y.z",
            KEY,
            f"k1.{KEY}",
            f"k1.{KEY}.hits",
            "$$ROOT",
        ):
            assert hits_of(pump, stranger) == 0, stranger

    def test_one_whose_dots_did_not_part_it_is_found_too(self, pump: PumpDatabase) -> None:
        """As other writers can name it; both ways are one consumer."""
        made = used("my.custom.key", 1)
        made["keyendpoints"]["my.custom.key"] = {KEY: counter(hits=2)}
        fill(pump, made)
        assert hits_of(pump, "my.custom.key") == 3
        with open_pump(pump.url("tyk-pump")) as store:
            assert [(one.id, one.hits) for one in store.consumers()] == [("my.custom.key", 3)]

    def test_a_very_long_one_is_a_question_like_others(self, pump: PumpDatabase) -> None:
        fill(pump, used(".".join(["a"] * 60), 5))
        assert hits_of(pump, ".".join(["a"] * 60)) == 5
        assert hits_of(pump, ".".join(["a"] * (MAX_LEVELS + 1))) == 0
        assert hits_of(pump, "." * 512) == 0

    def test_a_reader_of_the_whole_name_alone_misses_what_fell_apart(
        self, pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The twin."""
        fill(pump, used("my.custom.key"))
        assert hits_of(pump, "my.custom.key") == 1
        monkeypatch.setattr(pump_pipeline, "_paths", lambda owner: [(owner,)])
        assert hits_of(pump, "my.custom.key") == 0

    def test_a_bad_byte_in_a_name_costs_no_neighbour(self, pump: PumpDatabase) -> None:
        made = used("good", 1)
        put(made, "keyendpoints.xxxx")[KEY] = counter(hits=2)
        pump.database[ORG_1].insert_one(RawBSONDocument(bson.encode(made).replace(b"xxxx", b"\xff\xe9xx")))
        assert hits_of(pump, "good") == 1
        with open_pump(pump.url("tyk-pump")) as store:
            assert {one.id for one in store.consumers()} == {"good", "\ufffd\ufffdxx"}


class TestEveryone:
    def test_hits_are_read_where_pump_counts_them(self, pump: PumpDatabase) -> None:
        """An organisation's or an API's with untracked ones, an endpoint's with all of its API's versions."""
        made = used("k1", hits=512)
        made["total"] = counter(hits=64)
        put(made, "apiid.a.b").update(counter(hits=32))
        for key, hits in ((b"a.b:v1:/x", 8), (b"a.b:v2:/x", 4), (b"a.b:v2:/y", 2), (b"b:v2:/x", 1)):
            put(made, f"apiendpoints.{key.hex()}").update(counter(hits=hits))
        fill(pump, made)
        fill(pump, document(org_id="org-2", total=counter(hits=128)), collection=ORG_2)
        by_endpoint = frozenset({Dimension.ENDPOINT})
        with open_pump(pump.url("tyk-pump")) as store:

            def hits_by_endpoint(**asked: Any) -> dict[Any, int]:
                answer = store.read(Selection(ALL_DAYS, **asked))
                return {group.endpoint: stats.hits for group, stats in answer}

            assert hits_by_endpoint() == {None: 192}
            assert hits_by_endpoint(org_id="org-1") == {None: 64}
            assert hits_by_endpoint(api_id="a.b") == {None: 32}
            assert hits_by_endpoint(api_id="a") == {}
            assert hits_by_endpoint(path="/x") == {None: 13}
            assert hits_by_endpoint(api_id="a.b", path="/x") == {None: 12}
            both = {Endpoint("a.b", "/x"): 12, Endpoint("a.b", "/y"): 2}
            assert hits_by_endpoint(api_id="a.b", group_by=by_endpoint) == both
            assert hits_by_endpoint(kind="key") == {None: 512}
            fill(pump, document(apiendpoints={"zz": counter()}))
            with pytest.raises(StoreError, match=r"~[0-9a-f]{8} is no endpoint key"):
                hits_by_endpoint(group_by=by_endpoint)

    def test_every_hit_is_timed(self, pump: PumpDatabase) -> None:
        fill(pump, document(total=counter(hits=4, totallatency=10)))
        with open_pump(pump.url("tyk-pump")) as store:
            ((_, stats),) = store.read(Selection(ALL_DAYS))
        assert (stats.timed_hits, stats.latency_ms) == (4, 2.5)


class TestNumbers:
    def test_totals_over_documents_and_not_the_means_beside_them(self, pump: PumpDatabase) -> None:
        """Two documents of one bucket, as two pumps leave, and another hour; numbers of every type."""
        fill(
            pump,
            used(hits=3, totalrequesttime=30.0, totallatency=Int64(2**53 + 1), maxlatency=7, minlatency=3),
            used(hits=Int64(1), totalrequesttime=10, totallatency=1, maxlatency=9.0),
            used(hits=2.0, moment=MOMENT + timedelta(hours=3), minlatency=5, minupstreamlatency=4),
        )
        (row,) = rows(pump)
        assert (row.hits, row.success) == (6, 3)
        assert row.stats.total_request_time_ms == 40
        assert row.stats.total_latency_ms == 2**53 + 2
        assert (row.max_latency, row.min_latency, row.min_upstream_latency) == (9, 3, 4)
        assert row.last_hit == MOMENT + timedelta(hours=3)

    def test_what_older_pumps_did_not_write_is_absent(self, pump: PumpDatabase) -> None:
        made = document()
        put(made, "keyendpoints.k1")[KEY] = {"hits": 1, "success": 1, "totalrequesttime": 5.0}
        fill(pump, made)
        (row,) = rows(pump)
        assert row.request_time == 5
        stats = row.stats
        assert stats.max_latency_ms is stats.min_latency_ms is stats.first_hit_us is None
        assert stats.latency_percentile_ms(95) is None
        assert row.last_hit == MOMENT, "no earlier than its bucket"

    def test_codes_are_those_of_errors(self, pump: PumpDatabase) -> None:
        fill(pump, used(hits=5, errormap={"404": 2, "599": Int64(1), "4xx": 7}), used(errormap={"404": 1}))
        (row,) = rows(pump)
        assert row.stats.codes == {404: 3, 599: 1}

    def test_no_hit_is_no_row(self, pump: PumpDatabase) -> None:
        """Also none where it would lie at an edge."""
        fill(pump, used(hits=0), used(hits=0, moment=datetime(2026, 5, 5, 18, tzinfo=UTC)))
        assert rows(pump) == rows(pump, zone="Asia/Kolkata") == []

    @pytest.mark.parametrize("wrong", ["many", Decimal128("NaN"), [], float("nan")])
    def test_what_is_no_number_is_an_error_and_no_smaller_one(self, pump: PumpDatabase, wrong: Any) -> None:
        fill(pump, used(), used(hits=1, totallatency=wrong))
        with pytest.raises(StoreError, match=f"a document of {ORG_1} can't be read"):
            rows(pump)

    def test_a_key_of_no_endpoint_is_an_error_too(self, pump: PumpDatabase) -> None:
        made = used()
        made["keyendpoints"]["k1"]["!!"] = counter()
        fill(pump, made)
        with pytest.raises(StoreError, match=r"~[0-9a-f]{8} is no endpoint key"):
            rows(pump)

    def test_strange_documents_hurt_nobody(self, pump: PumpDatabase) -> None:
        odds: list[Any] = [None, 7, "x", [], [{"k1": 1}], {}]
        fill(
            pump,
            used(),
            {"orgid": "org-1"},
            {"timestamp": "yesterday", "keyendpoints": {"k1": {KEY: counter()}}},
            *({"timestamp": MOMENT, "keyendpoints": odd, "apiid": odd} for odd in odds),
            {"timestamp": MOMENT, "keyendpoints": {"k1": 7, KEY: counter()}, "apikeys": {"k1": []}},
        )
        assert hits_of(pump) == 1
        with open_pump(pump.url("tyk-pump")) as store:
            assert [one.hits for one in store.consumers()] == [1]


class TestNames:
    def test_aliases_and_names_of_apis_are_the_newest_of_the_time_asked_for(self, pump: PumpDatabase) -> None:
        later, next_day = MOMENT + timedelta(hours=1), MOMENT + timedelta(days=1)
        documents = [used("my.key", moment=moment) for moment in (MOMENT, later, next_day)]
        for made, alias, name in zip(documents, ("Ann", "Bob", "Eve"), ("One", "", "Three"), strict=True):
            put(made, "apikeys.my.key").update(counter(humanidentifier=alias))
            put(made, "apiid.api-1").update(counter(humanidentifier=name))
        fill(pump, *reversed(documents))
        (row,) = rows(pump, "my.key")
        assert row.api_name == "One"
        with open_pump(pump.url("tyk-pump")) as store:
            assert [one.alias for one in store.consumers(first=DAY, last=DAY)] == ["Bob"]
            assert [one.alias for one in store.consumers()] == ["Eve"]
            selection = Selection(ALL_DAYS, frozenset({Dimension.CONSUMER}), consumer_id="my.key")
            ((group, _),) = store.read(selection)
            assert group.alias == "Eve"


class TestTime:
    EDGE = datetime(2026, 5, 5, 18, tzinfo=UTC)
    """Midnight in Kolkata is 18:30 UTC."""

    def test_a_day_that_would_divide_an_hour_is_an_error_and_others_are_answered(self, pump: PumpDatabase) -> None:
        fill(pump, used("edge", 1, self.EDGE), used("edge", 4), used("inside", 1))
        assert hits_of(pump, "edge") == 5
        assert hits_of(pump, "edge", zone="America/New_York") == 5
        assert hits_of(pump, "inside", zone="Asia/Kolkata") == 1, "it has no hits in that hour"
        with pytest.raises(EdgeInsideBucket, match=r"60 minutes from 2026-05-05T18:00:00Z.*aggregation_time"):
            rows(pump, "edge", zone="Asia/Kolkata")
        settings = Settings(tokens=Tokens([TOKEN]), zone=ZoneInfo("Asia/Kolkata"))
        request = Request("GET", "/api/activity/keys/endpoint/edge/5/5/2026/5/5/2026", {"authorization": TOKEN})
        with open_pump(pump.url("tyk-pump")) as store:
            answer = respond(request, store, settings)
        assert (answer.status, "another time zone" in json.loads(answer.body)["Message"]) == (400, True)

    def test_an_hour_that_begins_before_the_range_counts_as_divided(self, pump: PumpDatabase) -> None:
        """It begins before the first instant asked for, and is looked at all the same."""
        fill(pump, used("edge", 1, self.EDGE))
        with open_pump(pump.url("tyk-pump")) as store, pytest.raises(EdgeInsideBucket):
            store.endpoints(Consumer.key("edge"), date(2026, 5, 6), date(2026, 5, 6), zone="Asia/Kolkata")

    def test_a_pump_in_kolkata_answers_for_kolkata_and_refuses_utc(self, pump: PumpDatabase) -> None:
        fill(pump, *(used(moment=datetime(2026, 5, 5, hour, 30, tzinfo=UTC)) for hour in (9, 17)))
        fill(pump, used(moment=datetime(2026, 5, 4, 18, 30, tzinfo=UTC)))
        fill(pump, used(moment=datetime(2026, 5, 5, 23, 30, tzinfo=UTC)))
        assert hits_of(pump, zone="Asia/Kolkata") == 3
        with pytest.raises(EdgeInsideBucket):
            rows(pump)

    def test_shorter_buckets_are_told_by_an_option(self, pump: PumpDatabase) -> None:
        """A minute before midnight in Kolkata, and one behind it."""
        minute = timedelta(minutes=1)
        edge = self.EDGE + 30 * minute
        fill(pump, used(hits=1, moment=edge - minute), used(hits=2, moment=edge))
        with open_pump(pump.url("tyk-pump", aggregation_time=1)) as store:
            (row,) = store.endpoints(Consumer.key("k1"), DAY, DAY, zone="Asia/Kolkata")
            assert row.hits == 1
            day = (DAY - date(1970, 1, 1)).days
            quarters = Selection(
                (Span(Width.QUARTER_HOUR, day * 96, day * 96 + 96),),
                frozenset({Dimension.BUCKET}),
                consumer_id="k1",
            )
            assert {
                group.bucket.number % 96: stats.hits for group, stats in store.read(quarters) if group.bucket
            } == {
                73: 1,
                74: 2,
            }
        with (
            open_pump(pump.url("tyk-pump", aggregation_time=2)) as store,
            pytest.raises(EdgeInsideBucket, match="2 minutes from 2026-05-05T18:29:00Z"),
        ):
            store.endpoints(Consumer.key("k1"), DAY, DAY, zone="Asia/Kolkata")

    def test_documents_of_any_year_are_answered(self, pump: PumpDatabase) -> None:
        fill(pump, used(moment=datetime(1, 1, 2, tzinfo=UTC)), used(moment=datetime(9999, 12, 31, 23, tzinfo=UTC)))
        with open_pump(pump.url("tyk-pump")) as store:
            assert [one.hits for one in store.consumers()] == [2]


class TestCollections:
    MIXED = "tyk_analytics_aggregates"

    def test_the_same_twice_is_read_once(self, pump: PumpDatabase) -> None:
        """With ``use_mixed_collection`` Pump writes every document into two collections."""
        made = used()
        fill(pump, made)
        fill(pump, made, collection=self.MIXED)
        assert hits_of(pump) == hits_of(pump, collection=self.MIXED) == hits_of(pump, collection=ORG_1) == 1

    def test_the_mixed_one_will_do_where_it_is_alone(self, pump: PumpDatabase) -> None:
        fill(pump, used(), {**used(), "orgid": "org-2"}, collection=self.MIXED)
        assert hits_of(pump) == 2
        assert hits_of(pump, org_id="org-2") == 1

    def test_organisations_are_kept_apart_and_new_ones_are_found(self, pump: PumpDatabase) -> None:
        fill(pump, used())
        with open_pump(pump.url("tyk-pump")) as store:
            fill(pump, {**used(hits=2), "orgid": "org-2"}, collection=ORG_2)
            assert [one.hits for one in store.consumers()] == [3]
            assert [one.hits for one in store.consumers(org_id="org-2")] == [2]
            assert store.consumers(org_id="org") == []
        assert hits_of(pump, collection=ORG_2) == 2
        assert hits_of(pump, collection="z_tyk_analyticz_aggregate_*") == 3

    @pytest.mark.parametrize("collection", ["", MIXED])
    def test_none_says_what_is_missing(self, pump: PumpDatabase, collection: str) -> None:
        pump.database["z_tyk_analyticz_org-1"].insert_one({})
        with pytest.raises(UnusableStore, match=r"holds no .*; is mongo-pump-aggregate among Tyk Pump's pumps\?"):
            open_readable_store(pump.url("tyk-pump", collection))

    def test_it_can_only_be_read_and_is_only_read(self, pump: PumpDatabase) -> None:
        fill(pump, used())
        before = pump.database.command("dbHash")["collections"]
        with pytest.raises(PluginError, match="only be read"):
            open_store(pump.url("tyk-pump"))
        rows(pump)
        assert pump.database.command("dbHash")["collections"] == before

    def test_a_bad_option_is_an_error(self) -> None:
        for minutes in ("0", "61", "1.5", "x", "", "9" * 20):
            with pytest.raises(PluginError, match="aggregation_time is a whole number from 1 to 60"):
                open_readable_store(f"tyk-pump+mongodb://localhost/d?aggregation_time={minutes}")


def test_the_command_line_prints_what_is_there_and_leaves_the_rest_empty(pump: PumpDatabase) -> None:
    from click.testing import CliRunner

    from tyk_endpoint_stats.cli.program import program

    documents = aggregate_documents(plain_hits([hit(code=500), hit(alias="Ann")]))
    fill(pump, *documents)
    asked = ["--key", "k1", "--from", "2020-10-13", "--to", "2020-10-13", "--format", "json"]
    result = CliRunner().invoke(program, ["endpoints", "--store", pump.url("tyk-pump"), *asked])
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)
    assert (found["hits"], found["codes"]) == (2, {"500": 1})
    assert found["first_hit"] is found["p95"] is None
    assert decode_endpoint_key(next(iter(documents[0]["keyendpoints"]["k1"]))).path == found["path"]
