"""The MongoDB store beyond the contract: its documents, plans, and what was left open."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pymongo
import pytest
import tyk_endpoint_stats_mongodb.lanes as lanes_module
from bson.raw_bson import RawBSONDocument
from histories import batch
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb.documents import key_of
from tyk_endpoint_stats_mongodb.layout import LANES, SHARD_KEY, lane_of
from tyk_endpoint_stats_mongodb.reading import pipeline_of
from tyk_endpoint_stats_mongodb.store import (
    MongoStore,
    StandaloneStore,
    open_mongodb,
)
from tyk_endpoint_stats_mongodb.writes import compact, fenced_writes, plain_writes

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.fields import FIELDS, NAMES
from tyk_endpoint_stats.core.histogram import bin_of
from tyk_endpoint_stats.core.packed import pack_distribution, unpack_distribution
from tyk_endpoint_stats.core.selection import Dimension, RowKind, Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.rules import MAX_PIECES
from tyk_endpoint_stats.testing import batch_of, hit, plain_hits
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTER_HOURS, EVERYTHING, answer_of, check_answers
from tyk_endpoint_stats.testing.generators import FIRST_DAY

SPANS = (Span(Width.QUARTER_HOUR, 90, 96), Span(Width.DAY, 1, 400), Span(Width.QUARTER_HOUR, 38400, 38450))
BY_ENDPOINT, BY_CONSUMER = frozenset({Dimension.ENDPOINT}), frozenset({Dimension.CONSUMER})


@pytest.fixture
def standalone_url(standalone: MongoServer) -> Iterator[str]:
    name = standalone.take()
    yield standalone.database_url(name)
    standalone.give_back(name)


# --- documents


def test_a_row_is_a_document_and_no_id_is_a_field(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of([hit(path="/$a.b\0", api_key="$k.k", api_id="a.b")]))
        rows = {row["_id"]["of"]: row for row in store._layout.day_rows.find({}, {"ap": 0})}
    assert {of: list(row["_id"].values())[1:] for of, row in rows.items()} == {
        "endpoint of consumer": [FIRST_DAY, "org-1", "key", "$k.k", "a.b", "/$a.b\0"],
        "consumer": [FIRST_DAY, "org-1", "key", "$k.k"],
        "endpoint": [FIRST_DAY, "org-1", "everyone", "", "a.b", "/$a.b\0"],
        "everything": [FIRST_DAY, "org-1", "everyone", ""],
    }
    row = rows["endpoint of consumer"]
    assert list(row["_id"]) == ["of", "day", "org_id", "kind", "consumer", "api_id", "path"]
    assert set(row) == {"_id", *NAMES, "distribution", "quarter_hours"}
    assert unpack_distribution(b"".join(row["distribution"])) == ({200: 1}, {bin_of(10): 1})
    assert rows["consumer"]["quarter_hours"] == []


def test_what_a_state_lacks_is_no_field(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of([hit(code=500, latency=None)]))
        (row,) = store._layout.day_rows.find({"_id.of": "everything"})
        assert {field.name for field in FIELDS if field.name not in row} == {
            field.name for field in FIELDS if field.optional
        }
        store.merge(batch_of([hit(code=500, latency_ms=7)]))
        (state,) = answer_of(store, Selection(ALL_DAYS)).values()
    assert (state.hits, state.timed_hits, state.latency_ms, state.min_latency_ms) == (2, 1, 7, 7)
    assert state.min_latency_non_error_ms is None


# --- pieces


def pieces(store: MongoStore) -> dict[str, tuple[int, int]]:
    found = store._layout.day_rows.find({})
    return {row["_id"]["of"]: (len(row["distribution"]), len(row["quarter_hours"])) for row in found}


def test_merges_append_and_who_merges_puts_many_pieces_together(url: str) -> None:
    records = [hit(FIRST_DAY, 900 * (number % 5), code=(200, 404)[number % 2]) for number in range(MAX_PIECES + 2)]
    with open_mongodb(url) as store:
        for number, record in enumerate(records, 1):
            store.merge(batch_of([record]))
            expected = 1 if number == MAX_PIECES + 1 else number if number <= MAX_PIECES else 2
            assert pieces(store) == {
                of.value: (expected, 0 if of is RowKind.CONSUMER else expected) for of in RowKind
            }, number
        check_answers(
            store, plain_hits(records), [Selection(ALL_DAYS, EVERYTHING), Selection(ALL_QUARTER_HOURS, EVERYTHING)]
        )
        assert verify(store).problems == []


def test_a_row_that_changed_meanwhile_keeps_what_came(url: str) -> None:
    """Whoever puts pieces together compares and sets; a twin that only sets loses the piece that came."""
    with open_mongodb(url) as store:
        rows = store._layout.day_rows
        store.merge(batch_of([hit()]))
        store.merge(batch_of([hit()]))
        known = {tuple(row["_id"].values()): MAX_PIECES for row in rows.find({}, {"_id": 1})}
        wanted = list(rows.find({}, {"_id": 1}))
        late = hit(code=404)

        class Meanwhile:
            """The collection; another batch is merged between looking at pieces and writing them back."""

            def find(self, *arguments: Any, **options: Any) -> list[Any]:
                found = list(rows.find(*arguments, **options))
                store.merge(batch_of([late]))
                return found

            def bulk_write(self, writes: list[Any], **options: Any) -> None:
                rows.bulk_write([alter(write) for write in writes], **options)

        alter: Callable[[Any], Any] = lambda write: write  # noqa: E731
        compact(Meanwhile(), known, wanted)  # type: ignore[arg-type]
        assert verify(store).problems == []
        assert set(pieces(store).values()) == {(3, 3), (3, 0)}
        compact(rows, known, wanted)
        assert set(pieces(store).values()) == {(1, 1), (1, 0)}
        alter = lambda write: pymongo.UpdateOne({"_id": write._filter["_id"]}, write._doc)  # noqa: E731
        compact(Meanwhile(), known, wanted)  # type: ignore[arg-type]
        assert verify(store).problems != []


def test_a_damaged_row_holds_no_batch_up(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of([hit()], "s", None, "1"))
        broken = {"$set": {"distribution": [b"\x09"] * MAX_PIECES}}
        store._layout.day_rows.update_one({"_id.of": "everything"}, broken)
        assert store.merge(batch_of([hit(), hit(path="/b")], "s", "1", "2"))
        assert store.position("s") == "2"
        assert "packed value of version 9" in str([problem.what for problem in verify(store).problems])


def test_a_row_of_before_a_sum_was_added_has_none_of_it_and_takes_more(url: str) -> None:
    """No step of the schema is needed for a new sum."""
    with open_mongodb(url) as store:
        store.merge(batch_of([hit()]))
        store._layout.day_rows.update_many({}, {"$unset": {"success": ""}})
        for distributions in (True, False):
            (state,) = answer_of(store, Selection(ALL_DAYS, BY_ENDPOINT, distributions=distributions)).values()
            assert (state.hits, state.success) == (1, 0)
        store.merge(batch_of([hit()]))
        (state,) = answer_of(store, Selection(ALL_DAYS, BY_ENDPOINT)).values()
        assert (state.hits, state.success) == (2, 1)


def test_values_are_never_operators(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of([hit(api_key="k"), hit(api_key="$ne")]))
        for odd in ("$ne", "$gt"):
            answer = answer_of(store, Selection(ALL_DAYS, EVERYTHING, consumer_id=odd))
            assert len(answer) == (odd == "$ne")


def test_bytes_that_are_no_utf8_do_not_abort_an_answer(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of([hit(alias="Ann?"), hit(path="/?")]))
        names = store._layout.names
        raw_bytes = names.codec_options.with_options(document_class=RawBSONDocument)
        (raw,) = names.with_options(codec_options=raw_bytes).find({"_id.of": "consumer"})
        names.delete_one({"_id.of": "consumer"})
        names.insert_one(RawBSONDocument(raw.raw.replace(b"Ann?", b"Ann\xff")))
        answer = answer_of(store, Selection(ALL_DAYS, EVERYTHING))
    assert {group.alias for group in answer} == {"Ann\ufffd"}


# --- plans


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for value in plan.values():
            yield from stages(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from stages(value)


def winning(store: MongoStore, selection: Selection) -> list[dict[str, Any]]:
    rows, widths = store._layout.day_rows, {span.width for span in selection.spans}
    found: list[dict[str, Any]] = []
    for width in widths:
        spans = [span for span in selection.spans if span.width is width]
        command = {"aggregate": rows.name, "pipeline": pipeline_of(selection, spans), "cursor": {}}
        explained = rows.database.command("explain", command, verbosity="queryPlanner")
        planner = explained.get("queryPlanner") or explained["stages"][0]["$cursor"]["queryPlanner"]
        found += stages(planner["winningPlan"])
    return found


@pytest.fixture(scope="module")
def filled(standalone: MongoServer) -> Iterator[MongoStore]:
    """For questions alone. Plans are the same on a replica set."""
    name = standalone.take()
    with open_mongodb(standalone.database_url(name)) as store:
        store.merge(batch_of([hit(day, path=f"/{n}", api_key=f"k{n}") for day in range(5) for n in range(20)]))
        yield store
    standalone.give_back(name)


@pytest.mark.parametrize(
    ("selection", "index"),
    [
        (Selection(SPANS, BY_ENDPOINT, kind=Kind.KEY, consumer_id="k", org_id="o"), "by_consumer"),
        (Selection(SPANS, consumer_id="k", kind=Kind.KEY), "by_consumer"),
        (Selection(SPANS, BY_CONSUMER, api_id="a", path="/get"), "by_endpoint"),
        (Selection(SPANS, BY_CONSUMER, api_id="a", path="/get", distributions=False), "by_endpoint"),
        (Selection(SPANS, api_id="a", path="/get"), "by_endpoint"),
        (Selection(SPANS, BY_CONSUMER), "_id_"),
        (Selection(SPANS), "_id_"),
        (Selection(SPANS, BY_ENDPOINT), "_id_"),
        (Selection(SPANS[:1], BY_CONSUMER, org_id="o"), "_id_"),
    ],
)
def test_a_question_seeks_in_an_index(filled: MongoStore, selection: Selection, index: str) -> None:
    plan = winning(filled, selection)
    scans = [stage for stage in plan if stage["stage"] == "IXSCAN"]
    assert {scan["indexName"] for scan in scans} == {index}
    assert len(scans) == len(selection.spans)
    assert "COLLSCAN" not in {stage["stage"] for stage in plan}
    for scan in scans:  # every part of the index that leads to the days is bound
        assert "[MinKey, MaxKey]" not in str(list(scan["indexBounds"].values())[:4])


def test_the_shard_key_leads_an_index_and_is_in_every_write_and_every_question_of_a_consumer(url: str) -> None:
    consumer = next(iter(SHARD_KEY))
    with open_mongodb(url) as store:
        indexes = store._layout.day_rows.index_information().values()
        assert any(index["key"] == list(SHARD_KEY.items()) for index in indexes)
    key = key_of(1, ("o", "key", "k"), ("a", "/get"))
    row = {"_id": key, "distribution": [], "quarter_hours": []} | dict.fromkeys(NAMES, 1)
    known = {tuple(key.values()): 1}
    for made in (plain_writes([row], known), fenced_writes([row], known, 3, 5)):
        written = made[0]._filter["_id"]["$eq"]
        assert {f"_id.{name}" for name in written} >= SHARD_KEY.keys()
    for span in SPANS:
        assert pipeline_of(Selection(SPANS, consumer_id="k"), [span])[0]["$match"][consumer] == {"$eq": "k"}


def test_more_codes_and_histograms_than_a_document_holds_are_answered(standalone_url: str) -> None:
    with open_mongodb(standalone_url) as store:
        store.merge(batch_of([hit()]))
        (row,) = store._layout.day_rows.find({"_id.of": "endpoint of consumer"})
        wide = pack_distribution({200: 1}, dict.fromkeys(range(2564), 1))
        store._layout.day_rows.insert_many(
            [row | {"_id": row["_id"] | {"path": f"/{n}"}, "distribution": [wide] * 2} for n in range(900)]
        )
        selection = Selection(ALL_DAYS, consumer_id="k1", api_id="api-1")
        (total,) = answer_of(store, selection).values()  # over 16 MB
    assert (total.hits, total.codes, total.histogram[1000]) == (901, {200: 1801}, 1800)


# --- deadlines and errors


# --- from one kind of server to the other


def test_what_was_left_open_on_a_standalone_is_finished_first(
    standalone_url: str, replica_set: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that stood alone joins a set: its documents come along, a half-merged batch among them."""

    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    with open_mongodb(standalone_url) as store:
        store.merge(batch("s", 0, 4))
        with monkeypatch.context() as patch:
            patch.setattr(lanes_module.Lanes, "_apply_names", stop)
            with pytest.raises(Stopped):
                store.merge(batch("s", 4, 9))
        collections = {name: list(getattr(store._layout, name).find()) for name in ("day_rows", "names", "sources")}
        collections |= {name: list(getattr(store._layout, name).find()) for name in ("lanes", "journal", "meta")}
    name = f"store_{uuid4().hex[:12]}"
    with pymongo.MongoClient(replica_set.url) as client:
        for kind, documents in collections.items():
            if documents:
                client[name][f"endpoint_stats.{kind}"].insert_many(documents)
    with open_mongodb(replica_set.database_url(name)) as moved:
        assert moved.position("s") == "9"
        assert moved.merge(batch("s", 9, 10))
        (total,) = answer_of(moved, Selection(ALL_DAYS)).values()
        assert total.hits == 30
        for collection, indexes in moved._layout.indexes():
            collection.create_indexes(indexes)
        assert verify(moved).problems == []
    replica_set.drop(name)


def test_opening_finishes_what_a_dead_writer_began(standalone_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mongodb(standalone_url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(lanes_module.Lanes, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                store.merge(batch("s", 0, 4))
        assert answer_of(store, Selection(ALL_DAYS)) == {}
    with open_mongodb(standalone_url) as store:
        assert isinstance(store, StandaloneStore)
        (total,) = answer_of(store, Selection(ALL_DAYS)).values()
        assert total.hits == 12
        assert store._layout.journal.count_documents({}) == 0


def test_a_journal_that_somebody_removed_is_said_so(standalone_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mongodb(standalone_url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(lanes_module.Lanes, "_finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                store.merge(batch("s", 0, 4))
        store._layout.journal.delete_many({})
        with pytest.raises(StoreError, match=r"journal of lane \d is incomplete"):
            store.merge(batch("s", 0, 4))


def test_sources_spread_over_the_lanes_the_same_everywhere() -> None:
    assert {lane_of(f"file:{number}") for number in range(200)} == set(range(LANES))
    assert (lane_of("file:1"), lane_of("file:2"), lane_of("")) == (1, 1, 4)
