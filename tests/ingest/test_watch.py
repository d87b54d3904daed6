"""Telling a stalled ingest from a working one, and from one that has nothing to do."""

import threading

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest import follower
from tyk_endpoint_stats.ingest.follower import Follower
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.ingest.watch import Ingested, Watch
from tyk_endpoint_stats.sources.files import open_files

LINE = b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def test_what_shows_life_is_not_stalled_and_what_shows_none_is(clock):
    watch = Watch(clock)
    report = IngestReport("x")
    for _ in range(10):
        clock.seconds += 60
        assert watch.stalled(60) is None
        watch.moved(report)
    clock.seconds += 61
    assert watch.stalled(60) == "the ingest has stood still for 61 s"
    watch.moved(report)
    assert watch.stalled(60) is None


def test_a_source_that_fails_again_and_again_is_stalled_from_its_first_failure_on(clock):
    watch = Watch(clock)
    for _ in range(5):
        assert watch.stalled(100) is None
        watch.failed("log", "a source can't be read")
        watch.moved(IngestReport("x"))
        clock.seconds += 21
    assert watch.stalled(100) == "a source can't be read for 105 s"
    watch.worked("other")
    assert watch.stalled(100)
    watch.worked("log")
    assert watch.stalled(100) is None


def test_the_end_of_all_sources_is_no_stall_and_a_mistake_is_one_at_once(clock):
    ended, broken = Watch(clock), Watch(clock)
    ended.ended(None)
    clock.seconds += 1e6
    assert ended.stalled(1) is None
    broken.ended("the ingest ended by a mistake in the program")
    assert broken.stalled(1e9) == "the ingest ended by a mistake in the program"


def test_sums_go_on_over_a_following_that_begins_anew(clock):
    watch = Watch(clock)
    first = IngestReport("x", Counts(6, 3, 0, {"a": 1}, {"b": 2}), bytes=10, duplicate=4, newest_us=50)
    watch.moved(first)
    watch.moved(first)
    second = IngestReport("x", Counts(1, 1), bytes=1, newest_us=40)
    watch.moved(second)
    assert watch.ingested == Ingested(4, 1, 2, 4, 11, 50)


@pytest.fixture
def store():
    with open_store("memory://") as opened:
        yield opened


def following(store, path, find=open_files, **options):
    given = {"on_report": lambda _: None, "on_problem": lambda _: None, "on_failure": lambda: None}
    return Follower(store, [str(path)], find, **(given | options))


def until(condition):
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return True
        done.wait(0.01)
    return False


def test_a_file_that_grows_and_then_rests_is_never_stalled(store, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(LINE * 3)
    with following(store, log) as running:
        assert until(lambda: running.watch.ingested.counted == 3)
        with log.open("ab") as grown:
            grown.write(LINE * 2)
        assert until(lambda: running.watch.ingested.counted == 5)
        assert running.watch.ingested.bytes == 5 * len(LINE)
        assert running.watch.stalled(10) is None


def test_a_merge_that_never_ends_is_a_stall(store, tmp_path, monkeypatch):
    """Where a source has more and the store takes nothing; a probe that asks the store alone would see nothing."""
    log = tmp_path / "log"
    log.write_bytes(LINE)
    begun, may_end, real = threading.Event(), threading.Event(), store.merge

    def merge(batch):
        begun.set()
        assert may_end.wait(20)
        return real(batch)

    monkeypatch.setattr(store, "merge", merge)
    with following(store, log) as running:
        try:
            assert begun.wait(20)
            assert until(lambda: running.watch.stalled(0.05) is not None)
            assert "stood still" in running.watch.stalled(0.05)
        finally:
            may_end.set()
        assert until(lambda: running.watch.ingested.counted == 1)
        assert until(lambda: running.watch.stalled(1.5) is None)


def test_a_store_that_can_not_be_written_is_a_stall_until_it_can(store, tmp_path, monkeypatch):
    monkeypatch.setattr(follower, "_STORE_AGAIN_AFTER_S", 0.01)
    log = tmp_path / "log"
    log.write_bytes(LINE)
    full, real = threading.Event(), store.merge
    full.set()

    def merge(batch):
        if full.is_set():
            raise StoreError("the disk is full: /secret/path")
        return real(batch)

    monkeypatch.setattr(store, "merge", merge)
    with following(store, log) as running:
        assert until(lambda: (running.watch.stalled(0.05) or "").startswith("the store can't be written to for"))
        full.clear()
        assert until(lambda: running.watch.ingested.counted == 1)
        assert until(lambda: running.watch.stalled(1.5) is None)


def test_a_source_that_can_not_be_read_is_a_stall(store, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(LINE)

    def find(name):
        (source,) = open_files(name)

        def fails(position):
            raise SourceError(f"{name}: permission denied")

        source.open = fails
        return [source]

    with following(store, log, find) as running:
        assert until(lambda: (running.watch.stalled(0.05) or "").startswith("a source can't be read for"))
        log.unlink()  # who rotates it may have it: then nothing is missing
        assert until(lambda: running.watch.stalled(1.5) is None)


def test_a_file_that_is_not_there_yet_is_no_stall(store, tmp_path):
    waiting = threading.Event()
    with following(store, tmp_path / "later", on_problem=lambda _: waiting.set()) as running:
        assert waiting.wait(20)
        assert until(lambda: running.watch.stalled(1.2) is None)


def test_a_mistake_in_the_program_is_a_stall_for_ever(store, tmp_path):
    failed, calls = threading.Event(), []

    def find(name):
        calls.append(name)
        if len(calls) > 1:
            raise ZeroDivisionError
        return []

    with following(store, tmp_path, find, on_failure=failed.set) as running:
        assert failed.wait(20)
        assert running.watch.stalled(1e9) == "the ingest ended by a mistake in the program"
