"""Odd elements: every one is a record, mended or not, or has a reason; none raises or stops the others."""

import struct
from datetime import UTC, datetime
from random import Random

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tyk_elements import NAMES, go_value, msgpack_element, protobuf_element
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of

from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.core.instants import from_datetime

RECORD = {
    "path": "/a",
    "api_key": "k",
    "response_code": 200,
    "timestamp": "2020-10-13T07:52:49.123456789Z",
    "latency": {"total": 7, "upstream": 5},
    "request_time": 7,
}
GOOD = {"msgpack": msgpack_element(RECORD), "protobuf": protobuf_element(RECORD)}
AT_US = 1602575569123456


def outcome(serializer, element):
    """What becomes of one element between two good ones: the record or the reason, and whether it was mended."""
    good = GOOD[serializer]
    chunk = decode_elements(decoder_of(serializer), "list", 11, [good, element, good], "1:3")
    aggregator = Aggregator()
    malformed = aggregator.add(chunk.records, chunk.instant_of)
    assert len(chunk.records) + len(chunk.rejected) == 3
    batch = aggregator.close()
    assert batch.counts.read == batch.counts.counted + sum(batch.counts.skipped.values()) + len(malformed)
    assert chunk.size == len(element) + 2 * len(good)
    if chunk.rejected:
        (rejected,) = chunk.rejected
        assert (rejected.where, rejected.raw) == ("list, record 12", element)
        return rejected.reason, False
    if malformed:
        ((index, reason),) = malformed
        located = chunk.locate(index)
        assert (located.where, located.raw) == ("list, record 12", element)
        return reason, False
    if batch.counts.skipped:
        return next(iter(batch.counts.skipped)), bool(chunk.repaired)
    return chunk.records[1], bool(chunk.repaired)


def packed(**members):
    return msgpack.packb(go_value(RECORD) | members, use_bin_type=True)


def instant(record):
    aggregator = Aggregator()
    assert not aggregator.add([record], decode_elements(decoder_of("msgpack"), "", 1, [], "").instant_of)
    return aggregator.close().newest_us


def test_a_map_with_fewer_keys_and_one_with_more():
    old = {name: value for name, value in go_value(RECORD).items() if name in NAMES[:21]}
    record, repaired = outcome("msgpack", msgpack.packb(old))
    assert (record.path, record.latency.total, record.alias, repaired) == ("/a", 0, "", False)
    record, repaired = outcome("msgpack", packed(NewIn6=[{"a": {1: None}}], Another="x"))
    assert (record.path, record.latency.total, repaired) == ("/a", 7, False)
    assert outcome("msgpack", b"\x80") == ("no timestamp", False)
    assert outcome("protobuf", b"") == ("no timestamp", False)


def test_keys_in_any_order():
    members = go_value(RECORD)
    backwards = msgpack.packb({name: members[name] for name in reversed(NAMES)})
    assert outcome("msgpack", backwards)[0].path == "/a"


def timed(raw):
    """An element whose time is these bytes."""
    return packed(TimeStamp="@@").replace(b"\xa2@@", raw)


@pytest.mark.parametrize(
    "raw",
    [
        msgpack.packb([1602575569, 123456789]),
        msgpack.packb([1602575568, 1_123_456_789]),
        msgpack.packb(msgpack.Timestamp(1602575569, 123456789)),
        b"\xc7\x0c\xff" + struct.pack(">Iq", 123456789, 1602575569),
    ],
)
def test_times_in_every_form(raw):
    assert instant(outcome("msgpack", timed(raw))[0]) == AT_US


