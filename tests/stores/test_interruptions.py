"""After an interruption at any line that a merge and a read run through, the next call works and closing ends."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import ClassVar

import pytest

from tests.stores import interruptions
from tests.stores.interruptions import Interrupter, ends_in_time
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.stores.sqlite import SQLiteStore

# An exception inside of a clean-up that nothing can raise out of: Python prints it and goes on, and so do we.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

LINE = b'{"path":"/%d","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'
RECORDS = 3
SAMPLE = 60
"""Interruptions a store in the usual tests; in torture each line of some thousands has its own."""

Open = Callable[[Path], Store]
STORES: dict[str, Open] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SQLiteStore(folder / "stats.db"),
}


def log(folder: Path) -> FileSource:
    path = folder / "log"
    path.write_bytes(b"".join(LINE % number for number in range(RECORDS)) + b"{bad\n")
    return FileSource(str(path))


def ingest_and_ask(store: Store, source: FileSource) -> int:
    """The hits that are there after an ingest."""
    store.ingest(source, IngestOptions(on_rejected=lambda rejected: None))
    return sum(row.hits for row in store.consumers())


def wrong_after(open_store: Open, folder: Path, at: int) -> str:
    """What is wrong after an interruption at that line; ``""``: nothing."""
    folder.mkdir()
    store, source, interrupter = open_store(folder), log(folder), Interrupter(at)
    interrupter.run(lambda: ingest_and_ask(store, source))
    found = []
    problem = ends_in_time(lambda: found.append(ingest_and_ask(store, source)))
    problem = problem or (found != [RECORDS] and f"{found} hits and not {RECORDS}")
    problem = problem or ends_in_time(store.close)
    return f"line {at}, {interrupter.where}: {problem!r}" if problem else ""


def wrong_after_closing(open_store: Open, folder: Path, at: int) -> str:
    """What is wrong after an interruption of closing at that line; ``""``: nothing."""
    folder.mkdir()
    store, source, interrupter = open_store(folder), log(folder), Interrupter(at)
    ingest_and_ask(store, source)
    interrupter.run(store.close)
    problem = ends_in_time(store.close)
    return f"line {at}, {interrupter.where}: {problem!r}" if problem else ""


def count_lines(open_store: Open, folder: Path) -> tuple[int, int]:
    """How many lines an ingest with a question runs through, and how many a closing."""
    folder.mkdir()
    store, source, working, closing = open_store(folder), log(folder), Interrupter(), Interrupter()
    assert not working.run(lambda: ingest_and_ask(store, source))
    assert not closing.run(store.close)
    return working.lines, closing.lines


def assert_nothing_is_wrong(open_store: Open, folder: Path, most: int) -> None:
    working, closing = count_lines(open_store, folder / "whole")
    assert working > 300, "an ingest is more than that: is it traced?"
    wrong = []
    for name, lines, look in (("work", working, wrong_after), ("close", closing, wrong_after_closing)):
        step = max(1, -(-lines // most))
        for at in range(1 + step // 2, lines + 1, step):
            if problem := look(open_store, folder / f"{name} {at}", at):
                wrong.append(problem)
    print(f"\n{working:,} lines of an ingest and a question, {closing:,} of a closing, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("store", STORES)
def test_an_interruption_anywhere_leaves_a_store_that_works(tmp_path, store):
    assert_nothing_is_wrong(STORES[store], tmp_path, SAMPLE)


@pytest.mark.torture
@pytest.mark.parametrize("store", STORES)
def test_an_interruption_at_every_line_leaves_a_store_that_works(tmp_path, store):
    assert_nothing_is_wrong(STORES[store], tmp_path, 10**9)


class Locked(MemoryStore):
    """The broken twin: a lock that stays where it is if an exception comes between taking and giving it back."""

    gates: ClassVar[dict[int, Lock]] = {}

    def merge(self, batch):
        gate = self.gates.setdefault(id(self), Lock())
        gate.acquire()
        merged = super().merge(batch)
        gate.release()
        return merged


class Half(MemoryStore):
    """The broken twin: it remembers the position, and then merges."""

    def merge(self, batch):
        self.stands = {**getattr(self, "stands", {}), batch.source: batch.ends}
        batch.source = None
        return super().merge(batch)

    def position(self, source):
        return getattr(self, "stands", {}).get(source)


@pytest.mark.parametrize(("twin", "says"), [(Locked, "it hangs"), (Half, "hits and not 3")])
def test_that_catches_a_store_that_can_not_be_interrupted(tmp_path, monkeypatch, twin, says):
    monkeypatch.setattr(interruptions, "WITHIN_S", 1.0)
    lines, _ = count_lines(lambda folder: twin(), tmp_path / "whole")
    found = (wrong_after(lambda folder: twin(), tmp_path / str(at), at) for at in range(lines, 0, -20))
    assert says in next(filter(None, found))
