"""Moving records into a store: what is reported, when a batch ends, and who else writes meanwhile."""

import json
from itertools import count
from pathlib import Path

import pytest

from tyk_endpoint_stats import Record, Rules, read_records
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.record import GraphQLStats
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.sources.contract import Chunk, Reading, Rejected, Source
from tyk_endpoint_stats.sources.forms import blocks
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.testing.exam import snapshot


def line(path="/a", **members):
    record = {"path": path, "api_key": "k", "response_code": 200, "timestamp": "2020-10-13T10:00:00Z"}
    return json.dumps(record | members).encode() + b"\n"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """About ten lines a chunk, so that a small file has many."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1_000)


@pytest.fixture
def file(tmp_path):
    """300 lines, each with a path of its own, among them three malformed and three that are skipped."""
    lines = [line(f"/{number}") for number in range(300)]
    for number in (0, 150, 299):
        lines[number] = b"{half\n"
        lines[number - 1 if number else 1] = line(response_code=-1)
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines))
    return path


WHOLE = Counts(300, 294, skipped={"tcp": 3}, malformed={"not one JSON value": 3})


class Cache(MemoryStore):
    """A store that keeps the batches it merged."""

    def __init__(self, before_merge=None):
        super().__init__()
        self.batches = []
        self.before_merge = before_merge

    def merge(self, batch):
        if self.before_merge:
            self.before_merge(batch)
        self.batches.append(batch)
        return super().merge(batch)


def hits_of(store):
    return sum(row.hits for row in store.consumers())


def test_the_report_accounts_for_every_record(file):
    with Cache() as store:
        report = store.ingest(read_records(file))
    assert report.counts == WHOLE
    assert (report.read, report.duplicate, report.batches) == (300, 0, 1)
    assert report.bytes == file.stat().st_size
    assert report.newest_us == 1_602_583_200_000_000
    assert [one.reason for one in report.named] == ["not one JSON value"] * 3
    assert report.seconds > 0
    assert store.batches[0].counts == WHOLE


def test_reports_add_up():
    one = IngestReport("a", Counts(2, 1, skipped={"tcp": 1}), 1, 1, 10, 0.5, 7, [Rejected("1", "x", b"")] * 3)
    other = IngestReport("b", Counts(3, 3), 2, 2, 20, 0.25, 9, [Rejected("2", "y", b"")] * 3)
    one.merge(other)
    assert one.counts == Counts(5, 4, skipped={"tcp": 1})
    assert (one.label, one.read, one.duplicate, one.batches, one.bytes, one.seconds) == ("a", 8, 3, 3, 30, 0.75)
    assert one.newest_us == 9
    assert [named.where for named in one.named] == ["1", "1", "1", "2", "2"], "the first five are named"
    one.merge(IngestReport("nothing"))
    assert one.newest_us == 9


@pytest.mark.parametrize(
    ("limits", "least_batches"),
    [
        (Limits(states=1), 25),
        (Limits(states=40), 5),
        (Limits(held_bytes=1), 25),
        (Limits(held_bytes=40 * 700), 5),
        (Limits(bytes=1), 25),
        (Limits(bytes=5_000), 5),
        (Limits(seconds=0), 25),
        (Limits(rejected_bytes=1), 3),
    ],
)
def test_a_batch_ends_at_the_first_limit_and_nothing_else_changes(file, limits, least_batches):
    with MemoryStore() as whole, Cache() as store:
        whole.ingest(read_records(file))
        report = ingest(store, read_records(file), IngestOptions(limits=limits, on_rejected=lambda rejected: None))
        assert report.counts == WHOLE
        assert len(store.batches) == report.batches
        assert report.batches >= least_batches
        assert snapshot(store) == snapshot(whole)
        for one, following in zip(store.batches, store.batches[1:], strict=False):
            assert one.ends == following.begins


def test_a_store_may_ask_for_fewer_states(file):
    with Cache() as store:
        store.max_states_a_batch = 1
        assert ingest(store, read_records(file)).batches > 20
    with Cache() as store:
        store.max_states_a_batch = 10**9
        assert ingest(store, read_records(file), IngestOptions(limits=Limits(states=1))).batches > 20


def test_records_of_memory_count_every_time_and_are_taken_as_they_come():
    taken = count()
    with Cache() as store:
        for _ in range(2):
            report = store.ingest(hit(path=f"/{next(taken)}") for _ in range(2_500))
            assert report.counts == Counts(2_500, 2_500)
            assert report.label == "records"
        assert hits_of(store) == 5_000
        assert list(store.sources()) == []
        seen = []
        ingest(
            store,
            (hit(path=f"/{next(taken)}") for _ in range(3_000)),
            IngestOptions(on_progress=lambda *_: seen.append(next(taken))),
        )
        assert len(seen) == 3


def test_records_of_memory_that_can_not_be_read_are_named_by_their_number():
    some = [hit(), hit(timestamp=""), Record(path=5), hit(request_time=-1), None, hit(code=-1)]
    rejected = []
    with MemoryStore() as store:
        report = store.ingest(iter(some), IngestOptions(on_rejected=rejected.extend))
    assert report.counts == Counts(
        6, 2, 1, {"tcp": 1}, {"no timestamp": 1, "path is no text": 1, "not a Record": 1}
    )
    assert {(one.where, one.reason) for one in rejected} == {
        ("record 2", "no timestamp"),
        ("record 3", "path is no text"),
        ("record 5", "not a Record"),
    }


@pytest.mark.parametrize("name", ["analytics.jsonl", b"analytics.jsonl", Path("analytics.jsonl")])
@pytest.mark.parametrize("take_in", [MemoryStore.ingest, ingest])
def test_a_name_is_no_source_and_the_error_says_what_is(take_in, name):
    with MemoryStore() as store:
        with pytest.raises(TypeError, match=r'store\.ingest\(read_records\("analytics\.jsonl"\)\)'):
            take_in(store, name)
        assert snapshot(store) == snapshot(MemoryStore())


def test_a_url_with_a_password_is_not_in_the_error():
    with MemoryStore() as store, pytest.raises(TypeError, match="open_sources") as raised:
        store.ingest("tyk-raw+mongodb://user:s3cret@host/tyk")
    assert "s3cret" not in str(raised.value)


def test_a_malformed_record_can_end_an_ingest_and_its_batch_is_not_merged(file):
    with Cache() as store:
        with pytest.raises(SourceError, match=rf"^{file}: line 1 \(byte 0\): malformed record: not one"):
            store.ingest(read_records(file), IngestOptions(fail_on_malformed=True))
        assert store.batches == []
    data = file.read_bytes()
    file.write_bytes(data[data.index(b"\n") + 1 :])
    with Cache() as store:
        with pytest.raises(SourceError, match="line 150 "):
            ingest(store, read_records(file), IngestOptions(fail_on_malformed=True, limits=Limits(states=1)))
        assert 130 < hits_of(store) < 149, "what was merged before stays"
        assert store.ingest(read_records(file)).read + sum(one.counts.read for one in store.batches[:-1]) == 299


def test_rejected_lines_are_told_before_their_batch_is_merged_and_again_if_it_fails(file):
    told = []

    def refuse(batch):
        told.append("merge")
        if refuses:
            raise StoreError("full")

    options = IngestOptions(on_rejected=lambda rejected: told.append([one.raw for one in rejected]))
    with Cache(refuse) as store:
        refuses = True
        with pytest.raises(StoreError, match="full"):
            store.ingest(read_records(file), options)
        refuses = False
        store.ingest(read_records(file), options)
        assert told == [[b"{half\n"] * 3, "merge"] * 2
        told.clear()
        store.ingest([hit()], options)
        assert told == ["merge"], "of a batch without one nobody is told"


def test_what_can_not_be_kept_is_not_merged(file):
    def full(rejected):
        raise OSError("no space left")

    with Cache() as store:
        with pytest.raises(OSError, match="no space"):
            store.ingest(read_records(file), IngestOptions(on_rejected=full))
        assert store.batches == []


def test_rules_have_a_short_form():
    skipped = [hit(graphql_stats=GraphQLStats(is_graphql=True))]
    rules = Rules(include=frozenset({"graphql"}))
    with MemoryStore() as store:
        assert store.ingest(skipped).counts.counted == 0
        assert store.ingest(skipped, rules=rules).counts.counted == 1
        assert store.ingest(skipped, IngestOptions(rules=rules)).counts.counted == 1
        stopped = IngestOptions(stop=lambda: True)
        assert store.ingest(skipped, stopped, rules=rules).counts.counted == 0, "the other options stay"


def test_a_merge_that_failed_is_made_up_for(file):
    fails = iter([False, False, True, False, True])

    def sometimes(batch):
        if next(fails, False):
            raise StoreError("disk full")

    with Cache(sometimes) as store, MemoryStore() as whole:
        for _ in range(2):
            with pytest.raises(StoreError):
                ingest(store, read_records(file), IngestOptions(limits=Limits(states=30)))
        ingest(store, read_records(file), IngestOptions(limits=Limits(states=30)))
        whole.ingest(read_records(file))
        assert snapshot(store) == snapshot(whole)


def test_whoever_asks_to_stop_gets_what_was_read(file):
    answers = iter([False] * 7)
    with MemoryStore() as store:
        report = ingest(store, read_records(file), IngestOptions(stop=lambda: next(answers, True)))
        assert 0 < report.read < 300
        assert store.sources()[0].counts == report.counts
        rest = store.ingest(read_records(file))
        assert rest.read + report.read == 300


def test_a_stop_ends_before_the_next_file(file, tmp_path):
    (tmp_path / "next").write_bytes(line("/next"))
    with MemoryStore() as store:
        answers = iter([False])
        ingest(store, read_records([file, tmp_path / "next"]), IngestOptions(stop=lambda: next(answers, True)))
        assert len(store.sources()) == 1
        assert ingest(store, read_records(file), IngestOptions(stop=lambda: True)).read == 0


def test_progress_goes_up_to_the_whole(file):
    shares = []
    with MemoryStore() as store:
        ingest(store, read_records(file), IngestOptions(on_progress=lambda report, share: shares.append(share)))
        assert shares == sorted(shares)
        assert 0 < shares[0] < 0.1
        assert shares[-1] == 1
        with file.open("ab") as out:
            out.write(line("/more"))
        shares.clear()
        ingest(store, read_records(file), IngestOptions(on_progress=lambda report, share: shares.append(share)))
        assert shares == [1]


@pytest.mark.parametrize("chunks", [1, 5, 1000], ids=["less", "more", "all of it"])
def test_another_writer_of_the_same_file_takes_nothing_away_and_adds_nothing(file, chunks):
    # It merges first, once, so many chunks of what we are about to merge.
    def other(batch):
        store.before_merge = None
        asked = count(1)
        ingest(store, read_records(file), IngestOptions(stop=lambda: next(asked) > chunks))

    with Cache(other) as store, MemoryStore() as whole:
        report = ingest(store, read_records(file), IngestOptions(limits=Limits(states=50)))
        whole.ingest(read_records(file))
        assert snapshot(store) == snapshot(whole)
        assert report.counts.read < 300
        assert store.sources()[0].counts == WHOLE


def test_the_same_batch_merged_by_another_is_reported_as_duplicate(file):
    def other(batch):
        store.before_merge = None
        MemoryStore.merge(store, batch)

    with Cache(other) as store:
        report = store.ingest(read_records(file))
        assert (report.counts, report.duplicate, report.read) == (Counts(), 300, 300)
        assert store.sources()[0].counts == WHOLE


def test_a_file_of_nothing_but_blank_and_log_lines_moves_its_position(tmp_path):
    (tmp_path / "log").write_bytes(b'\n{"level":"info","msg":"x"}\n\n')
    with Cache() as store:
        assert store.ingest(read_records(tmp_path / "log")).counts == Counts(1, skipped={"log": 1})
        assert store.ingest(read_records(tmp_path / "log")).batches == 0
        assert len(store.batches) == 1


class Numbers(Source):
    """A source of chunks with positions, that keeps what it was told."""

    label = "numbers"

    def __init__(self, chunks):
        self.chunks, self.acknowledged, self.closed = chunks, [], 0

    def open(self, position):
        source, stored = self, position("numbers")

        class NumbersReading(Reading):
            source = "numbers"
            begins = stored

            def chunks(self):
                for number in range(int(stored or 0), source.chunks):
                    yield Chunk([hit(path=f"/{number}")], ends=str(number + 1), size=1)

            def acknowledge(self, position):
                source.acknowledged.append(position)

            def close(self):
                source.closed += 1

        return NumbersReading()


def test_a_source_is_told_what_is_merged_and_is_closed():
    numbers = Numbers(5)
    with MemoryStore() as store:
        ingest(store, numbers, IngestOptions(limits=Limits(states=2)))
        assert numbers.acknowledged == ["2", "4", "5"]
        ingest(store, numbers)
        assert numbers.acknowledged[3:] == ["5"], "also what somebody merged who could not say so any more"
        assert numbers.closed == 2


def test_a_source_is_closed_when_a_merge_fails():
    def refuse(batch):
        raise StoreError("no")

    numbers = Numbers(3)
    with Cache(refuse) as store, pytest.raises(StoreError):
        store.ingest(numbers)
    assert (numbers.acknowledged, numbers.closed) == ([], 1)


def test_a_reading_that_breaks_keeps_what_was_merged_and_says_so_in_the_report():
    class Breaks(Numbers):
        def open(self, position):
            reading = super().open(position)
            whole = reading.chunks

            def chunks():
                for number, chunk in enumerate(whole()):
                    if number == 3:
                        raise SourceError("numbers: gone")
                    yield chunk

            reading.chunks = chunks
            return reading

    report = IngestReport("numbers")
    with MemoryStore() as store:
        with pytest.raises(SourceError, match="gone"):
            ingest(store, Breaks(9), IngestOptions(limits=Limits(states=1)), report=report)
        assert (report.batches, report.read) == (3, 3)
        ingest(store, Numbers(9))
        assert hits_of(store) == 9
