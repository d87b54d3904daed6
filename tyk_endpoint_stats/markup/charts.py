"""The three strips over one axis of time, as SVG: requests, shares of errors, latency. Pure: numbers in, text out.

Errors stand at the base line of the columns, so that their heights can be compared. Latency has a logarithmic axis:
on a linear one a single bad day flattens everything else. Marks are stretched with the page and text is not: the
lines of a grid are labelled in a column of their own.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from markupsafe import Markup, escape
from msgspec import Struct

from tyk_endpoint_stats.markup.scales import Scale, linear_scale, log_scale

__all__ = ["Point", "strips"]

_HITS_HEIGHT, _SHARE_HEIGHT, _LATENCY_HEIGHT = 130, 64, 84
_STEP = 10  # units of a column's width in a drawing
_MAX_LABELS = 8


class Point(Struct, frozen=True, kw_only=True):
    """One piece of time, and what was counted in it.

    Attributes:
        label: names it in a sentence: ``Monday 5 October``.
        tick: names it at the axis: ``5 Oct``; empty: it is never named there.
        other, c2xx, c3xx, c4xx, c5xx: hits by the class of their status; other ones are 0 and 1xx.
        p50_ms, p95_ms: of the latency; ``None``: nothing was timed.
        before_hits, before_c4xx, before_c5xx, before_p95_ms: of the piece that it is compared with; ``None``: none.
        told: what is said of it where it is pointed at.
        href: where it leads to; empty: nowhere.
    """

    label: str
    tick: str
    c2xx: int = 0
    c3xx: int = 0
    c4xx: int = 0
    c5xx: int = 0
    other: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    before_hits: int | None = None
    before_c4xx: int = 0
    before_c5xx: int = 0
    before_p95_ms: float | None = None
    told: str = ""
    href: str = ""

    @property
    def hits(self) -> int:
        """All of them."""
        return self.c2xx + self.c3xx + self.c4xx + self.c5xx + self.other


def strips(points: Sequence[Point], label: str, linked: bool = True) -> Markup:
    """Three charts above one axis, and a layer of links over them that the keyboard passes by.

    Args:
        points: pieces of time in their order, at most some 200.
        label: says in words what there is to see, to those who don't.
        linked: whether columns lead anywhere; a file that stands alone has nowhere to lead to.
    """
    if not points:
        return Markup("")
    axis = _axis([point.tick for point in points])
    drawn = (
        _heading("Requests", ()),
        _hits_strip(points),
        _heading("Errors", (("l5", "5xx"), ("l4", "4xx"))),
        _share_strip(points),
        _heading("Latency", (("l50", "p50"), ("l95", "p95"))),
        _latency_strip(points),
        axis,
    )
    image = f'<div class="img" role="img" aria-label="{escape(label)}">{"".join(drawn)}</div>'
    return Markup(f'<div class="strips">{image}{_links(points, linked)}</div>')  # noqa: S704 - numbers and escaped labels


def _hits_strip(points: Sequence[Point]) -> str:
    highest = max(max(point.hits, point.before_hits or 0) for point in points)
    scale = linear_scale(highest, _HITS_HEIGHT, whole=True)
    paths: dict[str, list[str]] = {"c5": [], "c4": [], "c3": [], "c2": []}
    for number, point in enumerate(points):
        below = 0
        for name, count in (
            ("c5", point.c5xx),
            ("c4", point.c4xx),
            ("c3", point.c3xx + point.other),
            ("c2", point.c2xx),
        ):
            if count:
                top, bottom = scale.y(below + count), scale.y(below)
                if name == "c5":
                    top = min(top, bottom - 1)  # one failed request among thousands is to be seen
                paths[name].append(f"M{number * _STEP + 0.6:g} {bottom:g}V{top:g}h8.8V{bottom:g}z")
                below += count
    marks = "".join(f'<path class="{name}" d="{"".join(d)}"/>' for name, d in reversed(paths.items()) if d)
    marks += _steps([point.before_hits for point in points], scale)
    return _strip(scale, len(points), marks)


def _share_strip(points: Sequence[Point]) -> str:
    fives = [_percent(point.c5xx, point.hits) for point in points]
    fours = [_percent(point.c4xx, point.hits) for point in points]
    before = [_percent(point.before_c5xx, point.before_hits or 0) for point in points]
    highest = max([value for value in (*fives, *fours, *before) if value is not None], default=0)
    scale = linear_scale(max(highest, 4), _SHARE_HEIGHT, unit=" %")
    marks = _steps(before, scale) + _line("l4", fours, scale) + _line("l5", fives, scale)
    return _strip(scale, len(points), marks)


def _latency_strip(points: Sequence[Point]) -> str:
    p50, p95 = [point.p50_ms for point in points], [point.p95_ms for point in points]
    before = [point.before_p95_ms for point in points]
    known = [value for value in (*p50, *p95, *before) if value is not None]
    scale = log_scale(min(known, default=1), max(known, default=100), _LATENCY_HEIGHT)
    marks = _steps(before, scale) + _line("l95", p95, scale) + _line("l50", p50, scale)
    return _strip(scale, len(points), marks)


def _percent(part: int, whole: int) -> float | None:
    return 100 * part / whole if whole else None


def _strip(scale: Scale, columns: int, marks: str) -> str:
    """One drawing with its grid, and what is written at the grid's left."""
    width, height = columns * _STEP, scale.height
    grid = "".join(f"M0 {scale.y(value):g}H{width}" for value, _ in scale.ticks)
    words = "".join(
        f'<text x="46" y="{scale.y(value) + 10:g}">{escape(written)}</text>' for value, written in scale.ticks
    )
    return (
        f'<div class="strip"><svg class="ys" width="52" height="{height + 14}" aria-hidden="true">{words}</svg>'
        f'<svg class="plot" height="{height + 14}" viewBox="0 -7 {width} {height + 14}" preserveAspectRatio="none" '
        f'aria-hidden="true"><path class="grid" d="{grid}"/>{marks}</svg></div>'
    )


