"""Tyk Pump's CSV: its traps, its quoted newlines, and every record once however the file grows."""

import csv
import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats import Rules, open_store, read_records
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.demo import FORMATS, Traffic
from tyk_endpoint_stats.ingest import parallel
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.forms import csv as csv_form
from tyk_endpoint_stats.sources.forms import csv_rows, form
from tyk_endpoint_stats.sources.forms.blocks import ByteStream, Mark
from tyk_endpoint_stats.sources.forms.csv_rows import quoting_of
from tyk_endpoint_stats.sources.forms.times import rfc3339_text
from tyk_endpoint_stats.sources.pieces import cut

pytestmark = pytest.mark.slow

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "records.json").read_text())
HEADER = VECTORS["csv_header"]
COLUMNS = HEADER.split(",")


def text_of(*rows, header=COLUMNS):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogateescape")


def row(header=COLUMNS, **values):
    filled = {
        "Path": "/a",
        "APIKey": "k",
        "APIID": "a",
        "ResponseCode": "200",
        "TimeStamp": "2026-10-13 10:00:00 +0000 UTC",
        "TrackPath": "true",
    } | {name.replace("_", "."): value for name, value in values.items()}
    return [filled.get(name, "0" if name.startswith(("Latency", "RequestTime")) else "") for name in header]


def ingested(store, *paths, **options):
    return store.ingest(read_records([str(path) for path in paths]), **options)


def paths_of(store):
    question = Selection(ALL_DAYS, frozenset({Dimension.ENDPOINT}))
    return {group.endpoint.path: stats.hits for group, stats in store.read(question)}


@pytest.fixture
def store():
    with open_store("memory://") as opened:
        yield opened


def test_rows_of_pumps_own_writer_say_what_their_json_says(tmp_path):
    known = [each for each in VECTORS["records"] if each.get("csv_row")]
    assert len(known) >= 3
    file = tmp_path / "2020-October-13-9.csv"
    file.write_text(HEADER + "\n" + "".join(each["csv_row"].rstrip("\n") + "\n" for each in known))
    records = list(read_records(file))
    assert len(records) == len(known)
    for record, each in zip(records, known, strict=True):
        expected = each["expect"]
        same = ("path", "response_code", "api_key", "api_name", "api_id", "org_id", "oauth_id", "alias")
        for name in (*same, "request_time", "track_path"):
            assert getattr(record, name) == expected[name], name
        assert record.latency.total == expected["latency_total"]
        assert record.latency.upstream == expected["latency_upstream"]
        assert from_datetime(datetime.fromisoformat(record.timestamp)) == expected["timestamp_us"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-10-13 13:22:49.667 +0530 +0530", "2020-10-13T13:22:49.667+05:30"),
        ("2020-10-13 13:22:49.667123456 +0530 IST", "2020-10-13T13:22:49.667123456+05:30"),
        ("2020-10-13 07:52:49 +0000 UTC", "2020-10-13T07:52:49Z"),
        ("2020-10-13 07:52:49 -0330 NDT", "2020-10-13T07:52:49-03:30"),
        ("0001-01-01 00:00:00 +0000 UTC", "0001-01-01T00:00:00Z"),
        ("2020-10-13 07:52:49 +0000", "2020-10-13T07:52:49Z"),
        ("2020-10-13T07:52:49Z", "2020-10-13T07:52:49Z"),
        ("yesterday", "yesterday"),
    ],
)
def test_the_numeric_offset_of_gos_time_counts(text, instant):
    assert rfc3339_text(text) == instant


def test_every_trap_in_a_row_is_counted_by_its_reason(store, tmp_path):
    huge = str(2**64 - 1)
    rows = [
        row(ContentLength=huge),
        row(ResponseCode=huge),
        row(TimeStamp="0001-01-01 00:00:00 +0000 UTC"),
        row(TimeStamp="13 October"),
        row(RequestTime=huge, Path="/clamped"),
        row(Latency_Total="1.5"),
        row(ResponseCode="99999999999999999999"),
        row(TrackPath="maybe"),
        row()[:-1],
        [*row(), ""],
        row(APIKey=""),
        row(Path="/caf\udce9", Alias='an "alias", with\nall\r\n of it'),
        row(Latency_Total="", Path="/empty"),
    ]
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(*rows) + b"\n  \n" + HEADER.encode() + b"\n")
    report = ingested(store, file)
    counts = report.counts
    assert (
        counts.read == len(rows) == counts.counted + sum(counts.skipped.values()) + sum(counts.malformed.values())
    )
    assert counts.skipped == {"tcp": 1}
    assert counts.malformed == {
        "no timestamp": 1,
        "timestamp": 1,
        "latency.total is no whole number": 1,
        "response_code is out of range": 1,
        "track_path is neither true nor false": 1,
        "not as many columns as the header": 2,
    }
    assert counts.repaired == 2
    assert paths_of(store) == {"/a": 2, "/clamped": 1, "/caf\ufffd": 1, "/empty": 1}
    named = {found.where.split(" (")[0]: found.reason for found in report.named}
    assert named["row 7"] == "latency.total is no whole number"


