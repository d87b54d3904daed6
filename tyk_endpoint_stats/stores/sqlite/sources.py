"""The table ``sources``: how far each source has been merged, and what became of its records."""

from sqlite3 import Connection

from msgspec import json

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.stores.rules import take_batch

__all__ = ["advance", "position_of", "progress"]

_encode = json.Encoder(order="sorted").encode


def position_of(connection: Connection, source: str) -> str | None:
    """Where a source stands, ``None`` if it was never met."""
    found = connection.execute("SELECT position FROM sources WHERE source = ?", (source,)).fetchone()
    return found[0] if found else None


def progress(connection: Connection) -> list[SourceProgress]:
    """All sources, by name."""
    return [
        SourceProgress(
            source, position, Counts(read, counted, repaired, json.decode(skipped), json.decode(malformed))
        )
        for source, position, read, counted, repaired, skipped, malformed in connection.execute(
            "SELECT * FROM sources ORDER BY source"
        )
    ]


def advance(connection: Connection, batch: Batch) -> bool:
    """Compare and set the position of a batch's source and add its counts; ``False``: it was merged before.

    Raises:
        PositionConflict: the source stands elsewhere.
    """
    if batch.source is None:
        return True
    found = connection.execute("SELECT * FROM sources WHERE source = ?", (batch.source,)).fetchone()
    counts = Counts()
    if not take_batch(batch, found[1] if found else None):
        return False
    if found:
        counts = Counts(found[2], found[3], found[4], json.decode(found[5]), json.decode(found[6]))
    counts.merge(batch.counts)
    skipped, malformed = _encode(counts.skipped).decode(), _encode(counts.malformed).decode()
    connection.execute(
        "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)",
        (batch.source, batch.ends, counts.read, counts.counted, counts.repaired, skipped, malformed),
    )
    return True
