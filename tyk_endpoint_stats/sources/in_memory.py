"""Records that are already in memory, or come from an iterator, as a source."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, mended
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Rejected, Source

__all__ = ["RecordsSource"]

_RECORDS_A_CHUNK = 1000


class RecordsSource(Source):
    """Records that are already in memory or come from an iterator. Not resumable: every call counts them.

    Raises:
        TypeError: ``records`` is one text, or the name of a file.
    """

    def __init__(self, records: Iterable[Record], label: str = "records") -> None:
        if isinstance(records, str | bytes | os.PathLike):
            # Without what was given: it may be a URL with a password, or records with keys in them.
            raise TypeError(
                f"records are wanted, not a {type(records).__name__}; "
                'of a file: store.ingest(read_records("analytics.jsonl")); of a URL: each of open_sources(url)'
            )
        self.label = label
        self._records = records

    def open(self, position: PositionLookup) -> Reading:
        """Read the iterable from where it stands."""
        return _RecordsReading(self._records)


class _RecordsReading(Reading):
    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records

    def chunks(self) -> Iterator[Chunk]:
        numbered = enumerate(self._records, 1)
        while given := list(islice(numbered, _RECORDS_A_CHUNK)):
            yield _records_chunk(given)


class _RecordsChunk(Chunk):
    numbers: Sequence[int] = ()

    def locate(self, index: int) -> Rejected:
        return Rejected(f"record {self.numbers[index]}", "", b"")


def _records_chunk(given: Iterable[tuple[int, Record]]) -> Chunk:
    records: list[Record] = []
    numbers: list[int] = []
    repaired: list[int] = []
    rejected: list[Rejected] = []
    for number, record in given:
        try:
            twin, changed = mended(record)
        except MalformedRecord as problem:
            rejected.append(Rejected(f"record {number}", problem.reason, b""))
            continue
        if changed:
            repaired.append(len(records))
        records.append(twin)
        numbers.append(number)
    return _RecordsChunk(records, repaired=repaired, rejected=rejected, numbers=numbers)
