"""What changed: of many lines the few that a reader should look at. Says nothing that is noise."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.histogram import bin_of
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.views.evidence import MIN_Z, count_z, latency_rose, share_rose
from tyk_endpoint_stats.views.lines import Folded, Line, classes_of

__all__ = ["MAX_SHOWN", "Change", "Tag", "changes_of"]

Key = TypeVar("Key", Consumer, Endpoint)

MAX_SHOWN = 7

_MIN_HITS = 10
"""As many are expected at least before it is news that there are none, or that there are some."""

_MIN_TIMED = 80
_SLOWER = 1.25
_FACTOR = 1.5


class Tag(StrEnum):
    """The kinds of change, most urgent first."""

    FAILING = "Failing"
    NEW = "New"
    GONE = "Gone"
    SLOWER = "Slower"
    REFUSED = "Refused"
    FEWER = "Fewer"
    MORE = "More"


class Change(Struct, Generic[Key], frozen=True):
    """One line that changed.

    Attributes:
        tag: how.
        line: which, with all its numbers.
        growth: how the whole grew, which hits are judged against.
        code: of refused requests the most frequent status.
    """

    tag: Tag
    line: Line[Key]
    growth: float
    code: int | None = None


def changes_of(folded: Folded[Key], rose: Callable[[int, int, int, int], bool] = share_rose) -> list[Change[Key]]:
    """The changes between the time before and the period, most urgent first; each line has one at most.

    Args:
        folded: lines with both.
        rose: whether a share rose; tests hand in one that believes in chance.
    """
    if not folded.before.hits or not folded.now.hits:
        return []
    growth = folded.now.hits / folded.before.hits
    found = [change for line in folded.lines if (change := _change(line, growth, rose)) is not None]
    order = list(Tag)
    return sorted(found, key=lambda change: (order.index(change.tag), -_weight(change)))


def _weight(change: Change[Key]) -> int:
    return max(change.line.now.hits, change.line.before.hits)


def _change(line: Line[Key], growth: float, rose: Callable[[int, int, int, int], bool]) -> Change[Key] | None:
    now, before = line.now, line.before
    if not before.hits:
        return Change(Tag.NEW, line, growth) if now.hits >= _MIN_HITS * max(growth, 1) else None
    if not now.hits:
        return Change(Tag.GONE, line, growth) if before.hits * min(growth, 1) >= _MIN_HITS else None
    classes, classes_before = classes_of(now), classes_of(before)
    if rose(classes.c5xx, now.hits, classes_before.c5xx, before.hits):
        return Change(Tag.FAILING, line, growth)
    if _is_slower(now, before):
        return Change(Tag.SLOWER, line, growth)
    if rose(classes.c4xx, now.hits, classes_before.c4xx, before.hits):
        return Change(Tag.REFUSED, line, growth, _risen_code(now, before))
    z, expected = count_z(now.hits, before.hits, growth), before.hits * growth
    if z < -MIN_Z and now.hits * _FACTOR <= expected:
        return Change(Tag.FEWER, line, growth)
    if z > MIN_Z and now.hits >= expected * _FACTOR:
        return Change(Tag.MORE, line, growth)
    return None


def _is_slower(now: EndpointStats, before: EndpointStats) -> bool:
    if min(sum(now.histogram.values()), sum(before.histogram.values())) < _MIN_TIMED:
        return False
    p95, p95_before = now.latency_percentile_ms(95), before.latency_percentile_ms(95)
    if p95 is None or p95_before is None or p95 < max(p95_before * _SLOWER, p95_before + 2):
        return False
    return latency_rose(now.histogram, before.histogram, bin_of(int(p95_before)))


def _risen_code(now: EndpointStats, before: EndpointStats) -> int | None:
    """The client error whose share rose most."""
    codes: Sequence[int] = [code for code in now.codes if 400 <= code < 500]
    return max(
        codes,
        key=lambda code: (now.codes[code] / now.hits - before.codes.get(code, 0) / before.hits, -code),
        default=None,
    )
