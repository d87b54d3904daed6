"""Counts by something: a response code, a latency bin, a reason. They add up key by key."""

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["add_counts"]

Key = TypeVar("Key")


def add_counts(mine: dict[Key, int], theirs: Mapping[Key, int]) -> None:
    """Add ``theirs`` to ``mine``, key by key."""
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
