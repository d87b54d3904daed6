"""One answer of a store, folded: lines of a table, columns of a chart, totals. All of one read, so they add up."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct, field

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.selection import Group
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.views.timeline import Place, Timeline

__all__ = ["Classes", "Folded", "Line", "classes_of", "consumer_of", "endpoint_of", "fold", "fold_two"]

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
        name: the alias, or the API's name.
        now, before: merged states.
        spark: hits, and those that failed on the server's side, of each column; empty where they were not read.
        callers: of an endpoint: how many consumers called it; ``None``: it was not read.
    """

    key: Key
    name: str = ""
    now: EndpointStats = field(default_factory=EndpointStats)
    before: EndpointStats = field(default_factory=EndpointStats)
    spark: list[tuple[int, int]] = field(default_factory=list)
    callers: int | None = None

    @property
    def classes(self) -> Classes:
        """The hits of the period by class."""
        return classes_of(self.now)

    @property
    def p50_ms(self) -> float | None:
        """The median latency of the period."""
        return self.now.latency_percentile_ms(50)

    @property
    def p95_ms(self) -> float | None:
        """95 of 100 requests of the period took no longer."""
        return self.now.latency_percentile_ms(95)


class Folded(Struct, Generic[Key]):
    """What a page is made of.

    Attributes:
        lines: those with a hit in the period or in the time before, busiest first.
        now, before: the merge of all.
        columns: of each column of the timeline.
        under: of the time that is drawn under each column; empty: nothing is compared.
    """

    lines: list[Line[Key]]
    now: EndpointStats
    before: EndpointStats
    columns: list[EndpointStats] = field(default_factory=list)
    under: list[EndpointStats] = field(default_factory=list)

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
    """An answer by line and bucket, in one pass: every number of the page comes of the same states."""
    count = len(timeline.columns)
    columns = [EndpointStats() for _ in range(count)]
    under = [EndpointStats() for _ in range(count)] if timeline.compared else []
    lines: dict[Key, Line[Key]] = {}
    places: dict[object, Place] = {}
    for group, stats in answer:
        bucket = group.bucket
        assert bucket is not None
        place = places.get(bucket)
        if place is None:
            place = places[bucket] = timeline.place(bucket)
        if place.under is not None:
            _add(under[place.under], stats)
        if not place.now and not place.before:
            continue
        key, name = key_of(group)
        line = lines.get(key)
        if line is None:
            line = lines[key] = Line(key, name, spark=[(0, 0)] * count)
        if place.column is not None:
            _add(columns[place.column], stats)
            line.now.merge(stats)
            hits, failed = line.spark[place.column]
            line.spark[place.column] = hits + stats.hits, failed + _failed(stats)
        else:
            line.before.merge(stats)
    return _in_order(lines.values(), columns, under)


def fold_two(
    now: Iterable[tuple[Group, EndpointStats]],
    before: Iterable[tuple[Group, EndpointStats]],
    key_of: Callable[[Group], tuple[Key, str]],
) -> Folded[Key]:
    """Two answers without buckets, of the period and of the time before: no columns, no sparklines."""
    lines: dict[Key, Line[Key]] = {}
    for is_now, answer in ((True, now), (False, before)):
        for group, stats in answer:
            key, name = key_of(group)
            line = lines.setdefault(key, Line(key, name))
            (line.now if is_now else line.before).merge(stats)
    return _in_order(lines.values(), [], [])


def _in_order(
    lines: Iterable[Line[Key]], columns: Sequence[EndpointStats], under: Sequence[EndpointStats]
) -> Folded[Key]:
    now, before = EndpointStats(), EndpointStats()
    for line in lines:
        now.merge(line.now)
        before.merge(line.before)
    ordered = sorted(lines, key=lambda line: (-line.now.hits, -(line.now.last_hit_us or 0), line.key))
    return Folded(ordered, now, before, list(columns), list(under))


def _add(column: EndpointStats, stats: EndpointStats) -> None:
    """Take a state into a column, as far as a chart needs it: hits, codes, latencies. A third of a whole merge."""
    column.hits += stats.hits
    column.timed_hits += stats.timed_hits
    for counts, more in ((column.codes, stats.codes), (column.histogram, stats.histogram)):
        for number, count in more.items():
            counts[number] = counts.get(number, 0) + count
    least, most = stats.min_latency_all_ms, stats.max_latency_ms
    if least is not None and (column.min_latency_all_ms is None or least < column.min_latency_all_ms):
        column.min_latency_all_ms = least
    if most is not None and (column.max_latency_ms is None or most > column.max_latency_ms):
        column.max_latency_ms = most


def _failed(stats: EndpointStats) -> int:
    return sum(hits for code, hits in stats.codes.items() if 500 <= code < 600)
