"""Days and months before today's that grew: late records change numbers that somebody may have billed already."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby

from msgspec import Struct

from tyk_endpoint_stats.core.batch import EVERYONE, Batch
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT
from tyk_endpoint_stats.core.instants import EPOCH

__all__ = ["Growth", "growth_before", "hits_by_day"]


class Growth(Struct, frozen=True):
    """By how much a month grew in days that were over.

    Attributes:
        month: its first day.
        days: the days that grew and their new hits, the earliest first.
    """

    month: date
    days: Sequence[tuple[date, int]]

    @property
    def hits(self) -> int:
        """The new hits of all its days."""
        return sum(hits for _, hits in self.days)


def growth_before(today: date, hits_by_day: Mapping[int, int]) -> list[Growth]:
    """What grew before today, the latest month first.

    Args:
        today: the UTC day that is not over yet; it grows anyway, and so do those behind it.
        hits_by_day: new hits by days since 1970-01-01 UTC.
    """
    days = [(EPOCH.date() + timedelta(days=day), hits) for day, hits in sorted(hits_by_day.items()) if hits]
    over = [(day, hits) for day, hits in days if day < today]
    months = [
        Growth(month, tuple(found)) for month, found in groupby(over, key=lambda each: each[0].replace(day=1))
    ]
    return months[::-1]


def hits_by_day(batch: Batch) -> dict[int, int]:
    """Every hit of a batch once, by days since 1970-01-01 UTC."""
    counted: dict[int, int] = {}
    for row in batch.totals:
        if row.endpoint == EVERY_ENDPOINT and batch.consumers[row.consumer][1] == EVERYONE:
            counted[row.day] = counted.get(row.day, 0) + row.hits
    return counted
