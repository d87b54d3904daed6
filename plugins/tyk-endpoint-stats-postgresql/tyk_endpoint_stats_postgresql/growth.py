"""The table ``growth``: by how much late hits made days grow."""

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = ["growth_of_days", "merge_growth"]

_MERGE = (
    "INSERT INTO growth AS t VALUES (%s, %s, %s) ON CONFLICT (day) DO UPDATE"
    " SET hits = t.hits + excluded.hits, last_us = greatest(t.last_us, excluded.last_us)"
)


def merge_growth(connection: Connection, batch: Batch) -> None:
    """Add the growth of a batch, inside its transaction: behind its rows, and in the order of days, as they are."""
    if batch.growth:
        with connection.cursor() as cursor:
            cursor.executemany(_MERGE, [(day, *grown) for day, grown in sorted(batch.growth.items())])


def growth_of_days(connection: Connection) -> dict[int, Grown]:
    """All of it."""
    found = connection.execute("SELECT day, hits, last_us FROM growth")
    return {day: Grown(hits, last_us) for day, hits, last_us in found}
