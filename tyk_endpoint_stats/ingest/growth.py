"""By how much an ingest makes days grow: late records change numbers that somebody may have billed already.

A UTC day grows by hits that are merged into it where it is before yesterday, and had hits in the store before the
ingest began. So stragglers at midnight and last night's file are no growth, and neither is what is loaded for the
first time, in however many batches and files.
"""

import time

from tyk_endpoint_stats.core.batch import EVERYONE, Batch
from tyk_endpoint_stats.core.buckets import ALL_DAYS
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Dimension, Readable, Selection

__all__ = ["KnownDays", "hits_by_day"]

_EVERY_DAY = Selection(ALL_DAYS, frozenset({Dimension.BUCKET}), distributions=False)


class KnownDays:
    """The days that have hits in a store before an ingest begins.

    Args:
        store: it is looked at here, and not for each batch: what the ingest itself brings is new.

    Raises:
        StoreError: the store can't answer.
    """

    def __init__(self, store: Readable) -> None:
        self._store, self._seen_on = store, 0
        self.renew()

    def renew(self) -> None:
        """Look again where another UTC day has begun: for an ingest that never ends.

        Raises:
            StoreError: the store can't answer.
        """
        today = _now_us() // DAY_US
        if self._seen_on != today:
            self._days = {group.bucket.number for group, _ in self._store.read(_EVERY_DAY) if group.bucket}
            self._seen_on = today

    def growth_by(self, batch: Batch) -> dict[int, Grown]:
        """By how much a batch that is merged now makes days grow."""
        now_us = _now_us()
        yesterday = now_us // DAY_US - 1
        return {
            day: Grown(hits, now_us)
            for day, hits in hits_by_day(batch).items()
            if day < yesterday and day in self._days
        }


def hits_by_day(batch: Batch) -> dict[int, int]:
    """Every hit of a batch once, by days since 1970-01-01 UTC."""
    counted: dict[int, int] = {}
    for row in batch.totals:
        if row.endpoint == EVERY_ENDPOINT and batch.consumers[row.consumer][1] == EVERYONE:
            counted[row.day] = counted.get(row.day, 0) + row.hits
    return counted


def _now_us() -> int:
    return time.time_ns() // 1000
