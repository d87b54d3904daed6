"""The PostgreSQL store: every merge one transaction, every question one snapshot."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, StoreClosed, StoreError, UnusableStore
from tyk_endpoint_stats.stores.contract import (
    Copyable,
    Inspectable,
    LookedThrough,
    Outline,
    Pruned,
    SourceProgress,
    Store,
    StoreFacts,
    WholeBatchReads,
)
from tyk_endpoint_stats_postgresql import inspection, reading, soundness, writing
from tyk_endpoint_stats_postgresql.connections import Connection, Pool, connect, translated
from tyk_endpoint_stats_postgresql.schema import DEFAULT_SCHEMA, check_name, is_ready, lock_key, prepare
from tyk_endpoint_stats_postgresql.texts import digest, plain
from tyk_endpoint_stats_postgresql.urls import place_of

__all__ = ["PostgreSQLStore", "open_existing_postgresql", "open_postgresql"]

MERGE_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 30.0
INSPECTION_TIMEOUT_S = 86_400.0
READERS = 8
READER_WAIT_S = 5.0
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"


def open_postgresql(url: str) -> "PostgreSQLStore":
    """The store in a database, in the schema ``tyk_endpoint_stats`` or ``?schema=NAME``; made if it is not there.

    Raises:
        PluginError: the URL is none.
        StoreError: the server can't be reached, or the schema can't serve.
    """
    return PostgreSQLStore(url)


def open_existing_postgresql(url: str) -> "PostgreSQLStore":
    """Like ``open_postgresql``, but a store that is not there is not made.

    Raises:
        PluginError: the URL is none.
        UnusableStore: there is no store.
    """
    return PostgreSQLStore(url, existing=True)


class PostgreSQLStore(Copyable, Inspectable, WholeBatchReads, Store):
    """States in one schema of a PostgreSQL database. Thread-safe; any number of processes may open the same.

    A merge is durable when it returns (``synchronous_commit``, whatever the database's default is). Merges of
    different processes run side by side; where they meet in a state, one waits for the other.

    Args:
        url: ``postgresql://user:password@host:5432/database``, with libpq's options and ``schema``.
        existing: whether a store that is not there is an error.
    """

    def __init__(self, url: str, *, existing: bool = False) -> None:
        self._place = place_of(url, frozenset({"schema"}))
        self._name = self._place.name
        self._schema = check_name(self._place.options.get("schema", DEFAULT_SCHEMA))
        self._lock_key = lock_key(self._schema)
        self._pid = os.getpid()
        with translated(self._place):
            connection = self._connect(READ_TIMEOUT_S)
            try:
                self._find(connection, existing)
            except BaseException:
                connection.close()
                raise
        self._readers = Pool(
            lambda: self._connect(READ_TIMEOUT_S), READERS, READER_WAIT_S, self._name, [connection]
        )
        self._writers = Pool(self._connect_writer, 1, MERGE_TIMEOUT_S, self._name)

    def _find(self, connection: Connection, existing: bool) -> None:
        if not existing:
            prepare(connection, self._schema, self._name)
        elif not is_ready(connection, self._schema, self._name):
            raise UnusableStore(
                f"{self._name}: there is no store in schema {self._schema}; an ingest makes it: "
                "tyk-endpoint-stats ingest --store URL FILE"
            )

    def _connect(self, timeout_s: float) -> Connection:
        return connect(self._place, timeout_s, search_path=self._schema, synchronous_commit="on")

    def _connect_writer(self) -> Connection:
        connection = self._connect(MERGE_TIMEOUT_S)
        connection.execute(writing.INCOMING)
        return connection

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        merged_by = uuid4()
        committing = False
        try:
            with self._writing() as connection:
                connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (self._lock_key,))
                if batch.source is not None:
                    stored = writing.advance_position(connection, batch, merged_by)
                    if stored != batch.begins:
                        connection.execute("ROLLBACK")
                        if stored == batch.ends:
                            return False
                        raise PositionConflict(batch.source, batch.begins, stored)
                writing.write_batch(connection, batch)
                committing = True
        except StoreError as problem:
            # Nobody knows what became of a commit whose answer was lost, but the position does.
            if committing and batch.source is not None and self._was_merged(batch.source, merged_by, problem):
                return True
            raise
        return True

    def _was_merged(self, source: str, merged_by: UUID, problem: StoreError) -> bool:
        try:
            with self._reading() as connection:
                found = connection.execute(
                    "SELECT merged_by FROM sources WHERE digest = %s", (digest(source),)
                ).fetchone()
        except StoreError:
            raise problem from problem.__cause__  # it can't be told now: the caller asks again
        return found is not None and found[0] == merged_by

    def position(self, source: str) -> str | None:
        """See the contract."""
        with self._reading() as connection:
            return writing.position_of(connection, source)

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with self._reading() as connection:
            rows = connection.execute("SELECT source, position, counts FROM sources").fetchall()
        return sorted(
            (
                SourceProgress(
                    plain(source), None if position is None else plain(position), writing.counts_of(counts)
                )
                for source, position, counts in rows
            ),
            key=lambda progress: progress.source,
        )

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with self._reading() as connection:
            return reading.answer(connection, selection)

    def outline(self) -> Outline:
        """See the contract."""
        with self._reading() as connection:
            return reading.outline(connection)

    def facts(self) -> StoreFacts:
        """See the contract."""
        with self._inspecting() as connection:
            return inspection.facts(connection)

    def damage(self) -> Sequence[str]:
        """See the contract. Where the extension amcheck is installed, indexes are looked through too."""
        with self._inspecting() as connection:
            return inspection.damage(connection)

    def look_through(self) -> LookedThrough:
        """See the contract."""
        with self._inspecting() as connection:
            return soundness.look_through(connection)

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Positions are kept: whether a source can come back can't be told from here."""
        before_day = before // DAY_US
        with self._writing() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._lock_key,))
            (known,) = connection.execute("SELECT max(before_day) FROM pruned").fetchall()[0]
            if known is None or known < before_day:
                connection.execute("DELETE FROM pruned")
                connection.execute("INSERT INTO pruned VALUES (%s)", (before_day,))
            gone = connection.execute(
                "DELETE FROM quarters WHERE bucket < %s", (before_day * QUARTER_HOURS_PER_DAY,)
            )
            return Pruned(quarter_states=gone.rowcount)

    def close(self) -> None:
        """See the contract."""
        if self._pid == os.getpid():  # a forked child must not touch its parent's connections
            self._readers.close()
            self._writers.close()

    @contextmanager
    def _reading(self, within_s: float | None = None) -> Iterator[Connection]:
        self._check_usable()
        within_s = READ_TIMEOUT_S if within_s is None else within_s
        with translated(self._place), self._readers.lend(_READ, within_s) as connection:
            yield connection

    @contextmanager
    def _inspecting(self) -> Iterator[Connection]:
        with self._reading(INSPECTION_TIMEOUT_S) as connection:
            connection.execute("SET LOCAL statement_timeout = 0")
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._check_usable()
        with translated(self._place), self._writers.lend(_WRITE, MERGE_TIMEOUT_S) as connection:
            yield connection

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise StoreClosed(f"{self._name} was opened before a fork; open it again in this process")
