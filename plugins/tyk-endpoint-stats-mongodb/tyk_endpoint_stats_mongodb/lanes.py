"""Merging where there are no transactions: the lane fence of a standalone server.

There a single document changes atomically, and nothing else does. So a batch is first written down, then applied
to each document at most once, by whoever gets there. A lane holds one batch at a time; a source's lane is a hash
of its name, so that all who read one source queue in one row.

1. Read the lane. If a batch is open in it, finish that from the journal, whoever wrote it.
2. Compare the position.
3. Write the batch into the journal and replace the lane's ``done`` by the intent to merge it. *From here on the
   batch will be counted, even if this process dies.*
4. Merge each row and day's growth into its document, unless the document bears the mark of this batch or a later one
   of the lane: ``ap: {lane: seq}``. Packed values of many pieces are written back in one.
5. Set the position, unless it was set.
6. Call the lane done and remove the journal.

It holds because only one batch can be the lane's next, a document takes a (lane, seq) once, and a writer that
wakes up late meets its own mark wherever it could touch. Names need no mark: the newest wins, however often.
Putting pieces together needs none either: it changes no number, and is compared and set.
"""

import time
from collections.abc import Sequence
from uuid import uuid4

from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.fields import SUMS
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.rules import MAX_SUM
from tyk_endpoint_stats_mongodb.documents import (
    Document,
    endpoint_of,
    growth_of,
    growth_update,
    integer,
    largest_sum,
    name_upsert,
    names_of,
    rows_of,
)
from tyk_endpoint_stats_mongodb.journal import Journal
from tyk_endpoint_stats_mongodb.layout import Documents, Layout, lane_of, only_duplicates
from tyk_endpoint_stats_mongodb.sources import Advance, advance_of
from tyk_endpoint_stats_mongodb.writes import Write, compact, fenced, fenced_writes, pieces_of

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
        rows = rows_of(batch, self._layout.pruned_before_day())
        written = {"rows": rows, "names": list(names_of(batch)), "growth": growth_of(batch)}
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
                    "parts": self._journal.write(number, lane["seq"] + 1, mark, written),
                    "by": step.by if step else None,
                    "becomes": step.becomes if step else None,
                    "most": self._most_after(lane, rows),
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

    def settle_all(self) -> dict[int, int]:
        """Finish what is open in any lane: left behind by writers that died, or being finished by its writer.

        Returns:
            How far each lane is, from one look at all of them that found none open.
        """
        while True:
            lanes = list(self._layout.lanes.find())
            is_open = [lane["_id"] for lane in lanes if lane["state"] == INTENT]
            if not is_open:
                return {lane["_id"]: lane["seq"] for lane in lanes}
            for number in is_open:
                self.settle(number)

    def _finish(self, lane: Document) -> bool:
        number, seq = lane["_id"], lane["seq"]
        for part in range(lane["parts"]):
            written = self._journal.read(number, seq, lane["journal"], part)
            if written is None:
                return False
            if written.of == "names":
                self._apply_names(written.documents)
            elif written.of == "growth":
                self._apply_growth(written.documents, number, seq)
            else:
                self._apply_rows(written.documents, number, seq)
        if lane["becomes"] is not None:
            try:
                Advance(lane["by"], lane["becomes"]).apply(self._layout.sources)
            except DuplicateKeyError:
                pass  # the source was not known then and is now: another finisher has set it
        self._layout.lanes.update_one({"_id": number, "seq": seq, "state": INTENT}, {"$set": {"state": DONE}})
        self._journal.remove(number, seq)
        return True

    def _apply_rows(self, rows: list[Document], number: int, seq: int) -> None:
        collection, left = self._layout.day_rows, rows
        while left:
            known = pieces_of(collection, left)
            writes = fenced_writes(left, known, number, seq)
            # A duplicate was applied before, or another lane made it at this very moment: its mark tells.
            refused = [left[index] for index in _refused(collection, writes)]
            compact(collection, known, left)
            applied = pieces_of(collection, refused, condition={f"ap.{number}": {"$gte": seq}})
            left = [row for row in refused if tuple(row["_id"].values()) not in applied]

    def _apply_growth(self, days: list[Document], number: int, seq: int) -> None:
        left = days
        while left:
            writes = [fenced(day["_id"], growth_update(day), number, seq) for day in left]
            refused = [left[index] for index in _refused(self._layout.growth, writes)]
            which = {"_id": {"$in": [day["_id"] for day in refused]}, f"ap.{number}": {"$gte": seq}}
            applied = {day["_id"] for day in self._layout.growth.find(which, {"_id": 1})} if refused else set()
            left = [day for day in refused if day["_id"] not in applied]

    def _apply_names(self, names: list[Document]) -> None:
        left = [name_upsert(name) for name in names]
        while left:
            left = [left[index] for index in _refused(self._layout.names, left)]

    def _most_after(self, lane: Document, rows: list[Document]) -> int:
        """What no sum of any row can have got from this lane, once these are merged.

        A batch with a sum past 63 bits must be refused before its intent stands, for afterwards it can neither
        be applied nor taken back. As long as all lanes together stay below that, no row has to be read to know.
        """
        adding = max(map(largest_sum, rows), default=0)
        if sum(integer(each["most"]) for each in self._layout.lanes.find({}, {"most": 1})) + adding > MAX_SUM:
            self._refuse_overflow(rows)
        return min(integer(lane["most"]) + adding, MAX_SUM)

    def _refuse_overflow(self, rows: list[Document]) -> None:
        for first in range(0, len(rows), _IDS_AT_ONCE):
            adding = {tuple(row["_id"].values()): row for row in rows[first : first + _IDS_AT_ONCE]}
            ids = [row["_id"] for row in adding.values()]
            for stored in self._layout.day_rows.find({"_id": {"$in": ids}}, dict.fromkeys(SUMS, 1)):
                row = adding[tuple(stored["_id"].values())]
                if any(integer(stored[name]) + row[name] > MAX_SUM for name in SUMS):
                    # Without the consumer: where keys are not hashed, its id is a secret.
                    endpoint = endpoint_of(stored["_id"]) or "every endpoint"
                    raise StoreError(f"a sum of {endpoint!r} would pass 63 bits; the batch was not merged")


def _refused(collection: Documents, writes: Sequence[Write]) -> list[int]:
    """Write all of it; which of it another had made already."""
    try:
        collection.bulk_write(writes, ordered=False)
    except BulkWriteError as problem:
        if not only_duplicates(problem):
            raise
        return [error["index"] for error in problem.details["writeErrors"]]
    return []
