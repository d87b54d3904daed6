"""Pump's raw documents: the real one, odd ones, and any bytes at all. Every document is accounted for."""

import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from hypothesis import given, settings
from hypothesis import strategies as st
from tyk_endpoint_stats_mongodb import raw_records
from tyk_endpoint_stats_mongodb.raw_records import DocumentsChunk, decode_documents, split

from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.ingest.batch_builder import Wanted, collect
from tyk_endpoint_stats.sources.contract import Reading

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"
STORES = json.loads((VECTORS / "stores.json").read_text())
RECORDS = json.loads((VECTORS / "records.json").read_text())["records"]
IN_BSON = {"geo": None, "network": None, "graphql_stats": None, "mcp_stats": None, "tags": None, "api_schema": None}
MOMENT = datetime(2026, 5, 5, 12, 30, tzinfo=UTC)


def as_pump_writes(record: dict[str, Any]) -> dict[str, Any]:
    """A record of a JSON line as Pump's document: other names, dates of milliseconds, no GraphQL and no MCP."""
    document = {"_id": bson.ObjectId()}
    document |= {name.replace("_", ""): value for name, value in record.items() if name not in IN_BSON}
    document["timestamp"] = datetime.fromisoformat(record["timestamp"])
    del document["expireAt"]
    return document


def raw(**fields: Any) -> bytes:
    """A document of which no more is said than what is given."""
    return bson.encode({"_id": bson.ObjectId(), "apikey": "k", "timestamp": MOMENT} | fields)


def counts_of(page: bytes) -> tuple[DocumentsChunk, Counts]:
    """The chunk of a page, and what an ingest makes of it."""
    chunk = decode_documents(page)

    class OnePage(Reading):
        def chunks(self):
            yield chunk

    (collected,) = collect(OnePage(), "a page", Wanted(keep_rejected=True))
    return chunk, collected.batch.counts


def test_the_real_document() -> None:
    document = bson.decode(bytes.fromhex(STORES["mongo_raw_document"]["bson_hex"]))
    chunk, counts = counts_of(bson.encode({"_id": bson.ObjectId()} | document))
    assert counts == Counts(read=1, counted=1)
    (record,) = chunk.records
    assert (record.path, record.response_code, record.api_key) == ("/get", 503, "00000000")
    assert record.oauth_id == "27b35a9ed46e429eb2361e440cc4005c"
    assert (record.request_time, record.latency.total, record.latency.upstream) == (748, 748, 747)
    assert record.track_path
    assert record.alias == 'alias "quoted", ünïcode'
    assert from_datetime(chunk.instant_of(record.timestamp)) == 1_602_580_731_582_000


@pytest.mark.parametrize("vector", RECORDS, ids=[vector["name"] for vector in RECORDS])
def test_records_say_the_same_as_their_json(vector: dict[str, Any]) -> None:
    """But for what Pump does not put into its documents: microseconds, GraphQL, MCP."""
    document = as_pump_writes(vector["json"])
    page = bson.encode(document)
    if "path_bytes_hex" in vector:
        # Go writes a string's bytes as they are; Python has no string for them, so they are put in by hand.
        path, stand_in = bytes.fromhex(vector["path_bytes_hex"]), "x" * len(bytes.fromhex(vector["path_bytes_hex"]))
        page = bson.encode(document | {"path": stand_in}).replace(stand_in.encode(), path)
    chunk = decode_documents(page)
    (record,) = chunk.records
    expected = vector["expect"]
    for name in ("org_id", "api_id", "api_name", "path", "api_key", "oauth_id", "alias", "response_code"):
        assert getattr(record, name) == expected[name], name
    assert record.request_time == expected["request_time"]
    assert (record.latency.total, record.latency.upstream) == (
        expected["latency_total"],
        expected["latency_upstream"],
    )
    assert record.track_path == expected["track_path"]
    assert list(chunk.repaired) == ([0] if "path_bytes_hex" in vector else [])
    assert from_datetime(chunk.instant_of(record.timestamp)) == expected["timestamp_us"] // 1000 * 1000
    reason = Aggregator().reason_to_skip(record)
    assert reason == ("tcp" if expected["skipped"] == "tcp" else "")


