"""The exam of sources: files, and sources that are broken on purpose, which it has to catch."""

import gzip
from pathlib import Path

import msgspec
import pytest

from tyk_endpoint_stats import open_sources
from tyk_endpoint_stats.sources import overlap
from tyk_endpoint_stats.sources.contract import Chunk, Reading, Rejected, Source
from tyk_endpoint_stats.sources.forms import blocks, values
from tyk_endpoint_stats.testing import SourceConformance


def line(record):
    return msgspec.json.encode(record) + b"\n"


class TestFile(SourceConformance):
    many = 330  # three blocks

    @pytest.fixture(autouse=True)
    def _small_blocks(self, monkeypatch):
        """An eighth of what they are, and an eighth of the records does."""
        for module in (blocks, overlap, values):
            monkeypatch.setattr(module, "BLOCK_BYTES", 32 * 2**10)

    def add(self, place, data):
        with place.joinpath("a.jsonl").open("ab") as file:
            file.write(data)

    def add_records(self, place, records):
        self.add(place, b"".join(map(line, records)))

    def add_malformed(self, place):
        self.add(place, b'{"half": \n\n[1]\n{"api_key": "k"}\n')
        return 3

    def open_source(self, place: Path):
        (source,) = open_sources(f"file://{place}/a.jsonl")
        return source


class TestGzip(TestFile):
    """Each addition is a member of its own, and between two of them the file has another name."""

    def add(self, place, data):
        with place.joinpath("a.jsonl").open("ab") as file:
            file.write(gzip.compress(data))


class TestPumpsStdout(TestFile):
    """Records in envelopes."""

    def add_records(self, place, records):
        self.add(place, b"".join(b'{"tyk-analytics-record":' + line(record)[:-1] + b"}\n" for record in records))


class TestArrays(TestFile):
    """Three records in a line, as MDCB gets them. Pump's CSV, without GraphQL's flag, has its own tests."""

    def add_records(self, place, records):
        for at in range(0, len(records), 3):
            self.add(place, msgspec.json.encode(records[at : at + 3]) + b"\n")


class Tray(Source):
    """A list of records in memory, three to a chunk; right, unless told how to be wrong."""

    def __init__(self, contents, fault=""):
        self.label, self.contents, self.fault = "tray", contents, fault

    def open(self, position):
        return TrayReading(self.contents, position("tray"), self.fault)


class TrayReading(Reading):
    source = "tray"

    def __init__(self, contents, begins, fault):
        self.contents, self.begins, self.fault = contents, begins, fault
        if fault == "takes before it is merged":
            self.contents = list(contents)
            contents.clear()

    def chunks(self):
        start = int(self.begins or 0)
        if self.fault == "begins anew" and start < len(self.contents):
            start = 0
        if self.fault == "leaves a record out" and start:
            start += 1
        for at in range(start, len(self.contents), 3):
            some = self.contents[at : at + 3]
            good = [each for each in some if not isinstance(each, bytes)]
            bad = [Rejected(f"record {at}", "bytes", each) for each in some if isinstance(each, bytes)]
            ends = "0" if self.fault == "ends where it began" else str(at + len(some))
            if self.fault == "hides what is malformed":
                bad = []
            yield Chunk(good, ends, 3, rejected=bad)


class TrayConformance(SourceConformance):
    many = 12
    fault = ""

    def contents(self, place):
        self.trays = getattr(self, "trays", {})
        return self.trays.setdefault(place, [])

    def add_records(self, place, records):
        self.contents(place).extend(records)

    def add_malformed(self, place):
        self.contents(place).append(b"?")
        return 1

    def open_source(self, place):
        return Tray(self.contents(place), self.fault)


class TestTray(TrayConformance):
    """The one that is not broken passes."""


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("begins anew", "test_stopped_at_any_position_it_goes_on_from_there"),
        ("begins anew", "test_a_merge_whose_answer_is_lost_is_not_merged_twice"),
        ("begins anew", "test_again_there_is_nothing_new"),
        ("leaves a record out", "test_stopped_at_any_position_it_goes_on_from_there"),
        ("takes before it is merged", "test_what_is_read_and_not_merged_is_read_again"),
        ("ends where it began", "test_stopped_at_any_position_it_goes_on_from_there"),
        ("hides what is malformed", "test_malformed_records_are_counted_and_keep_nobody_waiting"),
    ],
)
def test_a_source_that_is_broken_does_not_pass(tmp_path, fault, test):
    exam = TrayConformance()
    exam.fault = fault

    def new_place():
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        return place

    with pytest.raises((AssertionError, pytest.fail.Exception, StopIteration)):
        getattr(exam, test)(new_place)
