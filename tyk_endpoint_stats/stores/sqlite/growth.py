"""The table ``growth``: by how much late hits made days grow."""

from sqlite3 import Connection

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown

__all__ = ["growth_of_days", "merge_growth"]

_MERGE = (
    "INSERT INTO growth VALUES (?, ?, ?) ON CONFLICT (day) DO UPDATE"
    " SET hits = hits + excluded.hits, last_us = max(last_us, excluded.last_us)"
)


def merge_growth(connection: Connection, batch: Batch) -> None:
    """Add the growth of a batch, inside its transaction."""
    connection.executemany(_MERGE, [(day, *grown) for day, grown in batch.growth.items()])


def growth_of_days(connection: Connection) -> dict[int, Grown]:
    """All of it."""
    return {day: Grown(hits, last_us) for day, hits, last_us in connection.execute("SELECT * FROM growth")}
