"""The first sentence of a page and the figures below it: what the reader came for, and no more. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.markup.texts import count_text, duration_text, growth_text, points_text, share_text
from tyk_endpoint_stats.views.evidence import MIN_POINTS, share_rose, share_z
from tyk_endpoint_stats.views.lines import classes_of

__all__ = ["Breadth", "Figure", "Part", "figures", "plural", "sentence", "worst_column"]

_SAME_GROWTH = 0.05
_SAME_POINTS = 0.5
_MIN_HITS = 20
"""Of fewer requests in a column no share is told."""


class Part(Struct, frozen=True):
    """A part of a sentence. ``strong``: what is bad enough to be seen first."""

    text: str
    strong: bool = False


class Breadth(Struct, frozen=True):
    """How many different things there were: ``name`` in the plural, now; and before, new ones, gone ones, if known."""

    name: str
    now: int
    before: int | None = None
    new: int = 0
    gone: int = 0


class Figure(Struct, frozen=True):
    """One of the large figures.

    Attributes:
        name, value: what, and how much.
        change: against the time before: ``▲ +49 %``, ``about the same``; empty: nothing is compared.
        tone: ``bad``, ``good`` or ``plain``: requests are neither when they grow.
        was: ``was 5 855``.
        note: one more line.
    """

    name: str
    value: str
    change: str = ""
    tone: str = "plain"
    was: str = ""
    note: str = ""


def plural(count: int, one: str, many: str = "") -> str:
    """``1 endpoint``, ``31 endpoints``."""
    return f"{count_text(count)} {one if count == 1 else many or one + 's'}"


def sentence(
    subject: str,
    phrase: str,
    now: EndpointStats,
    before: EndpointStats | None,
    before_when: str,
    worst: tuple[str, str] | None,
) -> list[Part]:
    """At most four facts: how much; the share that failed; the worst column; a latency that changed.

    Args:
        subject: behind the number of requests: ``to 31 endpoints of 2 APIs``.
        phrase: when: ``in October``.
        now: the merge of all.
        before: the same of the time before; ``None``: nothing is compared.
        before_when: when that was: ``in September``.
        worst: name and share of the worst column.
    """
    grown = ""
    if before is not None and before.hits and not 0.8 <= now.hits / before.hits <= 1.25:
        grown = f" ({growth_text(now.hits, before.hits)})"
    begin = f"{plural(now.hits, 'request')}{grown} {subject} {phrase}. ".replace("  ", " ")
    failed = classes_of(now).c5xx
    told = f"{share_text(failed, now.hits) if failed else 'None'} failed on the server’s side"
    strong, rest = bool(failed), ""
    if before is not None and before.hits:
        failed_before = classes_of(before).c5xx
        z = share_z(failed, now.hits, failed_before, before.hits)
        is_news = abs(z) > 3 and abs(failed / now.hits - failed_before / before.hits) >= _SAME_POINTS / 100
        strong = is_news and z > 0
        rest = f", after {share_text(failed_before, before.hits)} {before_when}" if is_news else ""
    rest += f"; {worst[0]} with {worst[1]}." if worst is not None else "."
    parts = [Part(begin), Part(told, strong), Part(rest)]
    slower = _slower(now, before)
    if slower:
        parts.append(Part(f" {slower}"))
    return parts


def _slower(now: EndpointStats, before: EndpointStats | None) -> str:
    if before is None or min(now.hits, before.hits) < 80:
        return ""
    p95, was = now.latency_percentile_ms(95), before.latency_percentile_ms(95)
    if p95 is None or was is None or 0.8 * was <= p95 <= 1.25 * was or abs(p95 - was) < 2:
        return ""
    return (
        f"It became {'slower' if p95 > was else 'faster'}: 95 of 100 requests took up to {duration_text(p95)}, "
        f"before {duration_text(was)}."
    )


def worst_column(columns: Sequence[EndpointStats]) -> int | None:
    """The column in which most failed, where that stands out from the others; ``None``: none does."""
    counted = [(classes_of(column).c5xx, column.hits) for column in columns]
    failed, hits = sum(one for one, _ in counted), sum(one for _, one in counted)
    outstanding = [
        (part / whole, number)
        for number, (part, whole) in enumerate(counted)
        if whole >= _MIN_HITS and share_rose(part, whole, failed - part, hits - whole)
    ]
    return max(outstanding)[1] if outstanding else None


def figures(now: EndpointStats, before: EndpointStats | None, *breadths: Breadth) -> list[Figure]:
    """Requests, server errors, client errors, latency, and how many different things."""
    classes = classes_of(now)
    was = classes_of(before) if before is not None and before.hits else None
    some = before if was is not None else None
    found = [
        _requests(now, before),
        _share("Server errors", classes.c5xx, now.hits, was.c5xx if was else 0, some),
        _share("Client errors", classes.c4xx, now.hits, was.c4xx if was else 0, some),
        _latency(now, some),
    ]
    for breadth in breadths:
        note = was_text = ""
        if some and breadth.before is not None:
            note = f"{count_text(breadth.new)} new, {count_text(breadth.gone)} gone"
            was_text = f"was {count_text(breadth.before)}"
        found.append(Figure(breadth.name, count_text(breadth.now), note, "plain", was_text))
    return found


def _requests(now: EndpointStats, before: EndpointStats | None) -> Figure:
    value = count_text(now.hits)
    if before is None:
        return Figure("Requests", value)
    if not before.hits:
        return Figure("Requests", value, "none before")
    growth = now.hits / before.hits - 1
    text = f"{'▲' if growth > 0 else '▼'} {growth_text(now.hits, before.hits)}"
    if abs(growth) <= _SAME_GROWTH:
        text = "about the same"
    return Figure("Requests", value, text, "plain", f"was {count_text(before.hits)}")


def _share(name: str, part: int, whole: int, part_before: int, before: EndpointStats | None) -> Figure:
    value, note = share_text(part, whole), plural(part, "request")
    if before is None:
        return Figure(name, value, note=note)
    points = 100 * (part / whole - part_before / before.hits) if whole else 0.0
    was = f"was {share_text(part_before, before.hits)}"
    if abs(points) <= _SAME_POINTS:
        return Figure(name, value, "about the same", "plain", was, note)
    text = f"{'▲' if points > 0 else '▼'} {points_text(points)}"
    sure = abs(share_z(part, whole, part_before, before.hits)) > 3 and abs(points) >= MIN_POINTS
    tone = ("bad" if points > 0 else "good") if sure else "plain"
    return Figure(name, value, text, tone, was, note)


def _latency(now: EndpointStats, before: EndpointStats | None) -> Figure:
    p95, p50 = now.latency_percentile_ms(95), now.latency_percentile_ms(50)
    note = f"half within {duration_text(p50)}" if p50 is not None else ""
    was = before.latency_percentile_ms(95) if before is not None else None
    if p95 is None or was is None:
        return Figure("Latency p95", duration_text(p95), note=note)
    if abs(p95 - was) <= max(_SAME_GROWTH * was, 1):
        return Figure(
            "Latency p95", duration_text(p95), "about the same", "plain", f"was {duration_text(was)}", note
        )
    text = f"{'▲' if p95 > was else '▼'} {growth_text(p95, was)}"
    tone = "bad" if p95 >= 1.25 * was else "good" if p95 <= 0.8 * was else "plain"
    return Figure("Latency p95", duration_text(p95), text, tone, f"was {duration_text(was)}", note)
