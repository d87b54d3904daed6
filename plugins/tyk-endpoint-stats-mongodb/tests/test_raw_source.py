"""Pump's raw collections as a source, on real servers: what is read, exactly once, and what is refused."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from mongo_servers import MongoServer
from pump_writer import MOMENT, PumpDatabase, object_id, raw_document
from pymongo import WriteConcern
from test_raw_records import RECORDS, as_pump_writes
from tyk_endpoint_stats_mongodb import raw_source
from tyk_endpoint_stats_mongodb.raw_source import RawCollection, RawCollections, RawReading, open_raw

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import PluginError, SourceError
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.opening import open_sources, open_store
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import ALL_DAYS, snapshot

SECOND = timedelta(seconds=1)
LONG_AGO = datetime(2026, 5, 5, tzinfo=UTC)


def read_all(store: Store, url: str, **options: Any) -> IngestReport:
    """Ingest whatever a URL names, as the command does."""
    (source,) = open_raw(url, **options) if options else open_sources(url)
    return ingest(store, source)


def hits(store: Store) -> int:
    return sum(stats.hits for _, stats in store.read(Selection(ALL_DAYS)))


def paths(store: Store) -> list[str]:
    answer = store.read(Selection(ALL_DAYS, frozenset({"endpoint"})))
    return sorted(group.endpoint.path for group, _ in answer)


class TestWhatIsRead:
    def test_the_vectors_come_to_the_same_as_their_json_lines(self, any_pump: PumpDatabase, tmp_path: Path) -> None:
        """Those of GraphQL and MCP are left out: Pump's documents don't tell them apart."""
        records = [
            vector["json"] for vector in RECORDS if vector["expect"]["skipped"] in {None, "no_consumer", "tcp"}
        ]
        any_pump.database.tyk_analytics.insert_many(
            [
                {**as_pump_writes(record), "_id": object_id(LONG_AGO, number)}
                for number, record in enumerate(records)
            ]
        )
        lines = tmp_path / "records.jsonl"
        for record in records:
            moment = datetime.fromisoformat(record["timestamp"])
            moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            with lines.open("a") as file:
                file.write(json.dumps(record | {"timestamp": moment.isoformat()}) + "\n")
        with MemoryStore() as ours, MemoryStore() as theirs:
            report = read_all(ours, any_pump.url("tyk-raw"))
            (file_source,) = open_sources(str(lines))
            expected = ingest(theirs, file_source).counts
            assert report.counts == expected
            assert snapshot(ours)[0] == snapshot(theirs)[0]

    def test_several_pages_whatever_is_in_them(
        self, any_pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(raw_source, "DOCUMENTS_A_PAGE", 10)
        documents = [raw_document(object_id(LONG_AGO, number), path=f"/{number:02}") for number in range(35)]
        documents[12]["responsecode"] = "OK"
        documents[20]["timestamp"] = None
        encoded = [bson.encode(document) for document in documents]
        encoded[30] = encoded[30].replace(b"/30", b"/\xff0")
        any_pump.database.tyk_analytics.insert_many([RawBSONDocument(document) for document in encoded])
        with MemoryStore() as store:
            report = read_all(store, any_pump.url("tyk-raw"))
            assert report.counts == Counts(
                read=35,
                counted=33,
                repaired=1,
                malformed={"response_code is no whole number": 1, "no timestamp": 1},
            )
            assert [named.where for named in report.named] == [f"_id {object_id(LONG_AGO, n)}" for n in (12, 20)]
            assert "/\ufffd0" in paths(store)

    def test_requests_and_responses_stay_on_the_server(self, any_pump: PumpDatabase) -> None:
        any_pump.database.tyk_analytics.insert_one(raw_document(object_id(LONG_AGO)))
        (source,) = open_raw(any_pump.url("tyk-raw"))
        with source.open(lambda source: None) as reading:
            (chunk,) = reading.chunks()
        assert b"requesttime" in chunk.page
        assert b"rawrequest" not in chunk.page

    def test_nothing_is_written(self, any_pump: PumpDatabase) -> None:
        any_pump.database.tyk_analytics.insert_one(raw_document(object_id(LONG_AGO)))
        before = any_pump.database.command("dbHash")["collections"]
        with MemoryStore() as store:
            read_all(store, any_pump.url("tyk-raw"))
        assert any_pump.database.command("dbHash")["collections"] == before


class TestExactlyOnce:
    def test_again_adds_only_what_is_new(self, any_pump: PumpDatabase) -> None:
        collection = any_pump.database.tyk_analytics
        with MemoryStore() as store:
            for number in range(3):
                collection.insert_one(raw_document(object_id(LONG_AGO + number * SECOND)))
                assert read_all(store, any_pump.url("tyk-raw")).counts.read == 1
                assert read_all(store, any_pump.url("tyk-raw")).counts.read == 0
            assert hits(store) == 3

    def test_a_renamed_collection_goes_on_and_a_new_one_of_the_same_name_begins(self, pump: PumpDatabase) -> None:
        database = pump.database
        database.tyk_analytics.insert_one(raw_document(object_id(LONG_AGO)))
        with MemoryStore() as store:
            read_all(store, pump.url("tyk-raw"))
            database.tyk_analytics.rename("old")
            assert read_all(store, pump.url("tyk-raw", "old")).counts.read == 0
            database.tyk_analytics.insert_one(raw_document(object_id(LONG_AGO, 1)))
            assert read_all(store, pump.url("tyk-raw")).counts.read == 1

    def test_documents_that_expire_in_between_do_not_matter(self, pump: PumpDatabase) -> None:
        """The selective pump's collections have a TTL: the last one read may be gone."""
        collection = pump.database["z_tyk_analyticz_org-1"]
        collection.insert_many([raw_document(object_id(LONG_AGO, number)) for number in range(3)])
        with MemoryStore() as store:
            read_all(store, pump.url("tyk-raw"))
            collection.delete_many({})
            collection.insert_one(raw_document(object_id(LONG_AGO, 3)))
            assert read_all(store, pump.url("tyk-raw")).counts.read == 1

    def test_two_readers_side_by_side_count_once(self, pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(raw_source, "DOCUMENTS_A_PAGE", 50)
        pump.database.tyk_analytics.insert_many(
            [raw_document(object_id(LONG_AGO, number), path=f"/{number % 7}") for number in range(1000)]
        )
        with MemoryStore() as store:
            readers = [threading.Thread(target=read_all, args=(store, pump.url("tyk-raw"))) for _ in range(4)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(60)
            assert hits(store) == 1000

    @pytest.mark.slow
    def test_a_server_that_dies_is_an_error_and_no_loss(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(raw_source, "ANSWER_WITHIN_S", 1.0)
        server = MongoServer(tmp_path / "data")
        server.start()
        pump = PumpDatabase(server)
        try:
            pump.database.tyk_analytics.insert_many([raw_document(object_id(LONG_AGO, n)) for n in range(5)])
            (source,) = open_raw(pump.url("tyk-raw"))
            with MemoryStore() as store:
                assert ingest(store, source).counts.read == 5
                durable = pump.database.tyk_analytics.with_options(write_concern=WriteConcern(j=True))
                durable.insert_one(raw_document(object_id(LONG_AGO, 5)))
                server.kill()
                with pytest.raises(SourceError, match="try again"):
                    ingest(store, source)
                server.start()
                assert ingest(store, source).counts.read == 1
                assert hits(store) == 6
        finally:
            pump.client.close()
            server.stop()


class Written:
    """A clock to be set, and documents that appear some time after the moment in their ids."""

    def __init__(self, pump: PumpDatabase) -> None:
        self.pump = pump
        self.now = MOMENT
        self.count = 0

    def appear(self, age_s: float) -> None:
        """A document appears now whose id says that it was written ``age_s`` ago."""
        self.count += 1
        identity = object_id(self.now - age_s * SECOND, self.count)
        self.pump.database.tyk_analytics.insert_one(raw_document(identity, path=f"/{self.count}"))

    def history(self, store: Store, source: RawCollections) -> None:
        """Two pumps, of whose clocks one is 30 s behind; writes that take up to 25 s; a run every 10 s."""
        for step in range(30):
            self.appear(age_s=step % 5)
            self.appear(age_s=30 + step * 7 % 26)
            ingest(store, source)
            self.now += 10 * SECOND
        self.now += 100 * SECOND
        ingest(store, source)


class PositionIsNow(RawReading):
    """Broken: it says it has read to now and not to the last document older than the lag."""

    def chunks(self):
        for chunk in super().chunks():
            chunk.ends = str(object_id(datetime.fromtimestamp(self._now, UTC)))
            yield chunk


class TestTheLag:
    def test_what_appears_within_the_lag_is_counted_once(self, pump: PumpDatabase) -> None:
        written = Written(pump)
        (source,) = open_raw(pump.url("tyk-raw"), clock=lambda: written.now)
        with MemoryStore() as store:
            written.history(store, source)
            assert hits(store) == written.count == 60
            assert len(paths(store)) == 60

    def test_without_a_lag_late_ones_are_lost(self, pump: PumpDatabase) -> None:
        """The twin: everything there is, up to now."""
        written = Written(pump)
        (source,) = open_raw(pump.url("tyk-raw", lag_seconds=0), clock=lambda: written.now)
        with MemoryStore() as store:
            written.history(store, source)
            assert hits(store) < written.count

    def test_a_position_of_now_loses_what_waits_for_the_lag(
        self, pump: PumpDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The twin: the right documents, the wrong position."""
        written = Written(pump)
        monkeypatch.setattr(PositionIsNow, "_now", property(lambda self: written.now.timestamp()), raising=False)
        monkeypatch.setattr(raw_source, "RawReading", PositionIsNow)
        (source,) = open_raw(pump.url("tyk-raw"), clock=lambda: written.now)
        with MemoryStore() as store:
            written.history(store, source)
            assert hits(store) < written.count

    def test_the_time_is_the_servers(self, pump: PumpDatabase) -> None:
        """A document of this moment waits; one of more than a minute ago does not."""
        now = datetime.now(UTC)
        pump.database.tyk_analytics.insert_many(
            [raw_document(object_id(now - age * SECOND), path=f"/{age}") for age in (0, 50, 70)]
        )
        with MemoryStore() as store:
            read_all(store, pump.url("tyk-raw"))
            assert paths(store) == ["/70"]
            read_all(store, pump.url("tyk-raw", lag_seconds=40))
            assert paths(store) == ["/50", "/70"]

    def test_whoever_reads_is_told(self, pump: PumpDatabase) -> None:
        (source,) = open_sources(pump.url("tyk-raw", lag_seconds=20))
        (warning,) = source.warnings
        assert "20 s after they were written" in warning


class TestWhichCollections:
    def labels(self, pump: PumpDatabase, collection: str = "") -> list[str]:
        (source,) = open_raw(pump.url("tyk-raw", collection))
        return [part.label.rpartition(" ")[2] for part in source.parts()[::2]]

    def fill(self, pump: PumpDatabase, *names: str) -> None:
        for name in names:
            pump.database[name].insert_one(raw_document(object_id(LONG_AGO)))

    def test_those_of_every_organisation_but_no_aggregates(self, pump: PumpDatabase) -> None:
        self.fill(pump, "z_tyk_analyticz_b", "z_tyk_analyticz_a", "z_tyk_analyticz_aggregate_a", "tyk_x", "other")
        both = ["z_tyk_analyticz_a", "z_tyk_analyticz_b"]
        assert self.labels(pump) == self.labels(pump, "z_tyk_analyticz_*") == both
        assert self.labels(pump, "z_tyk_analyticz_b") == ["z_tyk_analyticz_b"]
        assert self.labels(pump, "other") == ["other"]
        with MemoryStore() as store:
            assert read_all(store, pump.url("tyk-raw")).counts.read == 2

    def test_a_new_organisation_is_found_by_the_same_source(self, pump: PumpDatabase) -> None:
        self.fill(pump, "z_tyk_analyticz_a")
        (source,) = open_sources(pump.url("tyk-raw"))
        with MemoryStore() as store:
            assert ingest(store, source).counts.read == 1
            self.fill(pump, "z_tyk_analyticz_b")
            assert ingest(store, source).counts.read == 1

    def test_what_may_be_the_same_twice_has_to_be_chosen_from(self, pump: PumpDatabase) -> None:
        self.fill(pump, "z_tyk_analyticz_a", "tyk_analytics")
        with pytest.raises(SourceError, match=r"the same records twice; say which"):
            self.labels(pump)
        assert self.labels(pump, "tyk_analytics") == ["tyk_analytics"]

    @pytest.mark.parametrize("collection", ["", "tyk_analytics", "z_tyk_analyticz_*"])
    def test_none(self, pump: PumpDatabase, collection: str) -> None:
        pump.database.other.insert_one({})
        with pytest.raises(SourceError, match="holds no"):
            self.labels(pump, collection)

    def test_a_view_is_refused(self, pump: PumpDatabase) -> None:
        self.fill(pump, "tyk_analytics")
        pump.database.create_collection("seen", viewOn="tyk_analytics", pipeline=[])
        with (
            MemoryStore() as store,
            pytest.raises(SourceError, match="seen is no collection of documents but a view"),
        ):
            read_all(store, pump.url("tyk-raw", "seen"))

    @pytest.mark.parametrize("stranger", [7, "x", {"a": 1}, True, datetime(2026, 5, 5, tzinfo=UTC)])
    def test_ids_that_say_no_time_are_refused(self, pump: PumpDatabase, stranger: Any) -> None:
        self.fill(pump, "tyk_analytics")
        pump.database.tyk_analytics.insert_one(raw_document() | {"_id": stranger})
        with MemoryStore() as store, pytest.raises(SourceError, match="its _id is no ObjectId but of type"):
            read_all(store, pump.url("tyk-raw"))

    def test_a_position_that_is_none_of_its_own_is_refused(self, pump: PumpDatabase) -> None:
        self.fill(pump, "tyk_analytics")
        (source,) = open_sources(pump.url("tyk-raw"))
        with pytest.raises(SourceError, match="no ObjectId"):
            source.open(lambda source: "00000000000000000042:0123456789abcdef")


class TestUrls:
    def test_bad_ones_say_what_is_wrong_and_no_password(self) -> None:
        for url, said in {
            "tyk-raw+mongodb://u:hush@localhost": "names no database; for example: tyk-raw",
            "tyk-raw+mongodb://u:hush@localhost/d?lag_seconds=x": "lag_seconds is a whole number",
            "tyk-raw+mongodb://u:hush@localhost/d?lag_seconds=-1": "lag_seconds is a whole number",
        }.items():
            with pytest.raises(PluginError, match=said) as caught:
                open_sources(url)
            assert "hush" not in str(caught.value)

    def test_what_the_driver_refuses_too(self) -> None:
        (source,) = open_sources("tyk-raw+mongodb://u:hu:sh@localhost/d")
        with pytest.raises(PluginError) as caught:
            source.parts()
        assert "hu:sh" not in str(caught.value)

    def test_a_user_without_rights_is_told_what_he_needs(self, pump: PumpDatabase) -> None:
        (source,) = open_raw(pump.url("tyk-raw"))
        pump.have_it_fail("listCollections", errorCode=13)
        with pytest.raises(SourceError, match="give it the role read on the database"):
            source.parts()

    def test_the_driver_gets_the_rest_as_it_is(self) -> None:
        address = raw_source.parse_address(
            "tyk-raw+mongodb+srv://u:p%40@h/db.z_tyk_analyticz_*?lag_seconds=5&tls=true&appName=a", {"lag_seconds"}
        )
        assert address.driver_url == "mongodb+srv://u:p%40@h/db?tls=true&appName=a"
        assert (address.database, address.collection) == ("db", "z_tyk_analyticz_*")
        assert address.options == {"lag_seconds": "5"}
        assert address.label == "tyk-raw+mongodb+srv://***@h/db.z_tyk_analyticz_*?lag_seconds=5&tls=true&appName=a"


def test_a_forked_child_reads_with_a_client_of_its_own(pump: PumpDatabase) -> None:
    pump.database.tyk_analytics.insert_one(raw_document(object_id(LONG_AGO)))
    (source,) = open_raw(pump.url("tyk-raw"))
    with MemoryStore() as store:
        ingest(store, source)
    child = os.fork()
    if not child:
        try:
            with MemoryStore() as store:
                os._exit(0 if ingest(store, source).counts.read == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_collection_is_one_source_under_either_url(pump: PumpDatabase) -> None:
    pump.database["z_tyk_analyticz_a"].insert_one(raw_document(object_id(LONG_AGO)))
    asked: dict[str, list[str]] = {"": [], "z_tyk_analyticz_a": []}
    for collection, its_asked in asked.items():
        (part, _) = open_raw(pump.url("tyk-raw", collection))[0].parts()
        assert isinstance(part, RawCollection)
        with part.open(its_asked.append):  # type: ignore[arg-type]
            pass
    by_database, by_collection = asked.values()
    assert by_database == by_collection != []


def test_open_store_says_that_it_is_a_source(pump: PumpDatabase) -> None:
    with pytest.raises(PluginError, match="not known as a store"):
        open_store(pump.url("tyk-raw"))
