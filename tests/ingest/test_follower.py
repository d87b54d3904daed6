"""Reading and answering in one process: what was read by the end is merged, and a full store is tried again."""

import threading

import pytest

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.errors import StoreError, UnknownScheme
from tyk_endpoint_stats.ingest import follower
from tyk_endpoint_stats.ingest.follower import Follower

LINE = b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'


@pytest.fixture
def store():
    with open_store("memory://") as opened:
        yield opened


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(LINE * 3)
    return path


def following(store, *names, **options):
    given = {"on_report": lambda _: None, "on_problem": lambda _: None, "on_failure": lambda: None}
    return Follower(store, [str(name) for name in names], options.pop("find", open_sources), **(given | options))


def hits(store):
    return sum(row.hits for row in store.consumers())


def once_merged(store, monkeypatch, count):
    """An event that is set when so many merges are done."""
    done, left, real = threading.Event(), [count], store.merge

    def merge(batch):
        merged = real(batch)
        left[0] -= 1
        if left[0] <= 0:
            done.set()
        return merged

    monkeypatch.setattr(store, "merge", merge)
    return done


def test_leaving_it_merges_what_was_read(store, file, monkeypatch):
    merged = once_merged(store, monkeypatch, 1)
    with following(store, file) as running:
        assert merged.wait(20)
    assert hits(store) == 3
    assert running.problem is None


def test_it_can_be_left_at_once(store, file):
    with following(store, file):
        pass
    assert hits(store) in (0, 3)


def test_a_store_that_can_not_merge_is_tried_again(store, file, monkeypatch):
    """The broken twin is a thread that ends with the first error: nothing would ever be counted."""
    monkeypatch.setattr(follower, "_STORE_AGAIN_AFTER_S", 0.01)
    problems, counted, real = [], threading.Event(), store.merge

    def merge(batch):
        if len(problems) < 2:
            raise StoreError("the disk is full")
        merged = real(batch)
        counted.set()
        return merged

    monkeypatch.setattr(store, "merge", merge)
    with following(store, file, on_problem=problems.append):
        assert counted.wait(20)
    assert problems == ["the disk is full"] * 2
    assert hits(store) == 3


def test_a_mistake_in_the_program_is_told_and_kept(store, file):
    failed = threading.Event()
    calls = []

    def find(name):
        calls.append(name)
        if len(calls) > 1:
            raise ZeroDivisionError
        return open_sources(name)

    with following(store, file, find=find, on_failure=failed.set) as running:
        assert failed.wait(20)
    assert isinstance(running.problem, ZeroDivisionError)


def test_a_name_that_no_plugin_knows_is_refused_before_it_starts(store):
    with pytest.raises(UnknownScheme, match="gopher"):
        following(store, "gopher://x")


def test_a_file_that_is_not_there_yet_is_waited_for(store, file, monkeypatch):
    merged, problems, waiting = once_merged(store, monkeypatch, 1), [], threading.Event()

    def say(problem):
        problems.append(problem)
        waiting.set()

    later = file.with_name("later")
    with following(store, later, on_problem=say):
        assert waiting.wait(20)
        file.rename(later)
        assert merged.wait(20)
    assert hits(store) == 3
    assert len(problems) == 1
