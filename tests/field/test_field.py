"""What people really have, rebuilt small: each input gives the right rows, or is refused by its name."""

from datetime import date
from pathlib import Path

import pytest

from tyk_endpoint_stats import Consumer
from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.ingest import parallel
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.files import open_files
from tyk_endpoint_stats.stores.memory import MemoryStore

HERE = Path(__file__).parent
DAY = date(2020, 10, 13)
STATISTICS = (
    *("path", "hits", "success", "error", "request_time", "latency", "upstream_latency"),
    *("max_latency", "min_latency", "max_upstream_latency", "min_upstream_latency"),
)
ORDERS = ("/orders", 2, 1, 1, 65, 65, 61.5, 90, 40, 88, 35)
STOCK = ("/stock", 1, 1, 0, 10, 10, 7, 10, 10, 7, 7)
UPLOAD = ("/upload", 1, 1, 0, 40, 40, 35, 40, 40, 35, 35)
NONE = (None,) * 6
WITHOUT_LATENCY = {("/orders", 2, 1, 1, 65, *NONE), ("/stock", 1, 1, 0, 10, *NONE)}


def hit_line():
    return b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'


def read(name, **options):
    """The rows of a file, its report, and what is wrong with it."""
    with MemoryStore() as store:
        sources = open_files(f"file://{HERE / name}")
        ((report, problem),) = ingest_all(store, sources, IngestOptions(**options))
        rows = store.endpoints(Consumer.key("7f3c3ca87376cabe"), DAY, DAY)
        assert report.read == report.counts.read
        return {tuple(getattr(row, each) for each in STATISTICS) for row in rows}, report, problem


@pytest.mark.parametrize(
    "name",
    [
        "01-stdout-json-beside-text-log/pump.log",
        "13-cloudwatch-logs/filter-log-events.json",
        "13-cloudwatch-logs/tail.txt",
        "14-docker-json-file/abc123-json.log",
        "14-docker-json-file/compose-logs.txt",
        "17-log-shippers/fluent-bit-merged.jsonl",
        "17-log-shippers/fluent-bit.jsonl",
        "17-log-shippers/journald.jsonl",
        "17-log-shippers/vector.jsonl",
        "20-mongoexport-of-raw/tyk_analytics.array.json",
        "20-mongoexport-of-raw/tyk_analytics.json",
        "22-pretty-printed/one-per-object.json",
        "22-pretty-printed/records.json",
        "23-csv-saved-by-excel/semicolons.csv",
        "24-more-wrappers/logfmt.log",
        "24-more-wrappers/scan.json",
        "24-more-wrappers/syslog.tcp",
        "31-file-forms/a.jsonl.bz2",
    ],
)
def test_the_three_records_are_read_out_of_whatever_is_around_them(name):
    rows, report, problem = read(name)
    assert problem is None
    assert rows == {ORDERS, STOCK}
    assert report.counts.counted == 3
    assert not report.counts.malformed
    assert not report.waiting


def test_a_line_in_two_parts_is_one_record():
    rows, report, problem = read("15-kubernetes-cri-log/0.log")
    assert problem is None
    assert rows == {ORDERS, STOCK, UPLOAD}
    assert (report.counts.counted, report.counts.skipped, report.counts.malformed) == (4, {"log": 1}, {})


def test_lines_of_pumps_own_log_are_skipped_and_not_malformed():
    counts = read("01-stdout-json-beside-text-log/pump.log")[1].counts
    assert (counts.counted, counts.skipped, counts.malformed) == (3, {"log": 2}, {})


@pytest.mark.parametrize(
    "name",
    [
        "08-kafka-messages/topic.jsonl",
        "09-kinesis-firehose-object/object-0001",
        "10-elasticsearch-export/sources.jsonl",
    ],
)
def test_sinks_without_latencies_have_none_and_not_zero(name):
    rows, report, problem = read(name)
    assert problem is None
    assert rows == WITHOUT_LATENCY
    assert report.counts.counted == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("02-stdout-text-format/pump.log", 'stdout in its text format; set "format": "json"'),
        ("23-csv-saved-by-excel/changed-by-excel.csv", "'13/10/2020 08:00' has no zone"),
        ("31-file-forms/not-tyk-at-all.jsonl", "no records of Tyk's .they have time, remote_addr, request, status"),
        ("31-file-forms/a.zip", "a zip archive; unpack it first"),
    ],
)
def test_what_can_not_be_read_is_a_failure_that_says_what_it_is(name, message):
    rows, report, problem = read(name)
    assert rows == set()
    assert not report.counts.counted
    assert problem is not None
    with pytest.raises(type(problem), match=message):
        raise problem


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_without_a_record_is_a_failure_each_time_it_is_given(tmp_path, monkeypatch, jobs):
    monkeypatch.setattr(parallel, "WORTH_BYTES", 0)
    texts = {"a": b"hello\nworld\n", "b": b'{"hello":1}\n' * 9, "c": b"no line"}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    with MemoryStore() as store:

        def problems():
            sources = [FileSource(str(tmp_path / name)) for name in texts]
            return [problem and str(problem) for _, problem in ingest_all(store, sources, jobs=jobs)]

        first = problems()
        assert all("no record of Tyk's in it, but" in each for each in first)
        grown = [(b"", first), (b"again\n", first), (hit_line(), [None, *first[1:]]), (b"", [None, *first[1:]])]
        for more, right in (
            grown if jobs == 1 else grown[1:3]
        ):  # several processes take a third of a second to start
            with (tmp_path / "a").open("ab") as file:
                file.write(more)
            assert problems() == right


def test_times_that_a_spreadsheet_changed_are_what_is_wrong():
    assert read("23-csv-saved-by-excel/changed-by-excel.csv")[1].counts.malformed == {"timestamp": 3}


def test_a_listen_path_that_errors_keep_is_left_out_by_a_pattern():
    rows, _, _ = read("05-listen-path-kept-on-errors/analytics.jsonl", rules=Rules(patterns=("^/fleet(?=/)",)))
    assert rows == {("/device/D-17", 2, 1, 1, 20.5, 20.5, 17.5, 40, 40, 35, 35)}
