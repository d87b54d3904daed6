"""Axes: where the lines of a grid stand and what is written at them. Pure."""

from math import ceil, floor, log10

from tyk_endpoint_stats.markup.texts import THIN, duration_text

__all__ = ["Scale", "linear_scale", "log_scale", "short_count"]


class Scale:
    """From a value to its height in pixels, measured from above.

    Attributes:
        ticks: values at which a line is drawn, from below, and what is written there.
    """

    def __init__(self, low: float, high: float, height: float, ticks: list[tuple[float, str]], log: bool) -> None:
        self.low, self.high, self.height, self.ticks, self.log = low, high, height, ticks, log

    def y(self, value: float) -> float:
        """Where a value is drawn; one that is outside of the scale stands at its edge."""
        value = min(max(value, self.low), self.high)
        if self.log:
            part = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.height * (1 - part), 1)


def linear_scale(highest: float, height: float, *, whole: bool = False, unit: str = "") -> Scale:
    """From 0 to a round number at or above ``highest``, with one to four lines above 0.

    Args:
        highest: the largest value.
        height: in pixels.
        whole: whether ticks may only be whole numbers.
        unit: behind each tick.
    """
    highest = max(highest, 1 if whole else 0.001)
    rough = highest / 2.5
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    if whole:
        step = max(1, round(step))
    lines = max(1, ceil(highest / step - 1e-9))
    values = [number * step for number in range(lines + 1)]
    return Scale(0, values[-1], height, [(value, short_count(value) + unit) for value in values], log=False)


def log_scale(lowest: float, highest: float, height: float) -> Scale:
    """Powers of ten around two durations in milliseconds; nothing below 1 ms, and two powers at least."""
    low = floor(log10(max(1, lowest)))
    high = max(low + 1, ceil(log10(max(1, highest))))
    step = -(-(high - low) // 4)
    ticks = [(10.0**power, duration_text(10**power)) for power in range(low, high + 1, step)]
    return Scale(10.0**low, 10.0**high, height, ticks, log=True)


def short_count(value: float) -> str:
    """``400``, ``1.5k``, ``20M``: for an axis, where there is little room."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.3g}".replace(" ", THIN)
