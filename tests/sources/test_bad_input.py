"""Every row of the table of bad input, and any JSON, any bytes, any array as a line.

Each row is read alone, among good lines, inside an envelope of Tyk Pump's, in an array, and packed; each time the
hit counts, or the line is malformed or skipped for the same reason, and the lines beside it count.
"""

import gzip
import json
import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats import read_records
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.forms import objects, values
from tyk_endpoint_stats.sources.forms.blocks import BLOCK_BYTES
from tyk_endpoint_stats.sources.forms.compressed import COMPRESSIONS
from tyk_endpoint_stats.sources.forms.sniffer import OTHER_FILES
from tyk_endpoint_stats.stores.memory import MemoryStore

COUNTED = Counts(read=1, counted=1)
REPAIRED = Counts(read=1, counted=1, repaired=1)


def malformed(reason):
    return Counts(read=1, malformed={reason: 1})


def skipped(reason):
    return Counts(read=1, skipped={reason: 1})


def raw(**members):
    """A record with members written as they are: ``raw(latency='{"total":1e999}')``."""
    plain = {"path": '"/x"', "response_code": "200", "api_key": '"k"', "timestamp": '"2020-10-13T10:00:00Z"'}
    merged = {name: value for name, value in (plain | members).items() if value is not None}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in merged.items()) + "}").encode()


NOT_JSON = malformed("not one JSON value")
DEEP = "[" * 5_000 + "]" * 5_000