def _line(name: str, values: Sequence[float | None], scale: Scale) -> str:
    """A line through the middles of columns; where there is no value it has a gap."""
    pieces = []
    for run in _runs(values):
        dots = [f"{number * _STEP + 5} {scale.y(value):g}" for number, value in run]
        # A single value between two gaps would be a line of no length.
        pieces.append(f"M{'L'.join(dots)}" if len(dots) > 1 else f"M{run[0][0] * _STEP + 2} {dots[0].split()[1]}h6")
    return f'<path class="{name}" d="{"".join(pieces)}"/>' if pieces else ""


def _steps(values: Sequence[float | None], scale: Scale) -> str:
    """The dotted line of the time before: flat within a column."""
    pieces = []
    for run in _runs(values):
        pieces.append(f"M{run[0][0] * _STEP} {scale.y(run[0][1]):g}")
        pieces += [f"V{scale.y(value):g}h{_STEP}" for _, value in run]
    return f'<path class="before" d="{"".join(pieces)}"/>' if pieces else ""


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    is_known: Callable[[tuple[int, float | None]], bool] = lambda pair: pair[1] is not None  # noqa: E731
    return [
        [(number, value) for number, value in run if value is not None]
        for known, run in groupby(enumerate(values), key=is_known)
        if known
    ]


def _heading(name: str, keys: Iterable[tuple[str, str]]) -> str:
    drawn = "".join(
        f'<span><svg width="16" height="8" aria-hidden="true"><path class="{key}" d="M0 4H16"/></svg>{text}</span>'
        for key, text in keys
    )
    return f'<p class="key"><b>{name}</b>{drawn}</p>'


def _axis(ticks: Sequence[str]) -> str:
    """Names of some pieces; every second one of them steps back on a narrow page."""
    named = [number for number, tick in enumerate(ticks) if tick]
    every = max(1, -(-len(named) // _MAX_LABELS))
    words = []
    for place, number in enumerate(named[::every]):
        x = 100 * (number + 0.5) / len(ticks)
        end = ' text-anchor="start"' if x < 4 else ' text-anchor="end"' if x > 96 else ""
        minor = ' class="minor"' if place % 2 else ""
        words.append(f'<text x="{x:.4g}%" y="13"{end}{minor}>{escape(ticks[number])}</text>')
    return f'<div class="strip"><svg class="xs" height="18" aria-hidden="true">{"".join(words)}</svg></div>'


def _links(points: Sequence[Point], linked: bool) -> str:
    """What is clicked at, in a drawing of its own: links inside of an image don't exist for a screen reader."""
    pieces = []
    for number, point in enumerate(points):
        area = f'<rect x="{number}" width="1" height="1"><title>{escape(point.told)}</title></rect>'
        pieces.append(f'<a href="{escape(point.href)}" tabindex="-1">{area}</a>' if point.href and linked else area)
    return (
        f'<svg class="pick" viewBox="0 0 {len(points)} 1" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(pieces)}</svg>"
    )
