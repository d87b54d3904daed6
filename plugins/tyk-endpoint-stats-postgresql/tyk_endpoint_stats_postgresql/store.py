"""The PostgreSQL store: every merge one transaction, every question one snapshot."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

from tyk_endpoint_stats.core.batch import Batch, Consumer
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreClosed, StoreError, UnusableStore
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
from tyk_endpoint_stats_postgresql import history, inspection, reading, sources
from tyk_endpoint_stats_postgresql.connections import Connection, Pool, connect, translated
from tyk_endpoint_stats_postgresql.day_rows import (
    INCOMING,
    batch_of_day,
    drop_before,
    forget_consumers,
    merge_rows,
    prune_before,
    stored_days,
)
from tyk_endpoint_stats_postgresql.growth import growth_of_days, merge_growth
from tyk_endpoint_stats_postgresql.names import names_seen, where, write_names
from tyk_endpoint_stats_postgresql.schema import DEFAULT_SCHEMA, STEPS, check_name, lock_key, prepare, steps_taken
from tyk_endpoint_stats_postgresql.texts import digest
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


_PRUNED_TO = "UPDATE history SET pruned_before_day = greatest(pruned_before_day, %s)"


class PostgreSQLStore(Copyable, Inspectable, Retaining, Versioned, WholeBatchReads, Store):
    """Day rows in one schema of a PostgreSQL database. Thread-safe; any number of processes may open the same.

    A merge is durable when it returns (``synchronous_commit``, whatever the database's default is). Merges of
    different processes run side by side; where they meet in a row, one waits for the other.

    Args:
        url: ``postgresql://user:password@host:5432/database``, with libpq's options and ``schema``.
        existing: whether a store that is not there is an error.
    """

    def __init__(self, url: str, *, existing: bool = False) -> None:
        self._place = place_of(url, frozenset({"schema"}))
        self._name = self._place.name
        self._schema = check_name(self._place.options.get("schema", DEFAULT_SCHEMA))
        self._lock_key = lock_key(self._schema)
        self._step = STEPS[-1][0]
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
        if existing and not steps_taken(connection, self._schema, self._name):
            raise UnusableStore(
                f"{self._name}: there is no store in schema {self._schema}; an ingest makes it: "
                "tyk-endpoint-stats ingest --store URL FILE"
            )
        prepare(connection, self._schema, self._name)

    def _connect(self, timeout_s: float) -> Connection:
        return connect(self._place, timeout_s, search_path=self._schema, synchronous_commit="on")

    def _connect_writer(self) -> Connection:
        connection = self._connect(MERGE_TIMEOUT_S)
        connection.execute(INCOMING)
        return connection

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        consumers = {consumer: digest(*consumer) for consumer in batch.consumers}
        endpoints = {endpoint: digest(*endpoint) for endpoint in batch.endpoints}
        token = uuid4()
        committing = False
        try:
            with self._writing() as connection:
                connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (self._lock_key,))
                before_day = self._pruned_before_day(connection)
                if not sources.advance(connection, batch, token):
                    connection.execute("ROLLBACK")
                    return False
                write_names(connection, batch, consumers, endpoints)
                merge_rows(connection, batch, consumers, endpoints, before_day)
                merge_growth(connection, batch)
                history.change(connection, token)
                committing = True
        except StoreError as problem:
            # Nobody knows what became of a commit whose answer was lost, but the source's row does.
            if committing and batch.source is not None and self._was_merged(batch.source, token, problem):
                return True
            raise
        return True

    def _was_merged(self, source: str, token: UUID, problem: StoreError) -> bool:
        try:
            with self._reading() as connection:
                return sources.was_merged_by(connection, source, token)
        except StoreError:
            raise problem from problem.__cause__  # it can't be told now: the caller asks again

    def position(self, source: str) -> str | None:
        """See the contract."""
        with self._reading() as connection:
            return sources.position_of(connection, source)

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with self._reading() as connection:
            return sources.progress(connection)

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with self._reading() as connection:
            return reading.answer(connection, selection, history.read_history(connection).pruned_before_day)

    def version(self) -> str:
        """See the contract."""
        with self._reading() as connection:
            return history.read_history(connection).version

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Positions are kept: whether a source can come back can't be told from here."""
        day = before // DAY_US
        with self._writing_alone() as connection:
            connection.execute(_PRUNED_TO, (day,))
            return Pruned(rows=prune_before(connection, day))

    def drop(self, before: Instant) -> int:
        """See the contract."""
        day = before // DAY_US
        with self._writing_alone() as connection:
            connection.execute(_PRUNED_TO, (day,))
            return drop_before(connection, day)

    def forget(self, consumer: Consumer, org_id: str | None = None) -> int:
        """See the contract. The bytes may stay in the tables' files until they are vacuumed."""
        which, texts = where(("kind", consumer.kind), ("id", consumer.id), ("org_id", org_id))
        with self._writing_alone() as connection:
            return forget_consumers(connection, which, texts)

    def outline(self) -> Outline:
        """See the contract."""
        with self._reading() as connection:
            before = history.read_history(connection).pruned_before_day
            return Outline(
                stored_days(connection), *names_seen(connection), None if before is None else before * DAY_US
            )

    def day(self, number: int) -> Batch:
        """See the contract."""
        with self._inspecting() as connection:
            return batch_of_day(connection, number)

    def growth(self) -> Mapping[int, Grown]:
        """See the contract."""
        with self._reading() as connection:
            return growth_of_days(connection)

    def facts(self) -> StoreFacts:
        """See the contract."""
        with self._inspecting() as connection:
            return inspection.facts(connection)

    def damage(self) -> Sequence[str]:
        """See the contract. Where the extension amcheck is installed, indexes are looked through too."""
        with self._inspecting() as connection:
            return inspection.damage(connection)

    def close(self) -> None:
        """See the contract."""
        if self._pid == os.getpid():  # a forked child must not touch its parent's connections
            self._readers.close(READ_TIMEOUT_S)
            self._writers.close(MERGE_TIMEOUT_S)

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

    @contextmanager
    def _writing_alone(self) -> Iterator[Connection]:
        """No merge goes on meanwhile: it would leave a total without its rows, or rows without their total."""
        with self._writing() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._lock_key,))
            self._pruned_before_day(connection)
            yield connection
            history.change(connection, uuid4())

    def _pruned_before_day(self, connection: Connection) -> int | None:
        """For whoever writes, once the tables can't be changed any more.

        Raises:
            UnusableStore: a newer version has changed them since they were opened.
        """
        found = history.read_history(connection)
        if found.step != self._step:
            raise UnusableStore(
                f"{self._name}: another version has changed the tables ({found.step}); open it again"
            )
        return found.pruned_before_day

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise StoreClosed(f"{self._name} was opened before a fork; open it again in this process")