def test_a_time_of_whole_seconds_and_before_1970():
    whole = b"\xd6\xff" + struct.pack(">I", 1602575569)
    assert instant(outcome("msgpack", timed(whole))[0]) == 1602575569 * 10**6
    before = from_datetime(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    for raw in (msgpack.packb([-1, 999_999_999]), b"\xc7\x0c\xff" + struct.pack(">Iq", 999_999_999, -1)):
        assert instant(outcome("msgpack", timed(raw))[0]) == before
    element = protobuf_element(RECORD | {"timestamp": "1969-12-31T23:59:59.999999999Z"})
    assert instant(outcome("protobuf", element)[0]) == before


def test_a_struct_may_be_an_array():
    members = go_value(RECORD)
    latency, stats = [7, 5, 2], ["", None, None, None, 0, False, False]
    values = [members[name] if name != "Latency" else latency for name in NAMES]
    record, repaired = outcome("msgpack", msgpack.packb(values))
    assert (record.path, record.latency.total, record.latency.upstream, repaired) == ("/a", 7, 5, False)
    record, _ = outcome("msgpack", packed(Latency=latency, GraphQLStats=stats, MCPStats=[False]))
    assert record.latency.upstream == 5
    assert outcome("msgpack", packed(MCPStats=[True, "", "", ""]))[0] == "mcp"
    assert outcome("msgpack", packed(GraphQLStats=[*stats[:-1], True]))[0] == "graphql"


def test_bytes_that_are_not_utf_8_become_replacement_characters():
    bad = packed(Path="/X").replace(b"\xa2/X", b"\xa4/\xe9\xff/")
    record, repaired = outcome("msgpack", bad)
    assert (record.path, repaired) == ("/\ufffd\ufffd/", True)
    record, repaired = outcome("msgpack", packed(Path=b"/bin\xc3\xa9"))
    assert record.path == "/bin\u00e9"
    proto = protobuf_element(RECORD | {"path": "/XX"}).replace(b"/XX", b"/\xe9\xff")
    record, repaired = outcome("protobuf", proto)
    assert (record.path, repaired) == ("/\ufffd\ufffd", True)
    unread = packed(UserAgent="XY").replace(b"XY", b"\xe9\xff")
    assert outcome("msgpack", unread)[0].path == "/a"


@pytest.mark.parametrize("milliseconds", [-1, 2**63 - 1, 10**12 + 1, -(2**63)])
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_durations_are_brought_into_range(serializer, milliseconds):
    element = {"msgpack": msgpack_element, "protobuf": protobuf_element}[serializer]
    odd = RECORD | {"request_time": milliseconds, "latency": {"total": milliseconds, "upstream": milliseconds}}
    record, repaired = outcome(serializer, element(odd))
    expected = 0 if milliseconds < 0 else 10**12
    assert (record.request_time, record.latency.total, record.latency.upstream) == (expected,) * 3
    assert repaired


DEEP = b"\x81\xa4Path" + b"\x91" * 100_000 + b"\xc0"


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b"", "not one msgpack value"),
        (b"\xc1", "not one msgpack value"),
        (b"\xc0", "null"),
        (b"\x01", "not an object"),
        (b"\xa1a", "not an object"),
        (GOOD["msgpack"] + b"\x00", "not one msgpack value"),
        (GOOD["msgpack"] * 2, "not one msgpack value"),
        (GOOD["msgpack"][:-1], "not one msgpack value"),
        (b"\xdf\xff\xff\xff\xff", "not one msgpack value"),
        (b"\x81\xa4Path\xdb\xff\xff\xff\xff", "not one msgpack value"),
        (b"\x81\xa4Tags\xdd\xff\xff\xff\xff", "not one msgpack value"),
        (DEEP, "not one msgpack value"),
        (b"\x81\x91\x01\x01", "not one msgpack value"),
        (packed(ResponseCode=2**31), "response_code is out of range"),
        (packed(ResponseCode=True), "response_code is no whole number"),
        (packed(ResponseCode="200"), "response_code is no whole number"),
        (packed(RequestTime=1.5), "request_time is no whole number"),
        (packed(Path=1), "path is no text"),
        (packed(TrackPath=1), "track_path is neither true nor false"),
        (packed(Latency="slow"), "latency is no object"),
        (packed(TimeStamp=None), "no timestamp"),
        (packed(TimeStamp=[]), "timestamp is no time"),
        (packed(TimeStamp=[1, 2, 3]), "timestamp is no time"),
        (packed(TimeStamp=[1602575569.0, 0]), "timestamp is no time"),
        (packed(TimeStamp=[True, 0]), "timestamp is no time"),
        (packed(TimeStamp="2020-10-13T07:52:49Z"), "timestamp is no time"),
        (packed(TimeStamp=msgpack.ExtType(5, b"1234")), "timestamp"),
        (timed(b"\xc7\x03\xffabc"), "timestamp"),
        (packed(TimeStamp=[-62_135_596_800, 0]), "no timestamp"),
        (packed(TimeStamp=[2**63 - 1, 0]), "timestamp"),
        (packed(TimeStamp=[-(2**63), 0]), "timestamp"),
        (packed(TimeStamp=[2**64 - 1, 2**64 - 1]), "timestamp"),
        (packed(APIKey="k" * 513), "api_key over 512 bytes"),
        (packed(ResponseCode=-1), "tcp"),
    ],
)
def test_what_is_no_record_in_msgpack_has_a_reason(element, reason):
    assert outcome("msgpack", element) == (reason, False)


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b"\xff", "not one protobuf message"),
        (GOOD["protobuf"][:-1], "not one protobuf message"),
        (b"\x0b" * 100_000, "not one protobuf message"),
        (b"\x1a\xff\xff\xff\xff\x0f", "not one protobuf message"),
        (protobuf_element(RECORD | {"timestamp": "0001-01-01T00:00:00Z"}), "no timestamp"),
        (b"\x62\x01k", "no timestamp"),
        (b"\x62\x01k\x6a\x0a\x08" + b"\xff" * 8 + b"\x7f", "timestamp"),
        (protobuf_element(RECORD | {"response_code": -1}), "tcp"),
    ],
)
def test_what_is_no_record_in_protobuf_has_a_reason(element, reason):
    assert outcome("protobuf", element)[0] == reason


