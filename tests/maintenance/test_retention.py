"""What is older than so many days goes, exactly, while everything else goes on."""

import logging
from threading import Event

import pytest

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreBusy
from tyk_endpoint_stats.maintenance import retention as module
from tyk_endpoint_stats.maintenance.retention import Retention, oldest_kept
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, answer_of
from tyk_endpoint_stats.testing.generators import FIRST_DAY


def days_in(store):
    return sorted(group.bucket.number for group in answer_of(store, Selection(ALL_DAYS, EVERYTHING)))


def filled():
    store = MemoryStore()
    store.merge(batch_of([hit(FIRST_DAY + day) for day in range(10)]))
    return store


@pytest.mark.parametrize(
    ("now", "days", "first"),
    [
        (FIRST_DAY * DAY_US, 0, FIRST_DAY),
        ((FIRST_DAY + 1) * DAY_US - 1, 0, FIRST_DAY),
        (FIRST_DAY * DAY_US + 5, 3, FIRST_DAY - 3),
    ],
)
def test_so_many_whole_days_before_today_stay(now, days, first):
    assert oldest_kept(now, days) == first * DAY_US


def test_what_is_too_old_is_dropped_and_the_rest_is_sound():
    with filled() as store:
        assert Retention(store, 2, clock=lambda: (FIRST_DAY + 9) * DAY_US + 17).drop() > 0
        assert days_in(store) == [FIRST_DAY + 7, FIRST_DAY + 8, FIRST_DAY + 9]
        assert verify(store).problems == []


def test_a_store_that_could_not_is_asked_again(monkeypatch, caplog):
    """The twin, which waits a day after a failure, would not get there."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    dropped = Event()

    class BusyAtFirst(MemoryStore):
        asked = 0

        def drop(self, before):
            self.asked += 1
            if self.asked == 1:
                raise StoreBusy("busy")
            dropped.set()
            return super().drop(before)

    with BusyAtFirst() as store, caplog.at_level(logging.WARNING), Retention(store, 1):
        assert dropped.wait(30)
    assert "retention: busy" in caplog.text
