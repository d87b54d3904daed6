"""Stores that are broken in how they keep by how much days grew: twins that the exam must catch."""

import time

from msgspec.structs import replace

from tyk_endpoint_stats.core.growth import Grown, add_growth
from tyk_endpoint_stats.maintenance.copy_mark import COPY_SOURCE
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing.growing import late_batch


class OpenLock:
    """Lets everybody in."""

    def acquire(self, timeout=-1):
        return True

    def release(self):
        pass


class GrowsAgain(MemoryStore):
    """Adds the growth of a batch that was merged before."""

    def merge(self, batch):
        merged = super().merge(batch)
        if not merged:
            add_growth(self._growth, batch.growth)
        return merged


class GrowsAsOfTheLast(MemoryStore):
    """Keeps the moment of the last merge, however early it says it was."""

    def merge(self, batch):
        merged = super().merge(batch)
        self._growth |= {day: Grown(self._growth[day].hits, last_us) for day, (_, last_us) in batch.growth.items()}
        return merged


class GrowsWhatIsNew(MemoryStore):
    """Takes the first hits of a day for late ones."""

    def merge(self, batch):
        return super().merge(late_batch(replace(batch)))


class GrowsUnlocked(MemoryStore):
    """Knows of each day what the last writer knew."""

    def merge(self, batch):
        growth = dict(self._growth)
        time.sleep(0.001)
        merged = super().merge(replace(batch, growth={}))
        if merged:
            add_growth(growth, batch.growth)
            self._growth = growth
        return merged


class KeepsTheGrowth(MemoryStore):
    """Names days that were dropped."""

    def drop(self, before):
        growth = self._growth
        dropped = super().drop(before)
        self._growth = growth
        return dropped


class CopiesNoGrowth(MemoryStore):
    def merge(self, batch):
        return super().merge(replace(batch, growth={}) if batch.source == COPY_SOURCE else batch)
