"""What the exams of stores share: where stores lie, how they are asked, and threads that start together."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import EdgeInsideBucket
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.testing.generators import batch_of
from tyk_endpoint_stats.testing.plain import Hit, plain_answer, plain_hits

__all__ = [
    "ALL_DAYS",
    "ALL_QUARTER_HOURS",
    "EVERYTHING",
    "NewPlace",
    "ReadableExam",
    "StoreExam",
    "answer_of",
    "forked",
    "new_places",
    "run_together",
    "snapshot",
]

NewPlace: TypeAlias = Callable[[], Path]
"""Makes a new, empty directory, with a name of its own, for one more store."""

ALL_DAYS = (Span(Width.DAY, -(10**6), 10**7),)
ALL_QUARTER_HOURS = (Span(Width.QUARTER_HOUR, -(10**8), 10**9),)
EVERYTHING = frozenset(Dimension)
_TOTALS = (frozenset({Dimension.CONSUMER}), frozenset({Dimension.ENDPOINT}), frozenset({Dimension.BUCKET}))

THREADS_END_S = 60.0


def new_places(folder: Path, what: str, remove: Callable[[Path], None]) -> Iterator[NewPlace]:
    """For a fixture: what makes places in a folder; they are removed when the test is over."""
    places: list[Path] = []

    def make() -> Path:
        place = folder / f"{what}_{uuid4().hex[:16]}"
        place.mkdir()
        places.append(place)
        return place

    yield make
    for place in places:
        remove(place)


class ReadableExam:
    """How the exams of reading get a store with something in it. Subclasses give ``open_filled``."""

    max_examples = 25
    """How many random histories each property is tried with."""

    def open_filled(self, place: Path, records: Sequence[Record]) -> ReadableStore:
        """Open a store that holds the states of these records, however they get in there.

        Args:
            place: a directory that exists and is empty; its name is unique, for stores elsewhere.
            records: well formed; those that are no hits (TCP, without a consumer) are among them.
        """
        raise NotImplementedError("an exam needs open_filled(self, place, records)")

    def expected(self, hits: Sequence[Hit], selection: Selection) -> dict[Group, EndpointStats] | None:
        """What a store with these hits has to answer; ``None``: that it can't, by ``EdgeInsideBucket``.

        Everything, unless the data itself says less; then a subclass takes that out here.
        """
        return plain_answer(hits, selection)

    def check_filled(
        self, store: ReadableStore, records: Iterable[Record], selections: Iterable[Selection]
    ) -> None:
        """The store answers each of these as expected."""
        hits = plain_hits(records)
        for selection in selections:
            expected = self.expected(hits, selection)
            if expected is None:
                with pytest.raises(EdgeInsideBucket):
                    store.read(selection)
            else:
                assert answer_of(store, selection) == expected, selection

    def remove_store(self, place: Path) -> None:
        """Remove what was made for a store outside of ``place``; the directory itself goes anyway."""

    @pytest.fixture
    def new_place(self, tmp_path: Path) -> Iterator[NewPlace]:
        """Places for the stores of one test."""
        yield from new_places(tmp_path, "store", self.remove_store)

    @property
    def settings(self) -> settings:
        """For the properties: no deadline, because a store may have to wait for a disk or a server."""
        return settings(
            max_examples=self.max_examples,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )


class StoreExam(ReadableExam):
    """How the exams get their stores. Subclasses give ``open_store``."""

    merges = 40
    """How many batches are merged where many meet; fewer will do where each takes a server some time."""

    def open_store(self, place: Path) -> Store:
        """Open the store that belongs to ``place``: new and empty the first time, durable ones the same again.

        Args:
            place: a directory that exists and is empty at first; its name is unique, for stores elsewhere.
        """
        raise NotImplementedError("an exam needs open_store(self, place)")

    def open_filled(self, place: Path, records: Sequence[Record]) -> ReadableStore:
        """A store into which the records were merged, in two batches."""
        store = self.open_store(place)
        for half in (records[::2], records[1::2]):
            store.merge(batch_of(half))
        return store


def answer_of(store: ReadableStore, selection: Selection) -> dict[Group, EndpointStats]:
    """A store's answer, by group."""
    answer = list(store.read(selection))
    by_group = dict(answer)
    assert len(by_group) == len(answer), "a group was answered twice"
    return by_group


def check_answers(store: ReadableStore, hits: Iterable[Hit], selections: Iterable[Selection]) -> None:
    """The store answers each of these as the hits themselves do."""
    hits = list(hits)
    for selection in selections:
        assert answer_of(store, selection) == plain_answer(hits, selection), selection


def snapshot(store: Store) -> tuple[object, ...]:
    """All that can be asked of a store, for comparing before and after."""
    progress: list[SourceProgress] = list(store.sources())
    return (
        answer_of(store, Selection(ALL_DAYS, EVERYTHING)),
        answer_of(store, Selection(ALL_QUARTER_HOURS, EVERYTHING)),
        *(answer_of(store, Selection(ALL_DAYS, by)) for by in _TOTALS),
        {one.source: one for one in progress},
        {one.source: store.position(one.source) for one in progress},
    )


def frozen(batch: Batch) -> object:
    """All of a batch in a form that does not change with it."""
    states = (list(batch.consumers), list(batch.endpoints), list(batch.rows), list(batch.totals))
    counts = batch.counts
    return (
        states,
        dict(batch.api_names),
        dict(batch.aliases),
        (counts.read, counts.counted, counts.repaired, dict(counts.skipped), dict(counts.malformed)),
        (batch.source, batch.begins, batch.ends),
    )


def run_together(*functions: Callable[[], object]) -> None:
    """Run the functions at the same time, a thread each; the first error of one of them is raised here."""
    barrier = threading.Barrier(len(functions))
    problems: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        barrier.wait(THREADS_END_S)
        try:
            function()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(THREADS_END_S)
    assert not any(thread.is_alive() for thread in threads), f"a call hangs for {THREADS_END_S:g} s"
    if problems:
        raise problems[0]


@contextmanager
def forked(function: Callable[[], object]) -> Iterator[str]:
    """Run a function in a forked child; yields what went wrong in it."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        problem = ""
        try:
            function()
        except BaseException as caught:
            problem = repr(caught)[:1000] or "an error"
        os.write(writer, problem.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        yield answer.read().decode()
    os.waitpid(child, 0)
