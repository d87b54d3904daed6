"""Counts by something: a response code, a latency bin, a reason. They add up key by key."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["add_counts", "sum_counts"]

Key = TypeVar("Key")


def add_counts(mine: dict[Key, int], theirs: Mapping[Key, int]) -> None:
    """Add ``theirs`` to ``mine``, key by key."""
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count


def sum_counts(many: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    """The sums of any number of counts, key by key."""
    sums: dict[Key, int] = {}
    for counts in many:
        for key, count in counts.items():
            sums[key] = sums.get(key, 0) + count
    return sums
