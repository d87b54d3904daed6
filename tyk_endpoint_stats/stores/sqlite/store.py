"""The SQLite store: one locked writer, a small pool of readers, every merge one transaction."""

import math
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from tyk_endpoint_stats.core.batch import Batch, Consumer
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreClosed, UnusableStore
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
from tyk_endpoint_stats.stores.places import Places
from tyk_endpoint_stats.stores.sqlite import inspection
from tyk_endpoint_stats.stores.sqlite.connections import (
    LOCKS_WORK,
    FileStamp,
    ReaderPool,
    connect_writer,
    stamp_of,
    translated,
    write_lock,
)
from tyk_endpoint_stats.stores.sqlite.day_rows import (
    batch_of_day,
    compact,
    drop_before,
    forget_consumers,
    merge_rows,
    prune_before,
    stored_days,
)
from tyk_endpoint_stats.stores.sqlite.files import identity_of, path_of, prepare, warnings_of
from tyk_endpoint_stats.stores.sqlite.growth import growth_of_days, merge_growth
from tyk_endpoint_stats.stores.sqlite.names import CONSUMERS, ENDPOINTS, Numbers, names_seen, where, write_names
from tyk_endpoint_stats.stores.sqlite.reading import answer
from tyk_endpoint_stats.stores.sqlite.sources import advance, position_of, progress

__all__ = ["SQLiteStore", "open_existing_sqlite", "open_sqlite"]

MERGE_TIMEOUT_S = 120.0
READ_TIMEOUT_S = 30.0
WAL_LIMIT_BYTES = 64 * 2**20
_OLDEST = (3, 37, 0)  # STRICT tables
_STEPS_BETWEEN_LOOKS = 1_000
"""Of SQLite's virtual machine: a tenth of a millisecond of its own work."""


def open_sqlite(url: str) -> "SQLiteStore":
    """The store in a file: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``; made if it is not there.

    Raises:
        PluginError: the URL names no file.
        UnusableStore: a directory, an empty, foreign, damaged or newer file, a network file system, …
    """
    return SQLiteStore(path_of(url))


def open_existing_sqlite(url: str) -> "SQLiteStore":
    """Like ``open_sqlite``, but a file that is not there is not made.

    Raises:
        PluginError: the URL names no file.
        UnusableStore: as ``open_sqlite``, and where there is no file.
    """
    path = path_of(url)
    if not path.exists():
        raise UnusableStore(
            f"{path} does not exist; an ingest makes it: tyk-endpoint-stats ingest --store {url} FILE"
        )
    return SQLiteStore(path)


