"""Merging where there are transactions: on a replica set and on a cluster.

Rows, names, growth, position and counts are written in one transaction with snapshot reads. Of two writers that meet,
one is told so by the server and tries again whole.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from pymongo import MongoClient, ReadPreference, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.stores.rules import MAX_SUM
from tyk_endpoint_stats_mongodb.documents import (
    growth_of,
    growth_update,
    largest_sum,
    name_upsert,
    names_of,
    rows_of,
)
from tyk_endpoint_stats_mongodb.lanes import INTENT, Lanes
from tyk_endpoint_stats_mongodb.layout import DURABLE, Layout, lane_of, only_duplicates
from tyk_endpoint_stats_mongodb.sources import Advance, advance_of
from tyk_endpoint_stats_mongodb.writes import compact, pieces_of, plain_writes

__all__ = ["Transactions", "in_transaction"]

_PAUSE_S = 0.05

Result = TypeVar("Result")


def in_transaction(client: MongoClient[Any], work: Callable[[ClientSession], Result]) -> Result:
    """What ``work`` gives in a transaction of its own, which the driver may run again where writers meet."""
    with client.start_session() as session:
        result: Result = session.with_transaction(
            work,
            read_concern=ReadConcern("snapshot"),
            write_concern=DURABLE,
            read_preference=ReadPreference.PRIMARY,
        )
        return result


class _IntentOpen(Exception):
    """A lane holds a batch that was begun when there were no transactions; it has to be finished first."""


class _Overtaken(Exception):
    """Another writer made a document at the same moment."""


class Transactions:
    """The way of a replica set. Every call runs under the caller's deadline."""

    def __init__(self, layout: Layout, lanes: Lanes) -> None:
        self._layout, self._lanes = layout, lanes

    def merge(self, batch: Batch) -> bool:
        """See the contract of stores."""
        mark, lane = uuid4().hex, lane_of(batch.source)
        client = self._layout.database.client
        while True:
            try:
                return in_transaction(client, lambda session: self._merge(session, batch, lane, mark))
            except _IntentOpen:
                self._lanes.settle(lane)
            except (_Overtaken, DuplicateKeyError):
                pass
            except ConnectionFailure as problem:
                # It may have been committed. The mark at the position tells; without a source nothing does.
                if batch.source is None or problem.timeout:
                    raise
                time.sleep(_PAUSE_S)

    def _merge(self, session: ClientSession, batch: Batch, number: int, mark: str) -> bool:
        layout = self._layout
        lane = layout.lanes.find_one({"_id": number}, session=session)
        assert lane is not None
        if lane["state"] == INTENT:
            raise _IntentOpen
        if batch.source is not None:
            step = advance_of(layout.sources.find_one({"_id": {"$eq": batch.source}}, session=session), batch, mark)
            if not isinstance(step, Advance):
                return step
            step.apply(layout.sources, session)
        rows = rows_of(batch, layout.pruned_before_day(session))
        # The lane is the first of what all write, so that two who would meet meet here and not at the
        # thousandth row.
        most = min(lane["most"] + max(map(largest_sum, rows), default=0), MAX_SUM)
        taken = {"seq": lane["seq"] + 1, "journal": mark, "most": most}
        layout.lanes.update_one({"_id": number}, {"$set": taken}, session=session)
        known = pieces_of(layout.day_rows, rows, session)
        _write(layout.day_rows, plain_writes(rows, known), session)
        compact(layout.day_rows, known, rows, session)
        _write(layout.names, [name_upsert(name) for name in names_of(batch)], session)
        growth = [UpdateOne({"_id": day["_id"]}, growth_update(day), upsert=True) for day in growth_of(batch)]
        _write(layout.growth, growth, session)
        return True


def _write(collection: Any, updates: list[Any], session: ClientSession) -> None:
    if not updates:
        return
    try:
        collection.bulk_write(updates, ordered=False, session=session)
    except BulkWriteError as problem:
        if only_duplicates(problem):
            raise _Overtaken from problem
        raise
