"""Merging where there are no transactions: the lane fence of a standalone server.

There a single document changes atomically, and nothing else does. So a batch is first written down, then applied
to each document at most once, by whoever gets there. A lane holds one batch at a time; a source's lane is a hash
of its name, so that all who read one source queue in one row.

1. Read the lane. If a batch is open in it, finish that from the journal, whoever wrote it.
2. Compare the position.
3. Write the batch into the journal and replace the lane's ``done`` by the intent to merge it. *From here on the
   batch will be counted, even if this process dies.*
4. Merge each state into its document, unless the document bears the mark of this batch or a later one of the
   lane: ``ap: {lane: seq}``.
5. Set the position, unless it was set.
6. Call the lane done and remove the journal.

It holds because only one batch can be the lane's next, a document takes a (lane, seq) once, and a writer that
wakes up late meets its own mark wherever it could touch. Names need no mark: the newest wins, however often.
"""

import time
from collections.abc import Sequence
from uuid import uuid4

from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats_mongodb.documents import (
    MOST,
    SUMS,
    Document,
    documents_of,
    integer,
    largest_sum,
    name_upsert,
    names_of,
)
from tyk_endpoint_stats_mongodb.journal import Journal
from tyk_endpoint_stats_mongodb.layout import LANES, Documents, Layout, lane_of, only_duplicates
from tyk_endpoint_stats_mongodb.sources import Advance, advance_of
from tyk_endpoint_stats_mongodb.states import Write, fenced_writes, keys_with

__all__ = ["DONE", "INTENT", "Lanes"]

DONE, INTENT = "done", "intent"

_PAUSE_S = 0.05
_IDS_AT_ONCE = 1000


class Lanes:
    """The way of a standalone server. Every call runs under the caller's deadline."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._journal = Journal(layout.journal)

    def merge(self, batch: Batch) -> bool:
        """See the contract of stores."""
        number, mark = lane_of(batch.source), uuid4().hex
        states = list(documents_of(batch, self._layout.pruned_before_day()))
        names: list[Document] = [{"_id": key, "seen": seen} for key, seen in names_of(batch)]
        won = False
        lost_at: int | None = None  # the place in the lane for which the server's answer was lost
        while True:
            try:
                lane = self.settle(number)
                if won or lane["journal"] == mark:
                    return True
                step = None
                if batch.source is not None:
                    found = advance_of(self._stored(batch.source), batch, mark)
                    if not isinstance(found, Advance):
                        return found
                    step = found
                elif lost_at is not None and lane["seq"] >= lost_at:
                    raise StoreError(
                        "the server's answer was lost and others have written since: the batch may have been "
                        "merged; give batches a source of their own to make repeating them safe"
                    )
                intent = {
                    "seq": lane["seq"] + 1,
                    "state": INTENT,
                    "journal": mark,
                    "parts": self._journal.write(number, lane["seq"] + 1, mark, states, names),
                    "by": step.by if step else None,
                    "becomes": step.becomes if step else None,
                    "most": self._most_after(lane, states),
                }
                lost_at, asked_before = intent["seq"], lost_at
                done = self._layout.lanes.replace_one({"_id": number, "seq": lane["seq"], "state": DONE}, intent)
                won, lost_at = done.matched_count == 1, asked_before
            except ConnectionFailure as problem:
                if problem.timeout:
                    raise
                time.sleep(_PAUSE_S)

    def _stored(self, source: str) -> Document | None:
        stored: Document | None = self._layout.sources.find_one({"_id": {"$eq": source}})
        return stored

    def settle(self, number: int) -> Document:
        """Finish what is open in a lane; the lane's document once nothing is.

        Raises:
            StoreError: what is open can't be finished.
        """
        stuck_at = -1
        while True:
            lane: Document | None = self._layout.lanes.find_one({"_id": number})
            if lane is None:
                raise StoreError(f"lane {number} of the store is gone; restore the database from a backup")
            if lane["state"] == DONE:
                return lane
            if not self._finish(lane):
                # Parts are missing: another has finished it in the meantime. If not, nobody can.
                if stuck_at == lane["seq"]:
                    raise StoreError(
                        f"the journal of lane {number} is incomplete; restore the database from a backup"
                    )
                stuck_at = lane["seq"]

    def settle_all(self) -> None:
        """Finish what is open in any lane: left behind by writers that died, or being finished by its writer."""
        for lane in list(self._layout.lanes.find({"state": INTENT}, {"_id": 1}).limit(LANES)):
            self.settle(lane["_id"])

    def _finish(self, lane: Document) -> bool:
        number, seq = lane["_id"], lane["seq"]
        for part in range(lane["parts"]):
            rows = self._journal.read(number, seq, lane["journal"], part)
            if rows is None:
                return False
            if rows.are_names:
                self._apply_names(rows.rows)
            else:
                self._apply_states(rows.rows, number, seq)
        if lane["becomes"] is not None:
            try:
                Advance(lane["by"], lane["becomes"]).apply(self._layout.sources)
            except DuplicateKeyError:
                pass  # the source was not known then and is now: another finisher has set it
        self._layout.lanes.update_one({"_id": number, "seq": seq, "state": INTENT}, {"$set": {"state": DONE}})
        self._journal.remove(number, seq)
        return True

    def _apply_states(self, states: list[Document], number: int, seq: int) -> None:
        collection, left = self._layout.states, states
        while left:
            writes = fenced_writes(left, keys_with(collection, left), number, seq)
            # A duplicate was applied before, or another lane made it at this very moment: its mark tells.
            refused = [left[index] for index in _refused(collection, writes)]
            applied = keys_with(collection, refused, condition={f"ap.{number}": {"$gte": seq}})
            left = [state for state in refused if tuple(state["_id"].values()) not in applied]

    def _apply_names(self, names: list[Document]) -> None:
        left = [name_upsert(name["_id"], name["seen"]) for name in names]
        while left:
            left = [left[index] for index in _refused(self._layout.names, left)]

    def _most_after(self, lane: Document, states: list[Document]) -> int:
        """What no sum of any state can have got from this lane, once these are merged.

        A batch with a sum past 63 bits must be refused before its intent stands, for afterwards it can neither
        be applied nor taken back. As long as all lanes together stay below that, no state has to be read to know.
        """
        adding = max(map(largest_sum, states), default=0)
        if sum(integer(each["most"]) for each in self._layout.lanes.find({}, {"most": 1})) + adding > MOST:
            self._refuse_overflow(states)
        return min(integer(lane["most"]) + adding, MOST)

    def _refuse_overflow(self, states: list[Document]) -> None:
        for first in range(0, len(states), _IDS_AT_ONCE):
            adding = {tuple(state["_id"].values()): state for state in states[first : first + _IDS_AT_ONCE]}
            ids = [state["_id"] for state in adding.values()]
            for stored in self._layout.states.find({"_id": {"$in": ids}}, dict.fromkeys(SUMS, 1)):
                key = tuple(stored["_id"].values())
                if any(integer(stored[name]) + adding[key][name] > MOST for name in SUMS):
                    raise StoreError(f"a sum of {key[-2:]!r} would pass 63 bits; the batch was not merged")


def _refused(collection: Documents, writes: Sequence[Write]) -> list[int]:
    """Write all of it; which of it another had made already."""
    try:
        collection.bulk_write(writes, ordered=False)
    except BulkWriteError as problem:
        if not only_duplicates(problem):
            raise
        return [error["index"] for error in problem.details["writeErrors"]]
    return []
