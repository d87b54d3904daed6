"""The exam of sources: stopped anywhere and begun again, every record counts once and is accounted for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

import pytest

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.record import GraphQLStats, Latency, MCPStats, Record
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.sources.contract import Peekable, Reading, Rejected, Source
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTER_HOURS,
    EVERYTHING,
    answer_of,
    new_places,
    run_together,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit

__all__ = ["PeekableSourceConformance", "SourceConformance", "stopped_after"]

NewSourcePlace: TypeAlias = Callable[[], Path]

A_BATCH_A_CHUNK = Limits(seconds=0)
MAX_POSITIONS = 12
"""So many positions of a long source are tried, spread over it."""


class SourceConformance:
    """The exam of every resumable source.

    Subclass it as ``Test…`` in your own tests, and give three methods::

        class TestMySource(SourceConformance):
            def add_records(self, place: Path, records: Sequence[Record]) -> None:
                append_to(place / "queue", [encode(record) for record in records])

            def add_malformed(self, place: Path) -> int:
                append_to(place / "queue", [b"no record"])
                return 1

            def open_source(self, place: Path) -> Source:
                (source,) = open_sources(f"mysource://{place}/queue")
                return source

    ``place`` is a directory that exists, is empty at first, and has a name that no other place has; for what lies
    elsewhere, such as in a server, take its name and give ``remove`` too.
    """

    many = 4000
    """So many records must make three chunks of a source or more."""

    def add_records(self, place: Path, records: Sequence[Record]) -> None:
        """Have the source of ``place`` hold these records, behind those that it holds."""
        raise NotImplementedError("an exam needs add_records(self, place, records)")

    def add_malformed(self, place: Path) -> int:
        """Have it hold something that is no record, too; how many a report shall say that is."""
        raise NotImplementedError("an exam needs add_malformed(self, place)")

    def open_source(self, place: Path) -> Source:
        """Its source, as a new process would open it; called after ``add_records``."""
        raise NotImplementedError("an exam needs open_source(self, place)")

    def remove(self, place: Path) -> None:
        """Remove what lies outside of ``place``; the directory itself goes anyway."""

    @pytest.fixture
    def new_place(self, tmp_path: Path) -> Iterator[NewSourcePlace]:
        """Places for the sources of one test."""
        yield from new_places(tmp_path, "source", self.remove)

    def test_one_pass_gives_every_record(self, new_place: NewSourcePlace) -> None:
        """All its fields, and why some do not count."""
        place, given = new_place(), different_records(200)
        self.add_records(place, given)
        with MemoryStore() as store:
            report = ingest(store, self.open_source(place))
            check(store, given)
            assert report.counts.skipped == batch_of(given).counts.skipped
            assert (report.read, report.duplicate, report.counts.malformed) == (len(given), 0, {})
            assert report.bytes > 0

    def test_stopped_at_any_position_it_goes_on_from_there(self, new_place: NewSourcePlace) -> None:
        """By another process: what both have read is what one pass reads."""
        given = different_records(self.many)
        positions = self._positions(new_place(), given)
        assert len(positions) >= 3, f"{self.many} records are too few for this exam: set many"
        for pieces in range(1, len(positions) + 1, max(len(positions) // MAX_POSITIONS, 1)):
            place = new_place()
            self.add_records(place, given)
            with MemoryStore() as store:
                first = stopped_after(store, self.open_source(place), pieces)
                assert first.read < len(given) or pieces == len(positions)
                second = ingest(store, self.open_source(place))
                assert first.read + second.read == len(given), f"stopped after {pieces} chunks"
                check(store, given)

    def _positions(self, place: Path, given: Sequence[Record]) -> list[str]:
        self.add_records(place, given)
        found: list[str] = []
        for part in self.open_source(place).parts():
            with part.open(lambda source: None) as reading:
                assert reading.source is not None, "this source can't be resumed"
                assert reading.begins is None
                for chunk in reading.chunks():
                    assert isinstance(chunk.ends, str)
                    found.append(chunk.ends)
        assert len(set(found)) == len(found), "two chunks end at the same position"
        return found

    def test_again_there_is_nothing_new(self, new_place: NewSourcePlace) -> None:
        """For the same object and for another process, which both find what is added then."""
        place, given = new_place(), different_records(50)
        self.add_records(place, given)
        source = self.open_source(place)
        with MemoryStore() as store:
            assert ingest(store, source).read == len(given)
            for later in (source, self.open_source(place)):
                assert ingest(store, later).read == 0
                self.add_records(place, given)
                assert ingest(store, later).read == len(given)
            check(store, given * 3)

    def test_what_is_read_and_not_merged_is_read_again(self, new_place: NewSourcePlace) -> None:
        """Closed in the middle, closed twice, or never begun: the position is the store's, not the source's."""
        place, given = new_place(), different_records(60)
        self.add_records(place, given)
        source = self.open_source(place)
        with MemoryStore() as store:
            for _ in range(2):
                reading = first_reading(source, store)
                next(iter(reading.chunks()))
                reading.close()
                reading.close()
            first_reading(source, store).close()
            assert ingest(store, source).read == len(given)
            check(store, given)

    def test_a_merge_whose_answer_is_lost_is_not_merged_twice(self, new_place: NewSourcePlace) -> None:
        """Whoever calls again, with the same source or in another process."""
        given = different_records(self.many)
        for lose_at, is_same in ((1, True), (2, False), (3, True), (3, False)):
            place = new_place()
            self.add_records(place, given)
            source = self.open_source(place)
            with LosingStore(lose_at) as store:
                with pytest.raises(StoreError, match="lost"):
                    ingest(store, source, IngestOptions(limits=A_BATCH_A_CHUNK))
                ingest(store, source if is_same else self.open_source(place), IngestOptions(limits=A_BATCH_A_CHUNK))
                check(store, given)

    def test_malformed_records_are_counted_and_keep_nobody_waiting(self, new_place: NewSourcePlace) -> None:
        """Each with its place, a reason and its bytes; and the first of them ends it where none may be."""
        place, given = new_place(), different_records(20)
        self.add_records(place, given)
        malformed = self.add_malformed(place)
        self.add_records(place, given)
        kept: list[Rejected] = []
        with MemoryStore() as store:
            with pytest.raises(SourceError, match="malformed"):
                ingest(store, self.open_source(place), IngestOptions(fail_on_malformed=True))
            check(store, [])
            report = ingest(store, self.open_source(place), IngestOptions(on_rejected=kept.extend))
            counts = report.counts
            assert sum(counts.malformed.values()) == len(kept) == malformed > 0
            assert counts.read == counts.counted + sum(counts.skipped.values()) + malformed
            assert all(rejected.where and rejected.reason for rejected in kept)
            assert ingest(store, self.open_source(place)).read == 0
            check(store, given * 2)

    def test_two_at_once_count_every_record_once(self, new_place: NewSourcePlace) -> None:
        """Both end well, whoever merges what."""
        place, given = new_place(), different_records(self.many)
        self.add_records(place, given)
        with MemoryStore() as store:
            one, other = self.open_source(place), self.open_source(place)
            run_together(
                lambda: ingest(store, one, IngestOptions(limits=A_BATCH_A_CHUNK)),
                lambda: ingest(store, other, IngestOptions(limits=A_BATCH_A_CHUNK)),
            )
            for _ in range(2):  # what the one has left because the other had it
                ingest(store, self.open_source(place))
            check(store, given)

    def test_it_says_what_it_is(self, new_place: NewSourcePlace) -> None:
        """A label for people, parts that have one too, and warnings that are sentences."""
        place = new_place()
        self.add_records(place, different_records(5))
        source = self.open_source(place)
        for each in (source, *source.parts()):
            assert each.label
            assert not isinstance(each.warnings, str)
            assert all(isinstance(text, str) and text for text in each.warnings)


class PeekableSourceConformance(SourceConformance):
    """The exam of sources that are emptied by being read (``sources.contract.Peekable``)."""

    def test_peeking_counts_what_waits_and_takes_nothing(self, new_place: NewSourcePlace) -> None:
        """As often as one likes."""
        place, given = new_place(), different_records(30)
        self.add_records(place, given)
        source = self.open_source(place)
        assert isinstance(source, Peekable)
        for _ in range(3):
            waiting = source.peek()
            assert sum(each.records for each in waiting) == len(given)
            assert all(each.where for each in waiting)
        with MemoryStore() as store:
            assert ingest(store, source).read == len(given)
            assert sum(each.records for each in source.peek()) == 0
            check(store, given)


class LosingStore(MemoryStore):
    """A store that merges its n-th batch, and then its answer is lost."""

    def __init__(self, lose_at: int) -> None:
        super().__init__()
        self._merges = count(1)
        self._lose_at = lose_at

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        merged = super().merge(batch)
        if next(self._merges) == self._lose_at:
            raise StoreError("the answer is lost")
        return merged


def different_records(amount: int) -> list[Record]:
    """Well-formed records of a few consumers, endpoints and days; one in seven is skipped, for all reasons."""
    found = []
    for number in range(amount):
        fields: dict[str, Any] = {
            "path": ("/get", "/a b/\u00fc", "", "/x\ty")[number % 4],
            "api_key": f"k{number % 3}",
            "oauth_id": "client.1" if number % 5 == 0 else "",
            "alias": f"Ann {number % 6}",
            "api_name": "One",
            "track_path": number % 2 == 0,
            "request_time": number % 9,
            "latency": Latency(number % 300, number % 200),
        }
        if number % 28 == 6:
            fields |= {"api_key": "", "oauth_id": ""}
        elif number % 28 == 13:
            fields["graphql_stats"] = GraphQLStats(True)
        elif number % 28 == 20:
            fields["mcp_stats"] = MCPStats(True)
        code = -1 if number % 28 == 27 else (200, 404, 301, 500)[number % 4]
        found.append(hit(FIRST_DAY + number % 2, number * 7 % 3600, code=code, **fields))
    return found


def stopped_after(store: Store, source: Source, chunks: int) -> IngestReport:
    """Ingest so many chunks, a batch each."""
    taken = count()
    stopped = Event()

    def on_progress(report: IngestReport, share: float | None) -> None:
        if next(taken) + 1 == chunks:
            stopped.set()

    return ingest(
        store, source, IngestOptions(limits=A_BATCH_A_CHUNK, on_progress=on_progress, stop=stopped.is_set)
    )


def first_reading(source: Source, store: Store) -> Reading:
    """A reading of the first part."""
    return source.parts()[0].open(store.position)


def check(store: Store, records: Sequence[Record]) -> None:
    """The store holds what one pass over these records makes."""
    with MemoryStore() as expected:
        expected.merge(batch_of(records))
        for spans in (ALL_DAYS, ALL_QUARTER_HOURS):
            selection = Selection(spans, EVERYTHING)
            assert answer_of(store, selection) == answer_of(expected, selection)
