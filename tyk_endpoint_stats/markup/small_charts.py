"""Charts that stand beside numbers: sparklines, bars, and the histogram of latencies. Pure."""

from collections.abc import Mapping, Sequence
from math import ceil, log2

from markupsafe import Markup, escape

from tyk_endpoint_stats.core.histogram import BINS_PER_DOUBLING
from tyk_endpoint_stats.markup.scales import linear_scale
from tyk_endpoint_stats.markup.texts import duration_text

__all__ = ["bar", "histogram", "sparkline"]

_SPARK_HEIGHT = 18
_SPARK_COLUMNS = ("h1", *(f"v-{height}h.8v{height}h.2" for height in range(1, _SPARK_HEIGHT + 1)))
"""A column of each height, from the base line to where the next one begins."""
_BAR_WIDTH = 96
_HISTOGRAM_HEIGHT = 150
_HALF = BINS_PER_DOUBLING // 2


def sparkline(columns: Sequence[tuple[int, int]]) -> Markup:
    """Small columns of (hits, of which failed on the server's side); the number itself stands beside them."""
    highest = max((hits for hits, _ in columns), default=0)
    if not highest:
        return Markup("")
    marks = _spark_path("c2", [hits for hits, _ in columns], highest)
    if any(failed for _, failed in columns):
        marks += _spark_path("c5", [failed for _, failed in columns], highest)
    return Markup(  # noqa: S704 - numbers alone
        f'<svg class="spark" height="{_SPARK_HEIGHT}" viewBox="0 0 {len(columns)} {_SPARK_HEIGHT}" '
        f'preserveAspectRatio="none" aria-hidden="true">{marks}</svg>'
    )


def _spark_path(name: str, counts: Sequence[int], highest: int) -> str:
    columns = [_SPARK_COLUMNS[max(1, round(_SPARK_HEIGHT * count / highest)) if count else 0] for count in counts]
    return f'<path class="{name}" d="M0 {_SPARK_HEIGHT}{"".join(columns)}"/>'


def bar(part: int, largest: int, name: str = "c2") -> Markup:
    """A bar whose length is a share of the largest one; at least a pixel of anything."""
    width = max(1, round(_BAR_WIDTH * part / largest)) if part and largest else 0
    return Markup(  # noqa: S704 - numbers, and a name of a class that is checked
        f'<svg class="bar" width="{_BAR_WIDTH}" height="10" aria-hidden="true">'
        f'<rect class="{name if name.isalnum() else ""}" width="{width}" height="10"/></svg>'
    )


def histogram(bins: Mapping[int, int], percentiles: Sequence[tuple[str, float]], label: str) -> Markup:
    """How long requests took: columns of half a doubling each over a logarithmic axis, and lines at percentiles.

    Args:
        bins: a latency histogram (``core.histogram``).
        percentiles: name and milliseconds of each line.
        label: says in words what there is to see.
    """
    halves: dict[int, int] = {}
    for number, count in bins.items():
        half = -1 if number == 0 else (max(number, 2) - 2) // _HALF
        halves[half] = halves.get(half, 0) + count
    if not halves:
        return Markup("")
    first, end = min(halves), max(halves) + 1
    # The names of lines stand at their right, and need room there.
    rightmost = max((2 * log2(max(ms, 0.71)) - first for _, ms in percentiles), default=0.0)
    end = max(end, first + 8, first + ceil(rightmost / 0.78))
    scale = linear_scale(max(halves.values()), _HISTOGRAM_HEIGHT, whole=True)
    columns = end - first
    path = "".join(
        f"M{(half - first) * 10 + 0.5:g} {_HISTOGRAM_HEIGHT}V{min(scale.y(count), _HISTOGRAM_HEIGHT - 1):g}h9"
        f"V{_HISTOGRAM_HEIGHT}z"
        for half, count in sorted(halves.items())
    )
    grid = "".join(f"M0 {scale.y(value):g}H{columns * 10}" for value, _ in scale.ticks)
    ys = "".join(f'<text x="46" y="{scale.y(v) + 4 + 48:g}">{escape(text)}</text>' for v, text in scale.ticks)
    every = 2 * -(-columns // 12)
    xs = "".join(
        f'<text x="{100 * (half - first) / columns:.4g}%" y="13">{escape(duration_text(2 ** (half / 2)))}</text>'
        for half in range(max(first, 0), end, every)
        if half % 2 == 0 and 3 < 100 * (half - first) / columns < 96
    )
    lines = ""
    for row, (name, ms) in enumerate(percentiles):
        x = 100 * min(max((2 * log2(max(ms, 0.71)) - first) / columns, 0), 1)
        y = 14 + 15 * row
        lines += (
            f'<line class="mark" x1="{x:.4g}%" x2="{x:.4g}%" y1="{y - 10}" y2="{_HISTOGRAM_HEIGHT + 48}"/>'
            f'<text x="{x:.4g}%" y="{y}" dx="4">{escape(name)} {escape(duration_text(ms))}</text>'
        )
    height = _HISTOGRAM_HEIGHT + 49
    return Markup(  # noqa: S704 - numbers and escaped labels
        f'<div class="img" role="img" aria-label="{escape(label)}"><div class="strip">'
        f'<svg class="ys" width="52" height="{height}" aria-hidden="true">{ys}</svg>'
        f'<svg class="wide" height="{height}" aria-hidden="true">'
        f'<svg y="48" height="{_HISTOGRAM_HEIGHT}" viewBox="0 0 {columns * 10} {_HISTOGRAM_HEIGHT}" '
        f'preserveAspectRatio="none"><path class="grid" d="{grid}"/><path class="c2" d="{path}"/></svg>'
        f"{lines}</svg></div>"
        f'<div class="strip"><svg class="xs" height="18" aria-hidden="true">{xs}</svg></div></div>'
    )
