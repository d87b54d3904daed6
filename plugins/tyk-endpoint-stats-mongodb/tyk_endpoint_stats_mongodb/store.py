"""The MongoDB store: opened by its URL, the way of merging chosen by what the server is."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from tyk_endpoint_stats.core.batch import Batch, Consumer
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PluginError, UnusableStore
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import (
    Copyable,
    Inspectable,
    Outline,
    Pruned,
    Retaining,
    SourceProgress,
    StoreFacts,
    Versioned,
    WholeBatchReads,
)
from tyk_endpoint_stats_mongodb import inspection, reading, retention
from tyk_endpoint_stats_mongodb.documents import Document
from tyk_endpoint_stats_mongodb.gate import Deadline, Gate
from tyk_endpoint_stats_mongodb.lanes import Lanes
from tyk_endpoint_stats_mongodb.layout import Layout, lane_of
from tyk_endpoint_stats_mongodb.schema import prepare
from tyk_endpoint_stats_mongodb.seam import Seam, client_of
from tyk_endpoint_stats_mongodb.snapshots import from_one_snapshot, has_snapshots
from tyk_endpoint_stats_mongodb.sources import progress_of
from tyk_endpoint_stats_mongodb.transactions import Transactions, in_transaction

__all__ = ["MongoStore", "ReplicaSetStore", "StandaloneStore", "open_existing_mongodb", "open_mongodb", "store_in"]

CONNECT_TIMEOUT_S = 5.0
MERGE_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 30.0
INSPECTION_TIMEOUT_S = 86_400.0
DATABASE = "tyk_endpoint_stats"
PREFIX = "endpoint_stats."
STATES_A_BATCH = 4_000
"""So that a transaction stays small: its locks are held, and its changes kept in memory, until it ends."""

_OLDEST_WIRE = 13  # MongoDB 5.0: snapshot reads outside of transactions
_UNAUTHORIZED = 13

Result = TypeVar("Result")


def open_mongodb(url: str, **options: Any) -> "MongoStore":
    """The store in a MongoDB database: ``mongodb://host/database``; made if it is not there.

    The URL goes to the driver as it is, with all of its options. Without a database in it: ``tyk_endpoint_stats``.

    Args:
        url: ``mongodb://`` or ``mongodb+srv://``.
        options: keyword options of ``store_in``.

    Raises:
        PluginError: the driver can't make anything of the URL.
        StoreBusy: no server answered.
        UnusableStore: a server that is too old, a user without rights, a store of a newer version.
    """
    return _open(url, make=True, **options)


def open_existing_mongodb(url: str, **options: Any) -> "MongoStore":
    """Like ``open_mongodb``, but a store that is not there is not made.

    Raises:
        UnusableStore: as ``open_mongodb``, and where there is no store.
    """
    return _open(url, make=False, **options)


def _open(url: str, *, make: bool, **options: Any) -> "MongoStore":
    seam = Seam(url)
    client = client_of(url, seam)
    try:
        try:
            database = client.get_default_database(DATABASE)
        except PyMongoError as problem:
            raise PluginError(f"{seam.name}: {seam.masked(str(problem))}") from None
        return store_in(database, seam=seam, make=make, on_close=client.close, **options)
    except BaseException:
        client.close()
        raise


def store_in(
    database: Database[Any],
    *,
    prefix: str = PREFIX,
    make: bool = True,
    merge_timeout_s: float = MERGE_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    seam: Seam | None = None,
    on_close: Callable[[], None] = lambda: None,
) -> "MongoStore":
    """The store in a database of a client that the caller has, and goes on to own.

    Args:
        database: where.
        prefix: what the names of its collections begin with; another prefix is another store.
        make: make it where there is none.
        merge_timeout_s: the total deadline of a ``merge`` or a ``prune``, waiting for others included.
        read_timeout_s: that of a question.
        connect_timeout_s: that of opening.
        seam: translates errors; made if not given.
        on_close: called when the store is closed.

    Raises:
        UnusableStore: see ``open_mongodb``.
        StoreBusy: see ``open_mongodb``.
    """
    seam = seam or Seam(f"mongodb://{database.name}")
    layout = Layout(database, prefix)
    # The driver would forget the URL's own serverSelectionTimeoutMS inside of a total deadline.
    answers_within_s = min(connect_timeout_s, database.client.options.server_selection_timeout)
    with seam.translated(answers_within_s), Deadline(answers_within_s):
        hello = database.client.admin.command("hello")
    with seam.translated(connect_timeout_s), Deadline(connect_timeout_s):
        if hello.get("maxWireVersion", 0) < _OLDEST_WIRE:
            raise UnusableStore(f"{seam.name}: the server is too old; MongoDB 5.0 or newer is needed")
        prepare(layout, seam.name, make=make)
    kind = ReplicaSetStore if has_snapshots(hello) else StandaloneStore
    store = kind(layout, seam, merge_timeout_s, read_timeout_s, on_close)
    store.finish_open_batches()
    return store


class MongoStore(Copyable, Inspectable, Retaining, Store):
    """What both ways of merging have in common. Made by ``open_mongodb`` or ``store_in``."""

    max_states_a_batch = STATES_A_BATCH

    def __init__(
        self,
        layout: Layout,
        seam: Seam,
        merge_timeout_s: float,
        read_timeout_s: float,
        on_close: Callable[[], None],
    ) -> None:
        self._layout, self._seam = layout, seam
        self._lanes = Lanes(layout)
        self._gate = Gate(seam.name, on_close)
        self._merge_timeout_s, self._read_timeout_s = merge_timeout_s, read_timeout_s

    @contextmanager
    def _call(self, deadline_s: float) -> Iterator[None]:
        """Around every call: who may make it, its total deadline, and what its errors mean."""
        with self._gate.passing(), self._seam.translated(deadline_s), Deadline(deadline_s):
            yield

    def finish_open_batches(self) -> None:
        """Finish what writers that died, or a database that was standalone, have left half merged.

        A user who may only read leaves it to the next who writes.
        """
        with self._call(self._merge_timeout_s):
            try:
                self._lanes.settle_all()
            except OperationFailure as problem:
                if problem.code != _UNAUTHORIZED:
                    raise

    def position(self, source: str) -> str | None:
        """See the contract."""
        with self._call(self._merge_timeout_s):
            self._settle(source)
            stored = self._from_one_snapshot(
                lambda session: self._layout.sources.find_one({"_id": {"$eq": source}}, session=session)
            )
            return stored["position"] if stored else None

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with self._call(self._merge_timeout_s):
            self._settle(None)
            return self._from_one_snapshot(
                lambda session: [
                    progress_of(stored) for stored in self._layout.sources.find(session=session).sort("_id", 1)
                ]
            )

    def _settle(self, source: str | None) -> None:
        """Make sure that what a source's document says is so; ``None``: every source's."""

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with self._call(self._read_timeout_s):
            return self._from_one_snapshot(lambda session: reading.answer(self._layout, selection, session))

    def outline(self) -> Outline:
        """See the contract. Reads every row's day: the deadline is that of a merge."""
        with self._call(self._merge_timeout_s):
            self._settle(None)
            return self._from_one_snapshot(lambda session: reading.outline(self._layout, session))

    def day(self, number: int) -> Batch:
        """See the contract. The deadline is that of a merge."""
        with self._call(self._merge_timeout_s):
            self._settle(None)
            return self._from_one_snapshot(lambda session: reading.day(self._layout, number, session))

    def growth(self) -> Mapping[int, Grown]:
        """See the contract."""
        with self._call(self._read_timeout_s):
            self._settle(None)
            return self._from_one_snapshot(lambda session: reading.growth(self._layout, session))

    def facts(self) -> StoreFacts:
        """See the contract."""
        with self._call(INSPECTION_TIMEOUT_S):
            return inspection.facts(self._layout)

    def damage(self) -> Sequence[str]:
        """See the contract. The server looks through its own files where the user may ask for it (``dbAdmin``)."""
        with self._call(INSPECTION_TIMEOUT_S):
            self._settle(None)
            return inspection.damage(self._layout)

    @abstractmethod
    def _from_one_snapshot(self, ask: Callable[[Any], Result]) -> Result:
        """What ``ask`` finds in a session whose reads all see one state that can't be rolled back."""

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Day by day, each with the deadline of a merge. Positions are kept."""
        with self._call(self._merge_timeout_s):
            retention.say_pruned(self._layout, before // DAY_US)
            days = reading.stored_days(self._layout)
        pruned = 0
        for day in (one for one in days if one < before // DAY_US):
            with self._call(self._merge_timeout_s):
                pruned += retention.empty_quarter_hours(self._layout, day)
        return Pruned(rows=pruned)

    def drop(self, before: Instant) -> int:
        """See the contract. Some rows at a time, each time with the deadline of a merge."""
        with self._call(self._merge_timeout_s):
            retention.say_pruned(self._layout, before // DAY_US)
        return self._remove(
            retention.rows_before(before // DAY_US), lambda: retention.drop_growth(self._layout, before // DAY_US)
        )

    def forget(self, consumer: Consumer, org_id: str | None = None) -> int:
        """See the contract. Some rows at a time, each time with the deadline of a merge."""
        return self._remove(
            retention.rows_of_consumer(consumer, org_id),
            lambda: retention.forget_alias(self._layout, consumer, org_id),
        )

    def _remove(self, which: Sequence[Document], then: Callable[[], None] = lambda: None) -> int:
        """Remove until nothing is left and no batch was merged meanwhile: of none a part stays behind."""
        gone = 0
        while True:
            with self._call(self._merge_timeout_s):
                lanes = self._lanes.settle_all()
            while True:
                with self._call(self._merge_timeout_s):
                    removed = self._remove_some(which)
                if not removed:
                    break
                gone += removed
            with self._call(self._merge_timeout_s):
                then()
                if self._lanes.settle_all() == lanes:
                    return gone

    def _remove_some(self, which: Sequence[Document]) -> int:
        return retention.remove_some(self._layout, which)

    def close(self) -> None:
        """See the contract."""
        self._gate.close()


class ReplicaSetStore(Versioned, WholeBatchReads, MongoStore):
    """The store where there are transactions: a replica set, or a cluster behind mongos."""

    def merge(self, batch: Batch) -> bool:
        """See the contract: one transaction."""
        with self._call(self._merge_timeout_s):
            return Transactions(self._layout, self._lanes).merge(batch)

    def version(self) -> str:
        """See the contract."""
        with self._call(self._read_timeout_s):
            return self._from_one_snapshot(lambda session: retention.version(self._layout, session))

    def _remove_some(self, which: Sequence[Document]) -> int:
        return in_transaction(
            self._layout.database.client, lambda session: retention.remove_some(self._layout, which, session)
        )

    def _from_one_snapshot(self, ask: Callable[[Any], Result]) -> Result:
        return from_one_snapshot(self._layout.database.client, ask)


class StandaloneStore(MongoStore):
    """The store on a server that stands alone. A reader may see a part of a batch that is being merged."""

    def merge(self, batch: Batch) -> bool:
        """See the contract: the lane fence."""
        with self._call(self._merge_timeout_s):
            return self._lanes.merge(batch)

    def _settle(self, source: str | None) -> None:
        if source is None:
            self._lanes.settle_all()
        else:
            self._lanes.settle(lane_of(source))

    def _from_one_snapshot(self, ask: Callable[[Any], Result]) -> Result:
        return ask(None)