@pytest.mark.parametrize("dropped", [0, 1, 3, 9])
def test_files_of_older_pumps_have_fewer_columns(store, tmp_path, dropped):
    header = [
        name
        for name in COLUMNS
        if name not in ("ApiSchema", "OriginalPath", "ListenPath", "Latency.Gateway")[:dropped]
    ]
    if dropped == 9:
        header = [name for name in header if not name.startswith("Latency")]
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(row(header, OauthID="c", Alias="me"), header=header))
    assert ingested(store, file).counts.counted == 1
    assert [(each.kind, each.id, each.alias) for each in store.consumers()] == [
        ("key", "k", "me"),
        ("oauth", "c", "me"),
    ]


def test_a_table_of_something_else_is_not_taken_for_it(store, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("name,path\nx,/a\n")
    assert ingested(store, file).counts.malformed == {"not one JSON value": 2}


@pytest.mark.parametrize("end", ["", "\r", "\r\n", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_a_byte_order_mark_and_a_missing_last_newline(store, tmp_path, end, mark):
    file = tmp_path / "a.csv"
    body = text_of(row(Path="/1"), row(Path="/2")).decode().removesuffix("\n")
    file.write_bytes((mark + body.replace("\n", "\r\n") + end).encode())
    assert ingested(store, file).counts.counted == 2
    assert ingested(store, file).counts.read == 0


def test_a_last_row_that_grows_after_it_counted_counts_once(store, tmp_path):
    file = tmp_path / "a.csv"
    body = text_of(row(ListenPath="/listen/"), row(Path="/b", ListenPath="/listen/"))
    for upto in range(len(body) + 1):
        file.write_bytes(body[:upto])
        assert not ingested(store, file).counts.malformed
    assert paths_of(store) == {"/a": 1, "/b": 1}


def test_a_path_with_a_row_in_it_is_a_path(store, tmp_path):
    forged = text_of(row(APIKey="victim")).decode().partition("\n")[2]
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(row(Path=f"/x\n{forged}"), row(Path=f'/"\n{forged}"'), row()))
    assert ingested(store, file).counts.counted == 3
    assert {each.id for each in store.consumers()} == {"k"}


@pytest.mark.parametrize("torn_at", [-9, -60])
def test_a_torn_row_takes_only_its_own_line_with_it(store, tmp_path, torn_at):
    """Also where its quotes stay open: a strict reader would lose all that follows."""
    whole = text_of(row(Path="/torn", ApiSchema='x,"y"' * 20)).partition(b"\n")[2]
    others = text_of(*(row(Path=f"/{number}", Alias='"quoted"') for number in range(50))).partition(b"\n")[2]
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(row()) + whole[:torn_at] + others)
    report = ingested(store, file)
    assert report.counts.counted == 50
    assert sum(report.counts.malformed.values()) == 1
    assert set(paths_of(store)) == {"/a"} | {f"/{number}" for number in range(1, 50)}


def test_a_quote_that_nothing_closes_gives_up_after_two_megabytes(store, tmp_path):
    plain = text_of(*[row()] * 30_000).partition(b"\n")[2]
    assert len(plain) > csv_rows.MAX_FURTHER_BYTES
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(row()) + b'GET,"torn\n' + plain[:100_000].rpartition(b"\n")[0] + b"\n")
    assert ingested(store, file).counts.counted == 1  # it waits: the quotes may yet be closed
    with file.open("ab") as grown:
        grown.write(plain)
    counts = ingested(store, file).counts
    assert sum(counts.malformed.values()) == 1
    assert counts.counted == plain[:100_000].count(b"\n") + 30_000


def test_a_line_over_the_cap_is_one_malformed_record(store, tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(row()) + b'GET,"torn\n' + b"x" * (17 * 2**20) + b"\n" + text_of(row(Path="/b")))
    counts = ingested(store, file).counts
    assert counts.malformed == {"quotes that are wrong in CSV": 1, "line over 16 MiB": 1}
    assert paths_of(store) == {"/a": 1, "/b": 1}


def random_rows(rng, count, label):
    hard = ("/plain", "/with,comma", '/with"quote', "/with\nnewline", '/"\n"', "/caf\u00e9", "/cr\rlf\r\n")
    return [row(Path=f"{rng.choice(hard)}/{label}/{number}", Alias=rng.choice(hard)) for number in range(count)]


def history(folder, seed, store):
    """Two files that begin alike grow byte by byte, are renamed, packed and read; the paths written."""
    rng = Random(seed)
    written = set()
    for label in ("a", "b"):
        rows = [row(Path="/first"), *random_rows(rng, rng.randrange(1, 40), label)]
        written |= {each[2] for each in rows}
        data = text_of(*rows)
        file = folder / f"{label}.csv"
        at = 0
        while at < len(data):
            size = rng.choice((1, 50, 400, 3000))
            with file.open("ab") as out:
                out.write(data[at : at + size])
            at += size
            if rng.random() < 0.2:
                file = file.rename(folder / f"{label}.{at}.csv")
            if rng.random() < 0.6:
                ingested(store, file)
        packed = folder / f"{label}.csv.gz"
        packed.write_bytes(gzip.compress(data))
        ingested(store, packed)
        ingested(store, file)
    return written


