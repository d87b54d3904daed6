"""Ingesting with several processes: the same as with one, whatever happens to a file or a process."""

import gzip
import json
import os
import signal

import pytest

from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest import parallel, worker_pool
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import snapshot

pytestmark = pytest.mark.slow

SMALL = IngestOptions(limits=Limits(states=50))


@pytest.fixture(autouse=True)
def worth_it(monkeypatch):
    """Processes are started for little, and get little pieces."""
    monkeypatch.setattr(parallel, "WORTH_BYTES", 0)
    monkeypatch.setattr(parallel, "_LEAST_PIECE_BYTES", 4_000)
    monkeypatch.setattr(parallel, "_MAX_PIECE_BYTES", 4_000)


def lines(name, number):
    record = {"api_key": "k", "response_code": 200, "timestamp": "2020-10-13T10:00:00Z"}
    return b"".join(json.dumps(record | {"path": f"/{name}/{each}"}).encode() + b"\n" for each in range(number))


@pytest.fixture
def files(tmp_path):
    """Files of each kind, one after the other; some of them are not what they should be."""
    contents = {
        "a.jsonl": lines("a", 300),
        "b.gz": gzip.compress(lines("b", 300)),
        "cut.gz": gzip.compress(lines("c", 300))[:-9],
        "empty": b"",
        "half": b'{"path":"/half',
        "bad.jsonl": lines("d", 100) + b"{bad\n" * 20 + lines("e", 100),
        "again.jsonl": lines("a", 300),
        "alike.jsonl": lines("a", 1) + lines("f", 200),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [FileSource(str(tmp_path / name)) for name in [*contents, "missing"]]


def outcome(store, sources, jobs, **more):
    """What came of each source, without what differs between runs, and the store's whole content."""
    found = []
    for report, problem in ingest_all(store, sources, IngestOptions(**more), jobs=jobs):
        found.append((report.label, report.counts, report.named, problem and str(problem)))
    return found, snapshot(store)


def test_any_number_of_processes_gives_the_same(files):
    outcomes = []
    for jobs in (1, 2, 3):
        rejected = []
        with MemoryStore() as store:
            outcomes.append((*outcome(store, files, jobs, on_rejected=rejected.extend), rejected))
    # Who reads from its middle on does not know how many lines are before, so only places differ.
    for reports, content, rejected in outcomes[1:]:
        assert [one[:2] for one in reports] == [one[:2] for one in outcomes[0][0]]
        assert [one[3] for one in reports] == [one[3] for one in outcomes[0][0]]
        assert content == outcomes[0][1]
        assert [one.raw for one in rejected] == [b"{bad\n"] * 20
    problems = [one[3] for one in outcomes[0][0] if one[3]]
    assert len(problems) == 3
    assert "cut off or corrupt" in problems[0]
    assert "/half" in problems[1], "one that has no record, only half of one"
    assert "No such file" in problems[2]


def test_a_second_run_has_nothing_to_do(files):
    sound = [source for source in files if not source.label.endswith(("missing", "cut.gz"))]
    with MemoryStore() as store:
        before = outcome(store, sound, 2)[1]
        reports, after = outcome(store, sound, 2)
        assert sum(counts.read for _, counts, _, _ in reports) == 0
        assert before == after


class Raced(MemoryStore):
    """A store into which somebody else merges the first file while we do."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def merge(self, batch):
        other, self.other = self.other, None
        if other:
            for _ in ingest_all(self, other):
                pass
        return super().merge(batch)


def test_another_writer_is_met_and_everything_counts_once(files):
    with MemoryStore() as whole, Raced(files[:1]) as store:
        outcome(whole, files[:2], 1)
        outcome(store, files[:2], 2, limits=Limits(states=10))
        assert snapshot(store) == snapshot(whole)


class Counted(MemoryStore):
    """A store that does something at its n-th merge."""

    def __init__(self, at, then):
        super().__init__()
        self.left, self.then = at, then

    def merge(self, batch):
        self.left -= 1
        if not self.left:
            self.then()
        return super().merge(batch)


@pytest.fixture
def started(monkeypatch):
    """The processes that a test has started."""
    processes, start = [], worker_pool.WorkerPool._start

    def start_and_keep(wanted):
        processes.append(start(wanted))
        return processes[-1]

    monkeypatch.setattr(worker_pool.WorkerPool, "_start", staticmethod(start_and_keep))
    return processes


def test_a_process_that_is_ended_from_outside_is_named_and_a_second_run_is_exact(tmp_path, started):
    file = tmp_path / "big.jsonl"
    file.write_bytes(lines("big", 5_000))

    def kill_all():
        for process in started:
            os.kill(process.pid, signal.SIGKILL)

    with Counted(2, kill_all) as store, MemoryStore() as whole:
        ((_, problem),) = ingest_all(store, [FileSource(str(file))], SMALL, jobs=2)
        assert isinstance(problem, SourceError)
        assert "was ended from outside; run it again, or with --jobs 1" in str(problem)
        for _ in ingest_all(store, [FileSource(str(file))], jobs=2):
            pass
        for _ in ingest_all(whole, [FileSource(str(file))]):
            pass
        assert snapshot(store) == snapshot(whole)
    assert all(process.poll() is not None for process in started)


def test_a_store_that_fails_ends_the_processes(files, started):
    def fail():
        raise StoreError("disk full")

    with Counted(2, fail) as store:
        with pytest.raises(StoreError, match="disk full"):
            outcome(store, files, 2)
        assert len(started) == 2
        assert all(process.poll() is not None for process in started)


def test_too_little_is_read_by_one_process(files, monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_BYTES", 10**9)
    monkeypatch.setattr(worker_pool.WorkerPool, "__init__", lambda *_: pytest.fail("a process is started"))
    with MemoryStore() as store:
        outcome(store, files, 8)


def test_a_stop_leaves_whole_batches(files):
    answers = iter([False] * 4)
    with MemoryStore() as store, MemoryStore() as whole:
        outcome(store, files[:2], 2, stop=lambda: next(answers, True), limits=Limits(states=20))
        outcome(store, files[:2], 2)
        outcome(whole, files[:2], 1)
        assert snapshot(store) == snapshot(whole)
