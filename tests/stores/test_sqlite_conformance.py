"""The SQLite store sits the same exam as every other."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tyk_endpoint_stats.stores.sqlite import SQLiteStore, reading
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    Damage,
    DurableStoreConformance,
    InspectableConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)

_ONE = "WHERE consumer = 2 AND endpoint = 1 AND day = 18548"
_OF_ONE = f"WHERE number = (SELECT packed FROM days {_ONE})"
DAMAGES = {
    Damage.CHANGED_ROW: f"UPDATE days SET hits = hits + 1 {_ONE}",
    Damage.LOST_ROW: f"DELETE FROM days {_ONE}",
    Damage.LOST_TOTAL: "DELETE FROM totals WHERE kind = 1 AND day = 18548",
    Damage.LESS_OF_EVERYONE: "UPDATE totals SET hits = 0 WHERE kind = 2",
    Damage.LOST_QUARTER_HOURS: f"UPDATE packed SET quarter_hours = x'' {_OF_ONE}",
    Damage.IMPOSSIBLE_STATE: f"UPDATE days SET last_hit_us = first_hit_us - 1 {_ONE}",
    Damage.LOST_ROWS: "DELETE FROM days; DELETE FROM totals",
    Damage.UNACCOUNTED: "UPDATE sources SET counted = counted - 1",
    Damage.UNREADABLE: f"UPDATE packed SET distribution = x'0900' {_OF_ONE}",
    Damage.NO_KIND: "UPDATE consumers SET kind = 'lamp' WHERE number = 2",
}


class TestSQLiteStore(
    CopyableConformance,
    DurableStoreConformance,
    InspectableConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
):
    def open_store(self, place: Path) -> SQLiteStore:
        return SQLiteStore(place / "stats.db")

    def plant(self, place: Path, damage: Damage) -> None:
        with closing(sqlite3.connect(place / "stats.db")) as connection:
            connection.executescript(DAMAGES[damage])

    def test_a_consumer_is_ranked_once_for_all_its_organisations(self, new_place, monkeypatch) -> None:
        """The broken twin takes a consumer's numbers for consumers."""
        self.test_the_busiest_are_those_of_the_whole_answer(new_place)
        monkeypatch.setattr(reading, "same_consumers", lambda connection: {})
        with pytest.raises(AssertionError):
            self.test_the_busiest_are_those_of_the_whole_answer(new_place)