def test_the_last_of_a_repeated_key_wins():
    twice = b"\x82\xa4Path\xa2/a\xa4Path\xa2/b"
    chunk = decode_elements(decoder_of("msgpack"), "list", 1, [twice], "1:1")
    assert chunk.records[0].path == "/b"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.builds(msgpack.ExtType, st.sampled_from((0, 5, 127)), st.binary(max_size=13)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(st.sampled_from(NAMES), values, max_size=8)
flips = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4)


def damaged(element, changes):
    found = bytearray(element)
    for at, byte in changes:
        found[at % len(found)] = byte
    return bytes(found)


@pytest.mark.parametrize("examples", [40, pytest.param(5000, marks=pytest.mark.torture)])
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_any_bytes_are_accounted_for(serializer, examples):
    """Any members, any damage; ``outcome`` asserts that nothing is unaccounted for."""
    elements = (
        st.binary(max_size=64)
        | st.builds(damaged, st.just(GOOD[serializer]), flips)
        | st.integers(0, len(GOOD[serializer])).map(lambda cut: GOOD[serializer][:cut])
    )
    if serializer == "msgpack":
        elements |= st.builds(lambda odd: packed(**odd), members)

    @settings(max_examples=examples)
    @given(elements)
    def any_bytes(element):
        outcome(serializer, element)

    any_bytes()


@pytest.mark.parametrize("thousands", [10, pytest.param(200, marks=pytest.mark.torture)])
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_damaged_elements_are_accounted_for(serializer, thousands, seed):
    random = Random(seed)
    decoder = decoder_of(serializer)
    for _ in range(thousands):
        elements = [mutated(GOOD[serializer], random) for _ in range(1000)]
        chunk = decode_elements(decoder, "list", 1, elements, "1:1000")
        aggregator = Aggregator()
        malformed = aggregator.add(chunk.records, chunk.instant_of)
        counts = aggregator.counts
        assert counts.read + len(chunk.rejected) == len(elements)
        assert counts.counted == counts.read - len(malformed) - sum(counts.skipped.values())
        for index, _ in malformed:
            assert chunk.locate(index).raw in elements


def mutated(element, random):
    """Some bytes changed, cut off, doubled or put in."""
    found = bytearray(element)
    for _ in range(random.randint(1, 4)):
        at, length = random.randrange(len(found) + 1), random.randint(0, 8)
        found[at : at + length * random.randint(0, 1)] = random.choice(
            (random.randbytes(length), found[at : at + length] * 2, b"", b"\xdb\xff\xff\xff\xff", b"\xc0")
        )
    return bytes(found)
