"""Writing rows: what is not there yet is inserted, the rest updated, and what has many pieces gets one again.

An upsert would do for both, but takes five times as long as an insert, and most rows of an ingest are new.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from pymongo import InsertOne, UpdateOne

from tyk_endpoint_stats.core.packed import PackedError, compact_distribution, compact_quarter_hours
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.rules import MAX_PIECES
from tyk_endpoint_stats_mongodb.documents import PACKED, Document, joined, update_of
from tyk_endpoint_stats_mongodb.layout import Documents

__all__ = ["Key", "Write", "compact", "fenced", "fenced_writes", "pieces_of", "plain_writes"]

Key: TypeAlias = tuple[Any, ...]
Write: TypeAlias = InsertOne[Document] | UpdateOne

_KEYS_AT_ONCE = 1000


def pieces_of(
    rows: Documents, wanted: Sequence[Document], session: Any = None, condition: Document | None = None
) -> dict[Key, int]:
    """Which of these rows are stored and fulfil the condition, and of how many pieces their packed values are."""
    known: dict[Key, int] = {}
    for first in range(0, len(wanted), _KEYS_AT_ONCE):
        ids = [row["_id"] for row in wanted[first : first + _KEYS_AT_ONCE]]
        which = {"_id": {"$in": ids}, **(condition or {})}
        found = rows.find(which, {"pieces": {"$size": "$distribution"}}, session=session)
        known |= {tuple(row["_id"].values()): row["pieces"] for row in found}
    return known


def plain_writes(wanted: Iterable[Document], known: dict[Key, int]) -> list[Write]:
    """What merges these rows in a transaction, whose snapshot says which of them are known."""
    return [
        UpdateOne({"_id": {"$eq": row["_id"]}}, update_of(row), upsert=True)
        if tuple(row["_id"].values()) in known
        else InsertOne(row)
        for row in wanted
    ]


def fenced_writes(wanted: Iterable[Document], known: dict[Key, int], lane: int, seq: int) -> list[Write]:
    """What merges these rows, each unless it bears the mark of this place in the lane, or of a later one."""
    return [
        fenced(row["_id"], update_of(row), lane, seq)
        if tuple(row["_id"].values()) in known
        else InsertOne({**row, "ap": {str(lane): seq}})
        for row in wanted
    ]


def fenced(key: Any, update: Document, lane: int, seq: int) -> UpdateOne:
    """An upsert that is refused as a duplicate where the document bears that mark, or one of a later place."""
    mark = f"ap.{lane}"
    which = {"_id": {"$eq": key}, "$or": [{mark: {"$exists": False}}, {mark: {"$lt": seq}}]}
    return UpdateOne(which, {**update, "$set": {mark: seq}}, upsert=True)


def compact(rows: Documents, known: dict[Key, int], wanted: Iterable[Document], session: Any = None) -> None:
    """Write back in one piece what had many before these rows were merged.

    Each is compared and set: a document whose pieces are others by now stays as it is. So it does not matter who
    does it, when, or how often, and a row that was merged meanwhile is never lost.

    Args:
        rows: the collection.
        known: what ``pieces_of`` said before these rows were written.
        wanted: the rows that were written.
        session: of the transaction, where there is one.
    """
    ids = [row["_id"] for row in wanted if known.get(tuple(row["_id"].values()), 0) >= MAX_PIECES]
    if not ids:
        return
    writes = []
    for found in rows.find({"_id": {"$in": ids}}, dict.fromkeys(PACKED, 1), session=session):
        stored = {name: found[name] for name in PACKED}
        try:
            distribution, quarter_hours = (joined(pieces) for pieces in stored.values())
            one = {
                "distribution": [compact_distribution(distribution)],
                "quarter_hours": [compact_quarter_hours(quarter_hours)] if quarter_hours else [],
            }
        except (PackedError, StoreError):
            continue  # damaged: verify says so, and no batch has to wait for its repair
        same = {name: {"$eq": pieces} for name, pieces in stored.items()}
        writes.append(UpdateOne({"_id": {"$eq": found["_id"]}, **same}, {"$set": one}))
    if writes:
        rows.bulk_write(writes, ordered=False, session=session)
