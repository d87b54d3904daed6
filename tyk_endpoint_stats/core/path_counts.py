"""Who brings how many distinct paths a day: roughly, and in memory that no traffic can grow.

Ids in paths make a state of every request. Nothing is folded for that (it would depend on the order of records),
but whoever runs an ingest should hear of it.
"""

from collections.abc import Sequence
from zlib import crc32

from msgspec import Struct

from tyk_endpoint_stats.core.segments import Segment

__all__ = ["MANY_PATHS", "ManyPaths", "PathCounts"]

MANY_PATHS = 10_000
"""Of one consumer in one day; more are worth a word."""

_SAMPLED = 1024
"""Hashes kept of a consumer and day: exact up to here, good for about 5 % beyond."""

_KEPT = 256
"""Consumers and days that are kept: those with the most paths."""

_HASH_BITS = 32

_Day = tuple[tuple[str, str, str], int]


class ManyPaths(Struct, frozen=True):
    """A consumer with many paths, and the day on which it had most.

    Attributes:
        org_id: the organisation.
        kind: ``key`` or ``oauth``.
        consumer_id: as it is recorded.
        day: UTC, in days since 1970.
        paths: about how many.
    """

    org_id: str
    kind: str
    consumer_id: str
    day: int
    paths: int


class PathCounts:
    """Distinct endpoints by consumer and UTC day. Seeing a batch again changes nothing."""

    def __init__(self) -> None:
        self._samples: dict[_Day, _Sample] = {}

    def see(self, segments: Sequence[Segment], endpoints: Sequence[tuple[str, str]]) -> None:
        """Take note of a batch.

        Args:
            segments: its states.
            endpoints: by the numbers in them.
        """
        # In a large batch those with few paths in it are passed over: they are many, and not the ones to name.
        least = sum(len(segment.days.endpoints) for segment in segments) // _KEPT
        for segment in segments:
            if len(segment.days.endpoints) >= least:
                sample = self._samples.setdefault((segment.consumer, segment.day), _Sample())
                for number in segment.days.endpoints:
                    sample.add(_hash(endpoints[number]))
        self._trim()

    def merge(self, other: "PathCounts") -> None:
        """Take other counts into these."""
        for day, theirs in other._samples.items():
            mine = self._samples.setdefault(day, _Sample())
            for value in theirs.values:
                mine.add(value)
            mine.thin(theirs.level)
        self._trim()

    def many(self, limit: int = MANY_PATHS) -> list[ManyPaths]:
        """The consumers with more paths a day than that, each with its richest day; most paths first."""
        most: dict[tuple[str, str, str], ManyPaths] = {}
        for (consumer, day), sample in self._samples.items():
            known = most.get(consumer)
            if sample.size() > limit and (known is None or (sample.size(), day) > (known.paths, known.day)):
                most[consumer] = ManyPaths(*consumer, day, sample.size())
        return sorted(most.values(), key=lambda one: (-one.paths, one.org_id, one.kind, one.consumer_id))

    def _trim(self) -> None:
        if len(self._samples) > 2 * _KEPT:
            ranked = sorted(self._samples.items(), key=lambda item: item[1].size(), reverse=True)
            self._samples = dict(ranked[:_KEPT])


def _hash(endpoint: tuple[str, str]) -> int:
    """The same in every process, unlike ``hash``; the product mixes what is regular in a checksum of numbers."""
    return crc32("\n".join(endpoint).encode("utf-8", "surrogatepass")) * 0x9E3779B1 % (1 << _HASH_BITS)


class _Sample:
    """The smallest of the hashes that were added: it does not matter how often they were, or in which order.

    Attributes:
        level: how many of the first bits of a hash must be zero; each halves what is kept.
        values: the hashes.
    """

    __slots__ = ("level", "values")

    def __init__(self) -> None:
        self.level = 0
        self.values: set[int] = set()

    def add(self, value: int) -> None:
        if value < 1 << _HASH_BITS - self.level:
            self.values.add(value)
            if len(self.values) > _SAMPLED:
                self.thin(self.level + 1)

    def thin(self, level: int) -> None:
        while self.level < level or len(self.values) > _SAMPLED:
            self.level += 1
            self.values = {value for value in self.values if value < 1 << _HASH_BITS - self.level}

    def size(self) -> int:
        return len(self.values) << self.level