@pytest.mark.parametrize(
    ("fields", "attribute", "value", "repaired"),
    [
        ({"responsecode": 200.0}, "response_code", 200, False),
        ({"responsecode": bson.Int64(404)}, "response_code", 404, False),
        ({"responsecode": None}, "response_code", 0, False),
        ({"requesttime": 12.0}, "request_time", 12, False),
        ({"requesttime": -3}, "request_time", 0, True),
        ({"requesttime": bson.Int64(2**63 - 1)}, "request_time", 10**12, True),
        ({"path": None}, "path", "", False),
        ({"trackpath": None}, "track_path", False, False),
        ({"latency": None}, "latency", raw_records.NO_LATENCY, False),
        ({"path": "/a\0b"}, "path", "/a\0b", False),
        ({"alias": "x" * 100_000}, "alias", "x" * 100_000, False),
        ({"unknown": {"a": [1, {"b": bson.Regex("x")}]}}, "api_key", "k", False),
    ],
)
def test_odd_values_count(fields: dict[str, Any], attribute: str, value: Any, repaired: bool) -> None:
    chunk, counts = counts_of(raw(**fields))
    assert getattr(chunk.records[0], attribute) == value
    assert counts == Counts(read=1, counted=1, repaired=int(repaired))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"responsecode": "200"}, "response_code is no whole number"),
        ({"responsecode": True}, "response_code is no whole number"),
        ({"responsecode": 2**40}, "response_code is out of range"),
        ({"requesttime": 1.5}, "request_time is no whole number"),
        ({"requesttime": float("nan")}, "request_time is no whole number"),
        ({"requesttime": bson.Decimal128("7")}, "request_time is no whole number"),
        ({"latency": 7}, "latency is no object"),
        ({"latency": {"total": "7"}}, "latency.total is no whole number"),
        ({"path": 7}, "path is no text"),
        ({"path": b"/"}, "path is no text"),
        ({"trackpath": 1}, "track_path is neither true nor false"),
        ({"timestamp": None}, "no timestamp"),
        ({"timestamp": datetime(1, 1, 1, tzinfo=UTC)}, "no timestamp"),
        ({"timestamp": 7}, "timestamp"),
        ({"timestamp": bson.datetime_ms.DatetimeMS(2**62)}, "timestamp"),
        ({"timestamp": bson.Timestamp(7, 7)}, "timestamp"),
        ({"timestamp": {}}, "no timestamp"),
        ({"apiid": "x" * 513}, "api_id over 512 bytes"),
    ],
)
def test_what_is_malformed_says_why_and_where_and_stops_nothing(fields: dict[str, Any], reason: str) -> None:
    identity = bson.ObjectId()
    chunk, counts = counts_of(raw() + raw(_id=identity, **fields) + raw())
    assert counts == Counts(read=3, counted=2, malformed={reason: 1})
    rejected = chunk.rejected[0] if chunk.rejected else chunk.locate(1)
    assert str(identity) in rejected.where
    assert str(identity).encode() in rejected.raw
    assert b"\n" not in rejected.raw


def test_text_for_a_date_is_read_as_text() -> None:
    chunk, counts = counts_of(raw(timestamp="2026-05-05T18:00:00.123+05:30"))
    assert counts.counted == 1
    assert chunk.instant_of(chunk.records[0].timestamp) == MOMENT + timedelta(milliseconds=123)


def test_a_bad_byte_is_one_replacement_and_its_neighbours_are_untouched() -> None:
    bad = raw(path="/xx").replace(b"/xx", b"/\xff\xe9")
    chunk, counts = counts_of(raw(path="/1") + bad + raw(path="/3"))
    assert [record.path for record in chunk.records] == ["/1", "/\ufffd\ufffd", "/3"]
    assert counts == Counts(read=3, counted=3, repaired=1)


def test_a_decoder_that_gives_a_page_up_loses_its_neighbours() -> None:
    """The twin: decoding as the driver does by itself."""
    page = raw() + raw(path="/x").replace(b"/x", b"/\xff") + raw()
    assert counts_of(page)[1].counted == 3
    with pytest.raises(bson.errors.InvalidBSON):
        bson.decode_all(page, CodecOptions(tz_aware=True))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
    | st.binary(max_size=8)
    | st.sampled_from([bson.Regex("a"), bson.MinKey(), bson.Code("x"), bson.Decimal128("NaN"), bson.ObjectId()])
    | st.integers(-(2**63), 2**63 - 1).map(bson.datetime_ms.DatetimeMS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["total", "upstream", "$ref", "$id", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.sampled_from([*raw_records.PROJECTION][1:]), VALUES, max_size=12)


EXAMPLES = pytest.mark.parametrize("examples", [25, pytest.param(2_000, marks=pytest.mark.torture)])


@EXAMPLES
def test_any_document_is_a_record_or_rejected(examples: int) -> None:
    @settings(max_examples=examples)
    @given(st.lists(FIELDS, min_size=1, max_size=5))
    def check(documents: list[dict[str, Any]]) -> None:
        page = b"".join(bson.encode({"_id": bson.ObjectId()} | document) for document in documents)
        chunk, counts = counts_of(page)
        check_accounts(page, chunk, counts)
        assert counts.read == len(documents)

    check()


@EXAMPLES
def test_any_bytes_are_records_or_rejected(examples: int) -> None:
    """Right lengths with anything inside; then single bytes changed, lengths too."""
    changes = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3)

    @settings(max_examples=examples)
    @given(st.lists(st.binary(max_size=60) | FIELDS.map(bson.encode), min_size=1, max_size=5), changes)
    def check(bodies: list[bytes], changes: list[tuple[int, int]]) -> None:
        page = bytearray().join(struct.pack("<i", len(body) + 5) + body + b"\0" for body in bodies)
        for place, value in changes:
            page[place % len(page)] = value
        check_accounts(bytes(page), *counts_of(bytes(page)))

    check()


def check_accounts(page: bytes, chunk: DocumentsChunk, counts: Counts) -> None:
    assert counts.read == counts.counted + sum(counts.skipped.values()) + sum(counts.malformed.values())
    assert counts.read == len(list(split(page))) == len(chunk.records) + len(chunk.rejected)
    assert counts.repaired <= counts.counted
    for index in range(len(chunk.records)):
        assert b"\n" not in chunk.locate(index).raw
