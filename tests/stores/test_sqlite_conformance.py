"""The SQLite store sits the same exam as every other."""

from pathlib import Path

from tyk_endpoint_stats.stores.sqlite import SQLiteStore
from tyk_endpoint_stats.testing import CopyableConformance, DurableStoreConformance, WholeBatchReadsConformance


class TestSQLiteStore(CopyableConformance, DurableStoreConformance, WholeBatchReadsConformance):
    def open_store(self, place: Path) -> SQLiteStore:
        return SQLiteStore(place / "stats.db")