def is_exact(folder, seed):
    with open_store("memory://") as store:
        written = history(folder, seed, store)
        return paths_of(store) == {path: 2 if path == "/first" else 1 for path in written}


def test_every_row_once_through_growing_renaming_and_packing(tmp_path, seed):
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert is_exact(folder, f"{seed} {number}"), number


def test_the_histories_catch_a_reader_that_takes_lines_for_rows(tmp_path, seed, monkeypatch):
    """The broken twin: newlines inside quotes end rows."""
    monkeypatch.setattr(csv_rows, "_rows", lambda data, *_: io.BytesIO(data).readlines())
    tmp_path.joinpath("0").mkdir()
    assert not is_exact(tmp_path / "0", f"{seed} 0")


def test_files_with_the_same_header_have_names_of_their_own(tmp_path, monkeypatch):
    """The broken twin names them by the header alone: then each takes the other's place in a row of names."""
    files = [tmp_path / f"{number}.csv" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(text_of(row(Path=f"/{number}")))

    def names():
        found = set()
        for file in files:
            with FileSource(str(file)).open(lambda name: None) as reading:
                found.add(reading.source)
        return found

    assert len(names()) == 3
    monkeypatch.setattr(form, "first_row", lambda stream, header, delimiter: b"")
    assert len(names()) == 1


def test_a_file_of_a_header_alone_waits(store, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(HEADER + "\n")
    assert ingested(store, file).counts.read == 0
    assert store.position("") is None
    with file.open("ab") as grown:
        grown.write(text_of(row()).partition(b"\n")[2])
    assert ingested(store, file).counts.counted == 1


def test_several_processes_read_it_right(tmp_path, monkeypatch):
    rng = Random(1)
    rows = [row(), *random_rows(rng, 2_000, "x")]
    file = tmp_path / "a.csv"
    file.write_bytes(text_of(*rows))
    pieces = list(cut(str(file), lambda name: None, 100_000))
    assert len(pieces) == 1
    other = tmp_path / "b.csv"
    with other.open("wb") as out:
        Traffic(records=2_000, full=True, seed=5).write(out, "pump-csv")
    monkeypatch.setattr(parallel, "WORTH_BYTES", 1)
    answers = []
    for jobs in (1, 2):
        with open_store("memory://") as store:
            sources = [FileSource(str(file)), FileSource(str(other))]
            reports = [report for report, _ in ingest_all(store, sources, jobs=jobs)]
            answers.append(([report.counts for report in reports], store.consumers(), paths_of(store)))
    assert answers[0] == answers[1]
    assert answers[0][0][0].counted == len(rows)


def test_the_same_traffic_in_every_form_gives_the_same_answers(tmp_path):
    traffic = Traffic(records=1500, full=True)
    answers = []
    for written in FORMATS:
        file = tmp_path / written
        with file.open("wb") as out:
            traffic.write(out, written)
        packed = tmp_path / f"{written}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
        with open_store("memory://") as store:
            # CSV has no column for GraphQL and MCP.
            report = ingested(store, packed, rules=Rules(include=frozenset({"graphql", "mcp"})))
            assert not report.counts.malformed
            question = Selection(ALL_DAYS, frozenset(Dimension))
            answers.append(sorted(store.read(question), key=repr))
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) > 1000


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=2, max_size=5), max_size=5))
def test_fields_come_back_from_what_a_csv_writer_wrote(rows):
    for each in rows:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(each)
        assert quoting_of(",").fields_of(out.getvalue().removesuffix("\n")) == each


class Bytes(ByteStream):
    """Some bytes that come in pieces of a few."""

    def __init__(self, data, size):
        self._file, self._size = io.BytesIO(data), size

    @property
    def at(self):
        return self._file.tell()

    def seek(self, offset):
        self._file.seek(offset)

    def readinto(self, view):
        return self._file.readinto(view[: self._size])


_ODD = st.sampled_from([b'"', b",", b"\n", b"\r", b'""', b"\xff", b"a", b",,", HEADER.encode()])
_ROWS = st.lists(_ODD | st.binary(max_size=20) | st.sampled_from([text_of(row(Path='/"\n')).partition(b"\n")[2]]))


@settings(max_examples=400)
@given(_ROWS, st.integers(1, 300))
def test_any_bytes_are_rows_or_malformed_whatever_pieces_they_come_in(pieces, size):
    data = text_of(row()) + b"".join(pieces)
    header = HEADER.encode()

    def everything(at_a_time):
        decoder = csv_form.CsvDecoder(header, ",")
        records, reasons, ends = [], [], 0
        for block in csv_form.read_csv(Bytes(data, at_a_time), Mark(), header, ","):
            chunk = decoder.decode(block, 1)
            records += chunk.records
            reasons += [rejected.reason for rejected in chunk.rejected]
            assert all(data.count(rejected.raw) for rejected in chunk.rejected)
            assert block.offset >= ends
            ends = block.ends.offset
            assert data[:ends].endswith(block.ends.before)
        return records, reasons, ends

    assert everything(size) == everything(2**18)
