"""When a difference is one, and when it is noise. Pure numbers.

A share that went from 1.2 % of 490 requests to 2.6 % of 799 looks like news and is what chance does (z = 1.7).
"""

from collections.abc import Mapping
from math import sqrt

__all__ = ["MIN_POINTS", "MIN_Z", "count_z", "latency_rose", "share_rose", "share_z"]

MIN_Z = 3.0
"""So many standard errors are evidence: by chance alone it happens once in 700 times."""

MIN_POINTS = 1.0
"""Fewer percentage points are no news, however sure they are."""


def share_z(part: int, whole: int, part_before: int, whole_before: int) -> float:
    """By how many standard errors a share rose: the pooled test of two proportions. 0 of nothing."""
    if not whole or not whole_before:
        return 0.0
    pooled = (part + part_before) / (whole + whole_before)
    deviation = sqrt(pooled * (1 - pooled) * (1 / whole + 1 / whole_before))
    return (part / whole - part_before / whole_before) / deviation if deviation else 0.0


def share_rose(part: int, whole: int, part_before: int, whole_before: int) -> bool:
    """Whether a share rose by a point at least, and by more than chance explains."""
    if not whole or not whole_before:
        return False
    points = 100 * (part / whole - part_before / whole_before)
    return points >= MIN_POINTS and share_z(part, whole, part_before, whole_before) > MIN_Z


def latency_rose(now: Mapping[int, int], before: Mapping[int, int], limit_bin: int) -> bool:
    """Whether more requests than before took longer than a bin's durations, beyond what chance explains.

    A 95th percentile of a hundred requests is the fifth longest of them: by itself it is no evidence of anything.
    """
    longer, longer_before = (
        sum(count for number, count in bins.items() if number > limit_bin) for bins in (now, before)
    )
    return share_z(longer, sum(now.values()), longer_before, sum(before.values())) > MIN_Z


def count_z(count: int, before: int, growth: float) -> float:
    """By how many standard errors a count differs from what the growth of the whole lets expect."""
    expected = before * growth
    deviation = sqrt(expected + growth * expected)
    return (count - expected) / deviation if deviation else 0.0
