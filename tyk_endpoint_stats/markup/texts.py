"""How numbers are written for people: counts, shares, durations. Pure."""

__all__ = ["count_text", "duration_text", "growth_text", "points_text", "share_text"]

THIN = "\u202f"
"""A narrow space at which no line breaks, between thousands and before units."""


def count_text(count: int) -> str:
    """``8 705``: thousands by narrow spaces."""
    return f"{count:,}".replace(",", THIN)


def share_text(part: int | float, whole: int | float) -> str:
    """``2.5 %``, one digit behind the point; ``< 0.1 %`` and never ``0.0 %``; ``0 %`` of nothing alone."""
    if not part or not whole:
        return f"0{THIN}%"
    percent = 100 * part / whole
    if percent < 0.05:
        return f"<{THIN}0.1{THIN}%"
    if 99.95 <= percent < 100:
        return f">{THIN}99.9{THIN}%"
    return f"{percent:.1f}{THIN}%" if percent < 99.95 else f"{percent:.0f}{THIN}%"


def duration_text(ms: float | None) -> str:
    """``32 ms``, ``1.6 s``, ``2.5 min``; ``–`` where there is none."""
    if ms is None:
        return "–"
    if ms < 999.5:
        return f"{ms:.0f}{THIN}ms"
    if ms < 99_950:
        return f"{ms / 1000:.1f}".removesuffix(".0") + f"{THIN}s"
    if ms < 5_999_500:
        return f"{ms / 60_000:.1f}".removesuffix(".0") + f"{THIN}min"
    return f"{count_text(round(ms / 3_600_000))}{THIN}h"


def growth_text(now: int | float, before: int | float) -> str:
    """``+49 %``, ``−12 %``, ``×14`` from ten times on; ``±0 %`` where it is less than half a percent."""
    if not before:
        return "new" if now else "–"
    if now >= 10 * before:
        return f"×{count_text(round(now / before))}"
    percent = round(100 * (now - before) / before)
    if not percent:
        return f"±0{THIN}%"
    return f"{'+' if percent > 0 else '−'}{abs(percent)}{THIN}%"


def points_text(points: float) -> str:
    """``+0.7 pts``: a difference of two percentages."""
    return f"{'+' if points > 0 else '−' if points < 0 else '±'}{abs(points):.1f}{THIN}pts"