class SQLiteStore(Copyable, Inspectable, Retaining, Versioned, WholeBatchReads, Store):
    """Day rows in one SQLite file. Thread-safe; any number of processes may open the same file.

    A merge is durable when it returns (``synchronous = FULL``). ``warnings`` says what to know about the
    installed SQLite.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if sqlite3.sqlite_version_info < _OLDEST:
            raise UnusableStore(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
        # From here on the same file whatever the working folder becomes, and of a link what it leads to: a lock file
        # beside the link would let a second writer in.
        self._path = Path(path).resolve()
        self._name = str(path)
        self._pid = os.getpid()
        self._closed = False
        self._writers = Places(1, f"another thread has been writing to {path} for {MERGE_TIMEOUT_S:g} s; try again")
        self._writer: sqlite3.Connection | None = None
        self._written_stamp: FileStamp = ()
        self._consumers = Numbers(CONSUMERS)
        self._endpoints = Numbers(ENDPOINTS)
        self._written_version = ""
        with translated(self._name):
            self._may_write = prepare(self._path, MERGE_TIMEOUT_S)
            self._identity = identity_of(self._path)
        self._readers = ReaderPool(self._path)
        self.warnings = (*_version_warnings(), *warnings_of(self._path, self.version()))

    def files(self) -> Sequence[Path]:
        """See the contract."""
        return [Path(f"{self._path}{end}") for end in ("", "-wal", "-shm", "-journal", ".lock")]

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        with self._writing() as connection:
            if not advance(connection, batch):
                connection.execute("ROLLBACK")
                return False
            consumers = self._consumers.of(connection, batch.consumers)
            endpoints = self._endpoints.of(connection, batch.endpoints)
            merge_rows(connection, batch, consumers, endpoints, _pruned_before_day(connection))
            write_names(connection, batch)
            merge_growth(connection, batch)
            compact(connection)
        return True

    def position(self, source: str) -> str | None:
        """See the contract."""
        with self._reading() as connection:
            return position_of(connection, source)

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with self._reading() as connection:
            return progress(connection)

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with self._reading() as connection:
            return answer(connection, selection, _pruned_before_day(connection))

    def version(self) -> str:
        """See the contract."""
        with self._reading() as connection:
            return _version(connection)

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Positions are kept: whether a file can come back can't be told from here."""
        with self._writing() as connection:
            return Pruned(rows=prune_before(connection, _pruned_to(connection, before)))

    def drop(self, before: Instant) -> int:
        """See the contract."""
        with self._writing() as connection:
            return drop_before(connection, _pruned_to(connection, before))

    def forget(self, consumer: Consumer, org_id: str | None = None) -> int:
        """See the contract. The bytes may stay in free pages of the file until it is vacuumed."""
        which, parameters = where(("kind = ?", consumer.kind), ("id = ?", consumer.id), ("org_id = ?", org_id))
        with self._writing() as connection:
            numbers = [row[0] for row in connection.execute(f"SELECT number FROM consumers{which}", parameters)]
            forgotten = forget_consumers(connection, numbers)
            self._consumers.forget()
            return forgotten

    def outline(self) -> Outline:
        """See the contract."""
        with self._reading() as connection:
            before = _pruned_before_day(connection)
            return Outline(
                stored_days(connection), *names_seen(connection), None if before is None else before * DAY_US
            )

    def day(self, number: int) -> Batch:
        """See the contract."""
        with self._reading(timeout_s=math.inf) as connection:
            return batch_of_day(connection, number)

    def growth(self) -> Mapping[int, Grown]:
        """See the contract."""
        with self._reading() as connection:
            return growth_of_days(connection)

    def facts(self) -> StoreFacts:
        """See the contract."""
        with self._reading(timeout_s=math.inf) as connection:
            return inspection.facts(connection)

    def damage(self) -> Sequence[str]:
        """See the contract."""
        with self._reading(timeout_s=math.inf) as connection:
            return inspection.damage(connection)

    def close(self) -> None:
        """See the contract."""
        if self._pid != os.getpid() or self._closed:
            return  # a forked child must not touch its parent's connections
        # First of all, or it would wait behind a thread that merges again and again.
        self._closed = True
        try:
            place = self._writers.take(MERGE_TIMEOUT_S)
        except BaseException:
            self._closed = False
            raise
        with place:
            self._readers.close()
            if self._writer is not None:
                # The last connection to close checkpoints, so not while another process writes.
                with translated(self._name), write_lock(self._path, MERGE_TIMEOUT_S):
                    self._writer.close()
                self._writer = None

    @contextmanager
    def _reading(self, timeout_s: float | None = None) -> Iterator[sqlite3.Connection]:
        self._check_usable()
        with translated(self._name):
            self._meet_file()
            with self._readers.lend() as connection:
                deadline = time.monotonic() + (READ_TIMEOUT_S if timeout_s is None else timeout_s)
                connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The writing connection inside ``BEGIN IMMEDIATE`` … ``COMMIT``, alone among threads and processes."""
        self._check_usable()
        if not self._may_write:
            raise UnusableStore(f"{self._name} can only be read: it, or its folder, can't be written to")
        with self._writers.take(MERGE_TIMEOUT_S):
            self._check_usable()
            with translated(self._name), write_lock(self._path, MERGE_TIMEOUT_S) as lock:
                self._meet_file()
                connection = self._fresh_writer()
                try:
                    # The first statement takes the write lock: reading first and upgrading fails at once.
                    connection.execute("BEGIN IMMEDIATE")
                    if _version(connection) != self._written_version:
                        self._consumers.forget()
                        self._endpoints.forget()
                    yield connection
                    if connection.in_transaction:
                        connection.execute("UPDATE history SET changes = changes + 1, token = ?", (token_hex(8),))
                        written = _version(connection)
                        connection.execute("COMMIT")
                        self._written_version = written
                        if lock is not None:
                            lock.truncate(0)
                            lock.write(written.encode())
                            lock.flush()
                    self._consumers.keep()
                    self._endpoints.keep()
                except BaseException as problem:
                    self._give_up(connection, problem)
                    raise
                self._truncate_wal(connection)
                self._written_stamp = stamp_of(self._path)[:1]

    def _fresh_writer(self) -> sqlite3.Connection:
        """The writing connection; a new one where the file is not as the last one left it, or an interruption came."""
        connection = self._writer
        if connection is not None and (
            connection.in_transaction or self._written_stamp != stamp_of(self._path)[:1]
        ):
            self._writer = None
            connection.close()
            connection = None
        if connection is None:
            self._consumers.forget()
            self._endpoints.forget()
            connection = self._writer = connect_writer(self._path)
        return connection

    def _meet_file(self) -> None:
        """Make sure that the file is the one that was opened; start afresh with one that was put in its place.

        Raises:
            UnusableStore: the file is gone, or what is there now is no store.
        """
        identity = identity_of(self._path)
        if identity is None:
            raise UnusableStore(f"{self._name} was deleted while it was open; open the store again")
        if identity != self._identity:
            self._may_write = prepare(self._path, MERGE_TIMEOUT_S, may_create=False)
            self._identity = identity

    def _give_up(self, connection: sqlite3.Connection, problem: BaseException) -> None:
        self._consumers.drop()
        self._endpoints.drop()
        try:
            connection.rollback()
        except sqlite3.Error:
            pass  # the connection goes anyway
        if isinstance(problem, sqlite3.Error):
            # After an I/O error nobody knows what the page cache holds: the next merge starts with a new one.
            connection.close()
            self._writer = None

    def _truncate_wal(self, connection: sqlite3.Connection) -> None:
        try:
            size = Path(f"{self._path}-wal").stat().st_size
        except OSError:
            return
        if size > WAL_LIMIT_BYTES:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise StoreClosed(f"{self._name} was opened before a fork; open it again in this process")
        if self._closed:
            raise StoreClosed(f"{self._name} is closed")


def _version(connection: sqlite3.Connection) -> str:
    return "{}-{}".format(*connection.execute("SELECT changes, token FROM history").fetchone())


def _pruned_before_day(connection: sqlite3.Connection) -> int | None:
    day: int | None = connection.execute("SELECT pruned_before_day FROM history").fetchone()[0]
    return day


def _pruned_to(connection: sqlite3.Connection, before: Instant) -> int:
    """Remember that earlier days were pruned; the first day that was not."""
    day = before // DAY_US
    connection.execute("UPDATE history SET pruned_before_day = max(?, ifnull(pruned_before_day, ?))", (day, day))
    return day


def _version_warnings() -> tuple[str, ...]:
    version, text = sqlite3.sqlite_version_info, sqlite3.sqlite_version
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    warnings = []
    if not fixed:
        warnings.append(
            f"SQLite {text} can damage a file when programs other than this one write to it at the same time "
            "(fixed in 3.51.3, 3.50.7 and 3.44.6); let only tyk-endpoint-stats write to it"
        )
    if not LOCKS_WORK:  # pragma: no cover - Windows
        warnings.append("this platform has no flock: let only one process write to a store")
    return tuple(warnings)
