"""One answer of a store, folded: lines of a table, columns of a chart, totals. All of one read, so they add up."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Generic, TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.selection import Group
from tyk_endpoint_stats.core.stats import EndpointStats, merged
from tyk_endpoint_stats.views.timeline import Timeline

__all__ = [
    "Classes",
    "Folded",
    "Line",
    "add_pieces",
    "classes_of",
    "consumer_of",
    "endpoint_of",
    "fold",
    "fold_two",
]

Key = TypeVar("Key", Consumer, Endpoint)


class Classes(Struct, frozen=True):
    """Hits by the class of their status; ``other``: 0, 1xx and what is none."""

    c2xx: int = 0
    c3xx: int = 0
    c4xx: int = 0
    c5xx: int = 0
    other: int = 0


def classes_of(stats: EndpointStats) -> Classes:
    """A state's hits by class."""
    counts = [0] * 6
    for code, hits in stats.codes.items():
        counts[code // 100 if 200 <= code < 600 else 0] += hits
    return Classes(counts[2], counts[3], counts[4], counts[5], counts[0] + counts[1])


class Line(Struct, Generic[Key]):
    """One consumer or endpoint: what was counted in the period, and in the time before.

    Attributes:
        key: which one.
        now, before: merged states.
        name: the alias, or the API's name.
        pieces: what ``now`` is the merge of, each with the number of its column; empty where that was not read.
        columns: how many of those there are.
        callers: of an endpoint: how many consumers called it; ``None``: it was not read.
    """

    key: Key
    now: EndpointStats
    before: EndpointStats
    name: str = ""
    pieces: Sequence[tuple[int, EndpointStats]] = ()
    columns: int = 0
    callers: int | None = None

    @property
    def p50_ms(self) -> float | None:
        """The median latency of the period."""
        return self.now.latency_percentile_ms(50)

    @property
    def p95_ms(self) -> float | None:
        """95 of 100 requests of the period took no longer."""
        return self.now.latency_percentile_ms(95)

    @property
    def spark(self) -> list[tuple[int, int]]:
        """Hits, and those that failed on the server's side, of each column; empty where they were not read."""
        counts = [(0, 0)] * self.columns
        for number, stats in self.pieces:
            hits, failed = counts[number]
            counts[number] = hits + stats.hits, failed + (classes_of(stats).c5xx if stats.error else 0)
        return counts


class Folded(Struct, Generic[Key], dict=True):
    """What a page is made of.

    Attributes:
        lines: those with a hit in the period or in the time before, busiest first.
        now, before: the merge of all.
        counted: how many lines there are, where these are only the busiest; ``None``: these are all.
        parts, parts_under: what ``columns`` and ``under`` are the merges of. Only a page with a chart asks for them.
    """

    lines: list[Line[Key]]
    now: EndpointStats
    before: EndpointStats
    counted: int | None = None
    parts: Sequence[Sequence[EndpointStats]] = ()
    parts_under: Sequence[Sequence[EndpointStats]] = ()

    @cached_property
    def columns(self) -> list[EndpointStats]:
        """What was counted in each column of the timeline."""
        return [merged(part) for part in self.parts]

    @cached_property
    def under(self) -> list[EndpointStats]:
        """The same of the time that is drawn under each; empty: nothing is compared."""
        return [merged(part) for part in self.parts_under]

    @property
    def seen(self) -> list[Line[Key]]:
        """The lines with a hit in the period."""
        return [line for line in self.lines if line.now.hits]


def consumer_of(group: Group) -> tuple[Consumer, str]:
    """For ``fold``: lines are consumers."""
    assert group.consumer is not None
    return group.consumer, group.alias


def endpoint_of(group: Group) -> tuple[Endpoint, str]:
    """For ``fold``: lines are endpoints."""
    assert group.endpoint is not None
    return group.endpoint, group.api_name


def fold(
    answer: Iterable[tuple[Group, EndpointStats]], timeline: Timeline, key_of: Callable[[Group], tuple[Key, str]]
) -> Folded[Key]:
    """An answer by line and bucket, sorted in one pass: every number of the page comes of the same states."""
    parts: list[list[EndpointStats]] = [[] for _ in timeline.columns]
    under: list[list[EndpointStats]] = [[] for _ in timeline.columns] if timeline.compared else []
    found: dict[Key, tuple[str, list[tuple[int, EndpointStats]], list[EndpointStats]]] = {}
    place_of = cache(timeline.place)
    for group, stats in answer:
        assert group.bucket is not None
        place = place_of(group.bucket)
        if place.under is not None:
            under[place.under].append(stats)
        if not place.now and not place.before:
            continue
        key, name = key_of(group)
        entry = found.get(key)
        if entry is None:
            entry = found[key] = (name, [], [])
        if place.column is not None:
            parts[place.column].append(stats)
            entry[1].append((place.column, stats))
        else:
            entry[2].append(stats)
    lines = [
        Line(key, merged([stats for _, stats in pieces]), merged(before), name, pieces, len(timeline.columns))
        for key, (name, pieces, before) in found.items()
    ]
    return _in_order(lines, parts, under)


def fold_two(
    now: Iterable[tuple[Group, EndpointStats]],
    before: Iterable[tuple[Group, EndpointStats]],
    key_of: Callable[[Group], tuple[Key, str]],
) -> Folded[Key]:
    """Two answers without buckets, of the period and of the time before: no columns, no sparklines."""
    found: dict[Key, tuple[str, list[EndpointStats], list[EndpointStats]]] = {}
    for is_now, answer in ((True, now), (False, before)):
        for group, stats in answer:
            key, name = key_of(group)
            entry = found.setdefault(key, (name, [], []))
            (entry[1] if is_now else entry[2]).append(stats)
    lines = [Line(key, merged(present), merged(past), name) for key, (name, present, past) in found.items()]
    return _in_order(lines, [], [])


def add_pieces(
    folded: Folded[Key],
    answer: Iterable[tuple[Group, EndpointStats]],
    timeline: Timeline,
    key_of: Callable[[Group], tuple[Key, str]],
) -> None:
    """Give lines what sparklines are drawn of: an answer by line and bucket, of the period alone."""
    place_of = cache(timeline.place)
    pieces: dict[Key, list[tuple[int, EndpointStats]]] = {}
    for group, stats in answer:
        assert group.bucket is not None
        column = place_of(group.bucket).column
        if column is not None:
            pieces.setdefault(key_of(group)[0], []).append((column, stats))
    for line in folded.lines:
        line.pieces, line.columns = pieces.get(line.key, ()), len(timeline.columns)


def _in_order(
    lines: Sequence[Line[Key]],
    parts: Sequence[Sequence[EndpointStats]],
    under: Sequence[Sequence[EndpointStats]],
) -> Folded[Key]:
    ordered = sorted(lines, key=lambda line: (-line.now.hits, -(line.now.last_hit_us or 0), line.key))
    now, before = merged([line.now for line in lines]), merged([line.before for line in lines])
    return Folded(ordered, now, before, parts=parts, parts_under=under)
