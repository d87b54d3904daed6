"""Writing states: what is not there yet is inserted, the rest updated.

An upsert would do for both, but takes five times as long as an insert, and most states of an ingest are new.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from pymongo import InsertOne, UpdateOne

from tyk_endpoint_stats_mongodb.documents import Document, update_of
from tyk_endpoint_stats_mongodb.layout import Documents

__all__ = ["Write", "fenced_writes", "keys_with", "plain_writes"]

Key: TypeAlias = tuple[Any, ...]
Write: TypeAlias = InsertOne[Document] | UpdateOne

_KEYS_AT_ONCE = 1000


def keys_with(
    states: Documents, wanted: Sequence[Document], session: Any = None, condition: Document | None = None
) -> set[Key]:
    """Which of these states are stored, and fulfil the condition."""
    keys: set[Key] = set()
    for first in range(0, len(wanted), _KEYS_AT_ONCE):
        ids = [state["_id"] for state in wanted[first : first + _KEYS_AT_ONCE]]
        found = states.find({"_id": {"$in": ids}, **(condition or {})}, {"_id": 1}, session=session)
        keys |= {tuple(state["_id"].values()) for state in found}
    return keys


def plain_writes(wanted: Iterable[Document], known: set[Key]) -> list[Write]:
    """What merges these states in a transaction, whose snapshot says which of them are known."""
    return [
        UpdateOne({"_id": {"$eq": state["_id"]}}, update_of(state), upsert=True)
        if tuple(state["_id"].values()) in known
        else InsertOne(state)
        for state in wanted
    ]


def fenced_writes(wanted: Iterable[Document], known: set[Key], lane: int, seq: int) -> list[Write]:
    """What merges these states, each unless it bears the mark of this place in the lane, or of a later one."""
    mark = f"ap.{lane}"
    unmarked = [{mark: {"$exists": False}}, {mark: {"$lt": seq}}]
    return [
        UpdateOne(
            {"_id": {"$eq": state["_id"]}, "$or": unmarked}, {**update_of(state), "$set": {mark: seq}}, upsert=True
        )
        if tuple(state["_id"].values()) in known
        else InsertOne({**state, "ap": {str(lane): seq}})
        for state in wanted
    ]