ROWS = {
    # T1: numbers that JSON does not have
    "T1 NaN": (raw(request_time="NaN"), NOT_JSON),
    "T1 NaN in a field that is not read": (raw(content_length="NaN"), NOT_JSON),
    "T1 Infinity": (raw(request_time="Infinity"), NOT_JSON),
    "T1 -Infinity": (raw(latency='{"total":-Infinity}'), NOT_JSON),
    "T1 1e999": (raw(request_time="1e999"), malformed("request_time is no whole number")),
    "T1 1e999 inside": (raw(latency='{"upstream":1e999}'), malformed("latency.upstream is no whole number")),
    "T1 1e999 in a field that is not read": (raw(content_length="1e999"), COUNTED),
    # T2: text that is not Unicode
    "T2 lone surrogate": (raw(path=r'"/\ud800"'), REPAIRED),
    "T2 lone low surrogate": (raw(api_key=r'"k\udc00k"'), REPAIRED),
    "T2 two high surrogates": (raw(path=r'"/\ud800\ud800"'), REPAIRED),
    "T2 lone surrogate in a field that is not read": (raw(user_agent=r'"\ud800"'), COUNTED),
    "T2 a pair of surrogates": (raw(path=r'"/\ud83d\ude00"'), COUNTED),
    "T2 a backslash before what looks like one": (raw(path=r'"/\\ud800"'), COUNTED),
    # T3: other kinds as numbers
    "T3 true": (raw(response_code="true"), malformed("response_code is no whole number")),
    "T3 text": (raw(response_code='"200"'), malformed("response_code is no whole number")),
    "T3 200.0": (raw(response_code="200.0"), COUNTED),
    "T3 2e2": (raw(response_code="2e2"), COUNTED),
    "T3 200.5": (raw(response_code="200.5"), malformed("response_code is no whole number")),
    "T3 null": (raw(response_code="null"), COUNTED),
    "T3 null everywhere": (raw(latency="null", alias="null", mcp_stats="null", track_path="null"), COUNTED),
    "T3 null as the timestamp": (raw(timestamp="null"), malformed("no timestamp")),
    "T3 null as the key": (raw(api_key="null"), COUNTED),
    "T3 a number as text": (raw(path="5"), malformed("path is no text")),
    "T3 an array as an object": (raw(latency="[]"), malformed("latency is no object")),
    # T4: integers of 64 bits and more
    "T4 2^63 as code": (raw(response_code=str(2**63)), malformed("response_code is out of range")),
    "T4 2^64 as code": (raw(response_code=str(2**64)), malformed("response_code is out of range")),
    "T4 2^31 as code": (raw(response_code=str(2**31)), malformed("response_code is out of range")),
    "T4 2^63 as duration": (raw(request_time=str(2**63)), REPAIRED),
    "T4 2^64 as duration": (raw(latency=f'{{"total":{2**64}}}'), REPAIRED),
    "T4 2^64 in a field that is not read": (raw(content_length=str(2**64)), COUNTED),
    # T5: what other decoders stumble over
    "T5 nesting": (raw(tags=DEEP), malformed("nested too deep")),
    "T5 nesting in a field that is read": (raw(latency=DEEP), malformed("nested too deep")),
    "T5 5,000 digits": (raw(request_time="9" * 5_000), malformed("request_time is no whole number")),
    "T5 5,000 digits as code": (raw(response_code="9" * 5_000), malformed("response_code is no whole number")),
    "T5 UTF-16": (raw().decode().encode("utf-16-le").replace(b"\n", b""), NOT_JSON),
    "T5 control character": (raw(path='"/\x01"'), NOT_JSON),
    "T5 TAB in a text": (raw(path='"/\t"'), NOT_JSON),
    "T5 control character in a field that is not read": (raw(user_agent='"\x01"'), NOT_JSON),
    "T5 two objects in a line": (raw() + raw(), Counts(2, 2)),
    "T5 two objects with a space between": (raw() + b" " + raw(), Counts(2, 2)),
    "T5 half an object": (raw()[:-10], NOT_JSON),
    "T5 a comma too many": (raw()[:-1] + b",}", NOT_JSON),
    "T5 no object": (b'"text"', malformed("not an object")),
    "T5 a number": (b"5", malformed("not an object")),
    "T5 null": (b"null", malformed("null")),
    "T5 not JSON at all": (b"time=2020 level=info", NOT_JSON),
    # T6: a repeated key
    "T6 the last one wins": (raw()[:-1] + b',"path":"/last"}', COUNTED),
    "T6 the last one is bad": (raw()[:-1] + b',"path":5}', malformed("path is no text")),
    # T7: durations out of range
    "T7 negative": (raw(latency='{"total":-1,"upstream":-5}'), REPAIRED),
    "T7 over 10^12": (raw(request_time=str(10**12 + 1)), REPAIRED),
    "T7 10^12": (raw(request_time=str(10**12)), COUNTED),
    # T9: times
    "T9 the zero time": (raw(timestamp='"0001-01-01T00:00:00Z"'), malformed("no timestamp")),
    "T9 no timestamp": (raw(timestamp=None), malformed("no timestamp")),
    "T9 an empty timestamp": (raw(timestamp='""'), malformed("no timestamp")),
    "T9 no offset": (raw(timestamp='"2020-10-13T10:00:00"'), malformed("timestamp")),
    "T9 a week": (raw(timestamp='"2020-W42-2"'), malformed("timestamp")),
    "T9 a number": (raw(timestamp="1602583200"), malformed("timestamp is no text")),
    "T9 second 60": (raw(timestamp='"2020-10-13T23:59:60Z"'), COUNTED),
    "T9 nine digits": (raw(timestamp='"2020-10-13T23:59:59.999999999Z"'), COUNTED),
    "T9 before 1970": (raw(timestamp='"1960-10-13T23:59:59Z"'), COUNTED),
    "T9 the last instant of all": (raw(timestamp='"9999-12-31T23:59:59.999999999Z"'), COUNTED),
    # T10: long texts
    "T10 a long path": (raw(path='"/%s"' % ("p" * 5_000)), COUNTED),
    "T10 a long key": (raw(api_key='"%s"' % ("k" * 513)), malformed("api_key over 512 bytes")),
    "T10 a long API id": (raw(api_id='"%s"' % ("k" * 513)), malformed("api_id over 512 bytes")),
    "T10 a long alias": (raw(alias='"%s"' % ("k" * 5_000)), COUNTED),
    # T11: NUL and control characters
    "T11 NUL": (raw(path=r'"/\u0000"', api_key=r'"k\u0000"', alias=r'"\u001b[31m"'), COUNTED),
    # T12: no hits
    "T12 nobody": (raw(api_key='""'), COUNTED),
    "T12 TCP": (raw(response_code="-1"), skipped("tcp")),
    "T12 GraphQL": (raw(graphql_stats='{"IsGraphQL":true}'), skipped("graphql")),
    "T12 MCP": (raw(mcp_stats='{"is_mcp":true}'), skipped("mcp")),
    "T12 another code below 0": (raw(response_code="-2"), COUNTED),
}
ROWS["T2 bytes"] = (raw(path='"/caf!"').replace(b"!", b"\xe9\xff"), REPAIRED)
ROWS["T2 a character cut off"] = (raw(api_key='"k!"').replace(b"!", b"\xe2\x82"), REPAIRED)
ROWS["T2 bytes in a field that is not read"] = (raw(user_agent='"!"').replace(b"!", b"\xff"), COUNTED)
ROWS["T5 NUL bytes"] = (b"\0" * 100, NOT_JSON)

