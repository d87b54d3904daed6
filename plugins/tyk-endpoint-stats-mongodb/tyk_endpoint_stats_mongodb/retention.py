"""Taking away: quarter hours, days, a consumer; and the version, which tells when answers may have changed.

What is taken away goes piece by piece, so that no transaction and no deadline is long. On a replica set each piece
is a transaction with a new token; a server that stands alone has no version.
"""

from collections.abc import Iterable
from hashlib import sha256
from secrets import token_hex
from typing import Any

from pymongo import ReadPreference

from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats_mongodb.documents import Document
from tyk_endpoint_stats_mongodb.lanes import DONE
from tyk_endpoint_stats_mongodb.layout import Layout, keys_between

__all__ = [
    "drop_growth",
    "empty_quarter_hours",
    "forget_alias",
    "remove_some",
    "rows_before",
    "rows_of_consumer",
    "say_pruned",
    "version",
]

ROWS_AT_ONCE = 2_000
_ANY = 2**62


def say_pruned(layout: Layout, before_day: int) -> None:
    """Remember that the quarter hours of earlier days are gone.

    It is said before it is done: from here on nobody is answered from these quarter hours.
    """
    most = {"$max": {"pruned_before_day": before_day}}
    layout.meta.update_one({"_id": "history"}, {**most, **_one_change()}, upsert=True)


def empty_quarter_hours(layout: Layout, day: int) -> int:
    """Empty the quarter hours of a day; how many rows of consumers and endpoints had some."""
    emptied = 0
    for of in RowKind:
        which = {"_id": keys_between(of, day, day + 1), "quarter_hours": {"$ne": []}}
        changed = layout.day_rows.update_many(which, {"$set": {"quarter_hours": []}}).modified_count
        emptied += changed if of is RowKind.ENDPOINT_OF_CONSUMER else 0
    return emptied


def rows_before(before_day: int) -> list[Document]:
    """Conditions for the rows and totals of earlier days."""
    return [{"_id": keys_between(of, -_ANY, before_day)} for of in RowKind]


def rows_of_consumer(consumer: Consumer, org_id: str | None) -> list[Document]:
    """Conditions for the rows and totals of a consumer."""
    which: Document = {"_id.consumer": {"$eq": consumer.id}, "_id.kind": {"$eq": consumer.kind.value}}
    return [which if org_id is None else which | {"_id.org_id": {"$eq": org_id}}]


def forget_alias(layout: Layout, consumer: Consumer, org_id: str | None) -> None:
    """Drop a consumer's aliases."""
    which = {"_id.of": "consumer", "_id.id": {"$eq": consumer.id}, "_id.kind": {"$eq": consumer.kind.value}}
    layout.names.delete_many(which if org_id is None else which | {"_id.org_id": {"$eq": org_id}})


def drop_growth(layout: Layout, before_day: int) -> None:
    """Drop by how much earlier days grew."""
    if layout.growth.delete_many({"_id": {"$lt": before_day}}).deleted_count:
        layout.meta.update_one({"_id": "history"}, _one_change(), upsert=True)


def remove_some(layout: Layout, which: Iterable[Document], session: Any = None) -> int:
    """Drop some of the rows that one of these conditions finds; how many: 0 where there is none left."""
    for condition in which:
        # By the primary: what a secondary has may be older.
        rows = layout.day_rows.with_options(read_preference=ReadPreference.PRIMARY)
        ids = [found["_id"] for found in rows.find(condition, {"_id": 1}, session=session).limit(ROWS_AT_ONCE)]
        if ids:
            layout.meta.update_one({"_id": "history"}, _one_change(), upsert=True, session=session)
            return int(rows.delete_many({"_id": {"$in": ids}}, session=session).deleted_count)
    return 0


def version(layout: Layout, session: Any) -> str:
    """How many changes there were, and a token made of those that each of them left.

    Where answers come from secondaries, or a batch is open that was begun without transactions, no two are equal.
    """
    lanes = list(layout.lanes.find(session=session).sort("_id", 1))
    history = layout.meta.find_one({"_id": "history"}, session=session) or {}
    changes = history.get("changes", 0) + sum(lane["seq"] for lane in lanes)
    tokens = [history.get("token", ""), *(lane["journal"] for lane in lanes)]
    if layout.day_rows.read_preference != ReadPreference.PRIMARY or any(lane["state"] != DONE for lane in lanes):
        tokens.append(token_hex(8))
    return f"{changes}-{sha256(' '.join(tokens).encode()).hexdigest()[:16]}"


def _one_change() -> Document:
    return {"$inc": {"changes": 1}, "$set": {"token": token_hex(8)}}
