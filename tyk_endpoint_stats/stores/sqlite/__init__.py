"""The default store: one SQLite file, durable, exact, readable with ``sqlite3`` and Datasette."""

from tyk_endpoint_stats.stores.sqlite.store import SQLiteStore, open_existing_sqlite, open_sqlite

__all__ = ["SQLiteStore", "open_existing_sqlite", "open_sqlite"]
