import math
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.lenient_record import (
    MalformedRecord,
    mended,
    record_from_object,
    replace_surrogates,
    text_from_utf8,
)
from tyk_endpoint_stats.core.record import MAX_MILLISECONDS, GraphQLStats, Latency, MCPStats, Record

TEXTS = ("path", "api_key", "timestamp", "api_name", "api_id", "org_id", "oauth_id", "alias")


def test_an_object_without_members_is_an_empty_record():
    assert record_from_object({}) == (Record(), False)


def test_null_is_zero_or_empty_everywhere():
    members = dict.fromkeys(msgspec.structs.asdict(Record()))
    assert record_from_object(members) == (Record(), False)
    assert record_from_object({"latency": {"total": None, "upstream": None}}) == (Record(), False)
    assert record_from_object({"graphql_stats": {"IsGraphQL": None}, "mcp_stats": {"is_mcp": None}})[0] == Record()


def test_every_member_is_taken():
    members = {name: name for name in TEXTS} | {
        "response_code": 503,
        "request_time": 3,
        "latency": {"total": 2, "upstream": 1, "gateway": 1},
        "track_path": True,
        "graphql_stats": {"IsGraphQL": True},
        "mcp_stats": {"is_mcp": True},
        "raw_request": "never read",
    }
    record, repaired = record_from_object(members)
    assert not repaired
    assert [getattr(record, name) for name in TEXTS] == list(TEXTS)
    assert (record.response_code, record.request_time) == (503, 3)
    assert record.latency == Latency(2, 1)
    assert record.track_path
    assert record.graphql_stats.is_graphql
    assert record.mcp_stats.is_mcp


@pytest.mark.parametrize(
    ("value", "code"), [(200.0, 200), (-1, -1), (0, 0), (-(2**31), -(2**31)), (2**31 - 1, 2**31 - 1)]
)
def test_a_whole_number_counts_in_either_form(value, code):
    record, repaired = record_from_object({"response_code": value})
    assert record.response_code == code
    assert isinstance(record.response_code, int)
    assert not repaired


@pytest.mark.parametrize("value", [True, False, "200", 200.5, math.nan, math.inf, -math.inf, [], {}, b"200", ...])
@pytest.mark.parametrize("member", ["response_code", "request_time"])
def test_what_is_no_whole_number_is_malformed(member, value):
    with pytest.raises(MalformedRecord) as caught:
        record_from_object({member: value})
    assert caught.value.reason == f"{member} is no whole number"


def test_the_reason_names_an_inner_member_and_never_a_value():
    with pytest.raises(MalformedRecord, match=r"^latency\.upstream is no whole number$"):
        record_from_object({"latency": {"upstream": "secret"}})
    with pytest.raises(MalformedRecord, match=r"^latency is no object$"):
        record_from_object({"latency": 5})
    with pytest.raises(MalformedRecord, match=r"^path is no text$"):
        record_from_object({"path": 5})
    with pytest.raises(MalformedRecord, match=r"^track_path is neither true nor false$"):
        record_from_object({"track_path": 1})


@pytest.mark.parametrize("code", [2**31, -(2**31) - 1, 10**30, 1e300])
def test_a_response_code_that_no_32_bits_can_hold_is_malformed(code):
    with pytest.raises(MalformedRecord, match=r"^response_code is out of range$"):
        record_from_object({"response_code": code})


@pytest.mark.parametrize(
    ("value", "clamped"),
    [
        (-1, 0),
        (-(2**70), 0),
        (MAX_MILLISECONDS, None),
        (MAX_MILLISECONDS + 1, MAX_MILLISECONDS),
        (2**64, MAX_MILLISECONDS),
        (1e300, MAX_MILLISECONDS),
        (-0.0, None),
    ],
)
def test_durations_are_clamped_and_that_is_told(value, clamped):
    expected = int(value) if clamped is None else clamped
    for members in ({"request_time": value}, {"latency": {"total": value}}, {"latency": {"upstream": value}}):
        record, repaired = record_from_object(members)
        found = record.request_time + record.latency.total + record.latency.upstream
        assert (found, repaired) == (expected, clamped is not None)


def test_lone_surrogates_become_replacement_characters():
    record, repaired = record_from_object({"path": "/a\ud800b\udfff"})
    assert (record.path, repaired) == ("/a\ufffdb\ufffd", True)
    assert record_from_object({"path": "/\U0001f600"}) == (Record(path="/\U0001f600"), False)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"/caf\xe9", "/caf\ufffd"),
        (b"/caf\xe9/\xff", "/caf\ufffd/\ufffd"),
        # Go writes one for each byte; Python's "replace" would write one for all of a cut-off character.
        (b"\xe2\x82", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("ü€😀".encode(), "ü€😀"),
        (b"\x00", "\x00"),
    ],
)
def test_bytes_that_are_not_utf8_become_one_replacement_character_each(data, text):
    assert text_from_utf8(data) == text


@given(st.text(st.characters(codec=None)))
def test_replaced_text_can_always_be_encoded_and_is_as_long(text):
    clean = replace_surrogates(text)
    clean.encode()
    assert len(clean) == len(text)
    assert replace_surrogates(clean) == clean


def test_a_good_record_stays_as_it_is():
    record = Record("/a", 200, "k", "2020-10-13T10:00:00Z", latency=Latency(5, 4), graphql_stats=GraphQLStats(True))
    assert mended(record) == (record, False)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record(path="\ud800"), Record(path="\ufffd")),
        (Record(request_time=-5), Record()),
        (Record(latency=Latency(2**64, -1)), Record(latency=Latency(MAX_MILLISECONDS, 0))),
    ],
)
def test_a_record_made_in_python_is_brought_into_range(record, expected):
    assert mended(record) == (expected, True)


def test_whole_floats_nulls_and_datetimes_of_python_are_taken():
    moment = datetime(2020, 10, 13, 10, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    record = Record(path=None, response_code=200.0, timestamp=moment, latency=None, mcp_stats=MCPStats(None))
    twin, repaired = mended(record)
    assert twin == Record(response_code=200, timestamp="2020-10-13T10:00:00+05:30", latency=None)
    assert not repaired
    assert mended(Record(timestamp=datetime(2020, 1, 1, tzinfo=UTC)))[0].timestamp == "2020-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "record",
    [
        Record(response_code="200"),
        Record(response_code=True),
        Record(response_code=2**31),
        Record(path=b"/a"),
        Record(path=object()),
        Record(latency=5),
        Record(latency=Latency(math.nan, 0)),
        Record(track_path="yes"),
        {"path": "/a"},
        None,
    ],
)
def test_a_record_that_can_not_be_read_is_malformed(record):
    with pytest.raises(MalformedRecord):
        mended(record)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(msgspec.structs.asdict(Record()), ANY)))
def test_any_object_is_a_record_in_range_or_malformed(members):
    for make in (lambda: record_from_object(members), lambda: mended(Record(**members))):
        try:
            record, _ = make()
        except MalformedRecord:
            continue
        # What came out passes the strict decoder, so nothing behind it needs a check of its own.
        assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record
