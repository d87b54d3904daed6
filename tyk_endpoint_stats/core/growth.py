"""By how much days grew: late hits change numbers that somebody may have billed already."""

from collections.abc import Mapping
from typing import NamedTuple

from tyk_endpoint_stats.core.instants import Instant

__all__ = ["Grown", "add_growth"]


class Grown(NamedTuple):
    """By how much a UTC day grew.

    Attributes:
        hits: late ones, as everyone's: each counts once.
        last_us: when the last of them were merged, in microseconds since 1970 UTC.
    """

    hits: int
    last_us: Instant


def add_growth(known: dict[int, Grown], more: Mapping[int, Grown]) -> None:
    """Add up growth, by days since 1970-01-01; of two moments the later one stays."""
    for day, (hits, last_us) in more.items():
        before = known.get(day, Grown(0, last_us))
        known[day] = Grown(before.hits + hits, max(before.last_us, last_us))