GOOD = 7
GOOD_LINE = raw(path='"/good"') + b"\n"
ENVELOPE = b'{"level":"info","msg":"","time":"2020-10-13T10:00:00Z","tyk-analytics-record":%s}\n'
LOG = b'{"level":"info","msg":"purging","time":"2020-10-13T10:00:00Z","prefix":"main"}\n'


@pytest.fixture
def read(kit, tmp_path):
    """``read(data)``: the counts, and the hits by path, of a file with these bytes."""
    file = tmp_path / "file"

    def read(data):
        file.write_bytes(data)
        with MemoryStore() as store:
            report = kit.take(store, file)
            assert report.batches == 1
            assert kit.balanced(report.counts)
            assert kit.take(store, file).read == 0
            return report.counts, kit.read_hits(store)

    return read


def beside(good, row, hits=()):
    counts = Counts(good, good)
    counts.merge(row)
    return counts


@pytest.mark.parametrize(("line", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_of_bad_input_is_what_the_table_says(read, line, expected):
    assert read(line + b"\n")[0] == expected
    mixed, hits = read(GOOD_LINE * 3 + line + b"\n" + GOOD_LINE * 4)
    assert mixed == beside(GOOD, expected)
    assert hits["/good"] == GOOD
    assert sum(hits.values()) == GOOD + expected.counted
    assert read(gzip.compress(line + b"\r\n" + GOOD_LINE))[0] == beside(1, expected)


OBJECT_ROWS = {
    name: row
    for name, row in ROWS.items()
    if row[0][:1] == b"{" and row[1] not in (NOT_JSON, malformed("nested too deep"), Counts(2, 2))
}


@pytest.mark.parametrize(("line", "expected"), OBJECT_ROWS.values(), ids=OBJECT_ROWS)
def test_a_row_is_the_same_in_an_envelope_and_in_an_array(read, line, expected):
    assert read(ENVELOPE % line)[0] == expected
    counts, hits = read(LOG + ENVELOPE % GOOD_LINE.strip() + ENVELOPE % line + LOG + ENVELOPE % GOOD_LINE.strip())
    log = Counts(read=2, skipped={"log": 2})
    log.merge(expected)
    assert counts == beside(2, log)
    assert hits["/good"] == 2
    counts, hits = read(b"[%s,%s,null]\n" % (GOOD_LINE.strip(), line))
    with_null = malformed("null")
    with_null.merge(expected)
    assert counts == beside(1, with_null)


def test_what_is_mended_is_what_it_should_be(read):
    _, hits = read(
        ROWS["T2 bytes"][0] + b"\n" + raw(path=r'"/a\ud800b"') + b"\n" + raw(path=r'"/\ud83d\ude00"') + b"\n"
    )
    assert set(hits) == {"/caf\ufffd\ufffd", "/a\ufffdb", "/😀"}
    _, hits = read(ROWS["T6 the last one wins"][0] + b"\n" + ROWS["T11 NUL"][0] + b"\n")
    assert set(hits) == {"/last", "/\0"}


def test_a_byte_order_mark_is_skipped_at_the_beginning_alone(read):
    mark = b"\xef\xbb\xbf"
    assert read(mark + GOOD_LINE + GOOD_LINE)[0] == Counts(2, 2)
    assert read(GOOD_LINE + mark + GOOD_LINE)[0] == Counts(2, 1, malformed={"not one JSON value": 1})
    assert read(mark + b"\n" + GOOD_LINE)[0] == Counts(1, 1)


def test_blank_lines_are_nothing(read):
    assert read(b"\n\r\n  \n\t\n" + GOOD_LINE + b"\n\n" + b" " + GOOD_LINE)[0] == Counts(2, 2)


def test_lines_may_end_in_crlf(read):
    assert read((GOOD_LINE.strip() + b"\r\n") * 3)[0] == Counts(3, 3)


def test_an_object_in_two_lines_is_none_where_others_have_one_each(read):
    # A decoder of blocks would take it for one, and whether it does must not depend on how blocks are cut.
    torn = raw(latency='!{"total":1}').replace(b"!", b"\n")
    counts, hits = read(GOOD_LINE + torn + b"\n" + GOOD_LINE)
    assert (counts.counted, sum(counts.malformed.values())) == (2, 2)
    counts, hits = read(GOOD_LINE + raw() + raw() + b"\n" + torn + b"\n" + GOOD_LINE)
    assert hits["/good"] == 2
    assert (counts.counted, sum(counts.malformed.values())) == (4, 2)


@pytest.mark.parametrize("size", [0, 1, 3, 1_000])
def test_an_array_is_its_records(read, monkeypatch, size):
    monkeypatch.setattr(objects, "MAX_RECORDS_A_LINE", 1_000)
    array = b"[" + b",".join([GOOD_LINE.strip()] * size) + b"]\n"
    if size:
        assert read(array)[0] == Counts(size, size)
    counts, _ = read(array + GOOD_LINE)
    assert counts == Counts(size + 1, size + 1)


def test_an_array_of_more_records_than_a_line_can_hold_is_one_malformed_line(read):
    assert read(GOOD_LINE + b"[" + b"{}," * 20_000 + b"{}]\n" + GOOD_LINE)[0] == Counts(
        3, 2, malformed={"over 20,000 records in one line; write one a line": 1}
    )


@pytest.mark.parametrize("before", [b"", GOOD_LINE])
@pytest.mark.parametrize("element", [GOOD_LINE.strip(), json.dumps(GOOD_LINE.decode()).encode()], ids=["", "text"])
def test_a_line_that_is_a_list_may_have_any_number_of_records(read, monkeypatch, before, element):
    monkeypatch.setattr(objects, "MAX_RECORDS_A_LINE", 1_000)
    line = b"[" + b", ".join([element] * 4_500 + [b"{torn"]) + b"]\n"
    assert len(line) > BLOCK_BYTES
    counted = 4_501 + bool(before)
    assert read(before + line + GOOD_LINE)[0] == Counts(counted + 1, counted, malformed={"not one JSON value": 1})


def test_reading_goes_on_in_the_middle_of_a_line(kit, tmp_path, monkeypatch):
    monkeypatch.setattr(values, "_UNITS_A_BLOCK", 500)
    lines = [kit.make_line(f"/{number}") for number in range(2_000)]
    file = tmp_path / "log"
    file.write_bytes(kit.make_line("/first") + b"[" + b",".join(line.strip() for line in lines) + b"]\n" + b"bad\n")
    with MemoryStore() as store:
        stops = iter([False, False, True])
        store.ingest(FileSource(str(file)), options=IngestOptions(stop=lambda: next(stops, True)))
        assert 0 < sum(kit.read_hits(store).values()) < 2_000
        report = store.ingest(FileSource(str(file)))
        assert kit.read_hits(store) == {"/first": 1} | {f"/{number}": 1 for number in range(2_000)}
        assert [each.reason for each in report.named] == ["not one JSON value"]
        assert kit.take(store, file).read == 0


def test_an_object_with_more_records_than_it_can_have_is_named(read, monkeypatch):
    monkeypatch.setattr(objects, "MAX_RECORDS_A_LINE", 10)
    line = b'{"took":1,"hits":{"hits":[' + b",".join([GOOD_LINE.strip()] * 11) + b"]}}\n"
    assert read(GOOD_LINE + line)[0].malformed == {"over 20,000 records in one line; write one a line": 1}


def test_an_array_that_is_the_whole_file_may_have_any_number_of_records(read, monkeypatch):
    monkeypatch.setattr(objects, "MAX_RECORDS_A_LINE", 1_000)
    array = b"[" + b",\n".join([GOOD_LINE.strip()] * 4_500) + b"]\n"
    assert len(array) > BLOCK_BYTES
    counts, hits = read(array)
    assert counts == Counts(4_500, 4_500)
    assert hits == {"/good": 4_500}


@pytest.mark.parametrize("member", ["tyk-analytics-record", "analytics", "a.b", "record"])
def test_an_envelope_may_have_any_name(read, member):
    lines = (ENVELOPE % GOOD_LINE.strip()).replace(b"tyk-analytics-record", member.encode()) * 50
    assert read(LOG + lines + LOG)[0] == Counts(52, 50, skipped={"log": 2})
    assert read(lines + GOOD_LINE + lines)[0] == Counts(101, 101)


@pytest.mark.parametrize(("member", "winner"), [("tyk-analytics-record", "/inner"), ("analytics", "/outer")])
def test_a_line_is_the_same_whatever_stands_before_it(read, member, winner):
    inner = raw(path='"/inner"')
    both = raw(path='"/outer"')[:-1] + b',"%s":%s}\n' % (member.encode(), inner)
    lines = {
        "alone": GOOD_LINE,
        "enveloped": b'{"level":"info","%s":%s}\n' % (member.encode(), GOOD_LINE.strip()),
        "log": LOG,
    }
    for before in permutations(lines.values()):
        counts, hits = read(b"".join(before) + both * 2 + b"".join(before) + b"{\n" + both)
        assert hits == {"/good": 4, winner: 3}
        assert counts.skipped == {"log": 2}


def test_a_log_line_is_no_error_and_an_object_of_another_kind_is(read):
    counts, _ = read(LOG * 2 + b'{"hello":"world"}\n' + b"{}\n" + raw(api_key=None, timestamp=None) + b"\n")
    assert counts == Counts(5, skipped={"log": 2}, malformed={"no timestamp": 3})


def test_a_rejected_line_is_named_and_kept_whole(kit, tmp_path):
    file = tmp_path / "file"
    bad = [b'{"path":\n', raw(timestamp='""') + b"\n", b"\xff\xfe\r\n"]
    file.write_bytes(GOOD_LINE + bad[0] + GOOD_LINE + bad[1] + bad[2])
    kept = []
    with MemoryStore() as store:
        report = store.ingest(read_records(file), IngestOptions(on_rejected=kept.extend))
    assert sorted(one.raw for one in kept) == sorted(bad)
    good = len(GOOD_LINE)
    assert {(one.where, one.reason) for one in kept} == {
        (f"line 2 (byte {good})", "not one JSON value"),
        (f"line 4 (byte {2 * good + len(bad[0])})", "no timestamp"),
        (f"line 5 (byte {2 * good + len(bad[0] + bad[1])})", "not one JSON value"),
    }
    assert [one.raw for one in report.named] == [b""] * 3, "a report is printed; the bytes may hold credentials"


# Anything at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("path", "response_code", "api_key", "timestamp", "api_id", "org_id", "oauth_id", "request_time", "latency")
OBJECTS = st.dictionaries(st.sampled_from((*NAMES, "level", "tyk-analytics-record", "other")), JSON, max_size=6)
ANY_JSON = st.builds(
    lambda value, escaped: json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"),
    JSON | OBJECTS | st.lists(OBJECTS, max_size=3),
    st.booleans(),
)
SHORT_ROWS = [line for line, _ in ROWS.values() if len(line) < 9_000]
KNOWN = (*COMPRESSIONS, *OTHER_FILES)
NO_OTHER = st.binary(max_size=60).filter(
    lambda line: not any(line[each.offset :].startswith(each.magic) for each in KNOWN)
)
LINES = ANY_JSON | NO_OTHER | st.sampled_from(SHORT_ROWS)


def check_any_lines(kit, folder, lines, wanted):
    """No exception, every record accounted for, good lines counted, and the same in two pieces."""
    file = folder / "any"
    data = b"".join(line.replace(b"\n", b"") + b"\n" + GOOD_LINE for line in lines)
    file.write_bytes(data)
    with MemoryStore() as store:
        report = kit.take(store, file)
        whole = kit.read_states(store)
        assert kit.read_hits(store)["/good"] >= len(lines)
    assert kit.balanced(report.counts)
    assert report.counts.read >= len(lines)
    with MemoryStore() as store:
        cut = data.find(b"\n", wanted % len(data)) + 1
        file.write_bytes(data[:cut])
        first = kit.take(store, file).counts
        file.write_bytes(data)
        first.merge(kit.take(store, file).counts)
        assert first == report.counts
        assert kit.read_states(store) == whole


@given(lines=st.lists(LINES, min_size=1, max_size=6), wanted=st.integers(0, 10**6))
def test_any_line_is_accounted_for_and_spoils_no_other(kit, tmp_path_factory, lines, wanted):
    check_any_lines(kit, tmp_path_factory.getbasetemp(), lines, wanted)


@pytest.mark.torture
def test_very_many_lines_are_accounted_for_and_spoil_no_other(kit, tmp_path_factory, seed):
    folder = tmp_path_factory.getbasetemp()

    @given(lines=st.lists(LINES, min_size=1, max_size=10), wanted=st.integers(0, 10**6))
    @settings(max_examples=8_000)
    def check(lines, wanted):
        check_any_lines(kit, folder, lines, wanted)

    check()
    randomness = random.Random(seed)
    for _ in range(2_000):
        lines = [bytearray(randomness.choice(SHORT_ROWS)) for _ in range(50)]
        for line in lines:
            for _ in range(randomness.randint(1, 8)):
                line[randomness.randrange(len(line))] = randomness.randrange(256)
        check_any_lines(kit, folder, list(map(bytes, lines)), randomness.randrange(10**6))
