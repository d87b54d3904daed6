"""The SQLite store sits the same exam as every other."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    Damage,
    DurableStoreConformance,
    InspectableConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)

_ONE = "WHERE consumer = 1 AND endpoint = 1 AND bucket = 18548"
DAMAGES = {
    Damage.CHANGED_DAY: f"UPDATE days SET hits = hits + 1 {_ONE}",
    Damage.LOST_DAY: f"DELETE FROM days {_ONE}",
    Damage.LOST_QUARTER: "DELETE FROM quarters WHERE rowid = 1",
    Damage.LOST_QUARTERS: "DELETE FROM quarters WHERE consumer = 1",
    Damage.IMPOSSIBLE_STATE: f"UPDATE days SET last_hit_us = first_hit_us - 1 {_ONE}",
    Damage.LOST_STATES: "DELETE FROM days; DELETE FROM quarters",
    Damage.UNACCOUNTED: "UPDATE sources SET counted = counted - 1",
    Damage.NO_CODES: f"UPDATE days SET codes = '[]' {_ONE}",
    Damage.NO_KIND: "UPDATE consumers SET kind = 'lamp' WHERE number = 1",
}


class TestSQLiteStore(
    CopyableConformance,
    DurableStoreConformance,
    InspectableConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
):
    def open_store(self, place: Path) -> SQLiteStore:
        return SQLiteStore(place / "stats.db")

    def plant(self, place: Path, damage: Damage) -> None:
        with closing(sqlite3.connect(place / "stats.db")) as connection:
            connection.executescript(DAMAGES[damage])
