"""The table ``sources``: how far each source has been merged, by which merge, and what became of its records."""

from typing import Any
from uuid import UUID

from msgspec import json

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.stores.rules import take_batch
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.texts import digest, plain, stored

__all__ = ["advance", "position_of", "progress", "was_merged_by"]

_COLUMNS = "position, read, counted, repaired, skipped::text, malformed::text"
_encode = json.Encoder(order="sorted").encode
_decode = json.Decoder(dict[str, int]).decode


def position_of(connection: Connection, source: str) -> str | None:
    """Where a source stands, ``None`` if it was never met."""
    found = connection.execute("SELECT position FROM sources WHERE digest = %s", (digest(source),)).fetchone()
    return _plain(found[0]) if found else None


def progress(connection: Connection) -> list[SourceProgress]:
    """All sources, by name."""
    found = [
        SourceProgress(plain(source), _plain(position), _counts(columns))
        for source, position, *columns in connection.execute(f"SELECT source, {_COLUMNS} FROM sources")
    ]
    return sorted(found, key=lambda one: one.source)


def advance(connection: Connection, batch: Batch, merged_by: UUID) -> bool:
    """Compare and set the position of a batch's source and add its counts; ``False``: it was merged before.

    Raises:
        PositionConflict: the source stands elsewhere.
    """
    if batch.source is None:
        return True
    key = digest(batch.source)
    # A row to lock, so that two that begin the same source wait for each other.
    connection.execute(
        "INSERT INTO sources (digest, source) VALUES (%s, %s) ON CONFLICT DO NOTHING", (key, stored(batch.source))
    )
    ((position, *columns),) = connection.execute(
        f"SELECT {_COLUMNS} FROM sources WHERE digest = %s FOR UPDATE", (key,)
    ).fetchall()
    if not take_batch(batch, _plain(position)):
        return False
    counts = _counts(columns)
    counts.merge(batch.counts)
    connection.execute(
        "UPDATE sources SET position = %s, merged_by = %s, read = %s, counted = %s, repaired = %s,"
        " skipped = %s, malformed = %s WHERE digest = %s",
        (
            None if batch.ends is None else stored(batch.ends),
            merged_by,
            *(counts.read, counts.counted, counts.repaired),
            *(_encode(counts.skipped).decode(), _encode(counts.malformed).decode()),
            key,
        ),
    )
    return True


def was_merged_by(connection: Connection, source: str, merged_by: UUID) -> bool:
    """Whether that merge was the last one of a source."""
    found = connection.execute("SELECT merged_by FROM sources WHERE digest = %s", (digest(source),)).fetchone()
    return found is not None and found[0] == merged_by


def _counts(columns: list[Any]) -> Counts:
    read, counted, repaired, skipped, malformed = columns
    return Counts(read, counted, repaired, _decode(skipped), _decode(malformed))


def _plain(position: str | None) -> str | None:
    return None if position is None else plain(position)
