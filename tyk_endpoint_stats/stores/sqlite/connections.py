"""Connections: how they are opened, who may use one, who may write, and what their errors mean."""

import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from tyk_endpoint_stats.core.packed import PackedError
from tyk_endpoint_stats.errors import StoreBusy, StoreError, UnusableStore
from tyk_endpoint_stats.stores.places import Places

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "LOCKS_WORK",
    "FileStamp",
    "ReaderPool",
    "connect_reader",
    "connect_writer",
    "stamp_of",
    "translated",
    "write_lock",
]

LOCKS_WORK = fcntl is not None
BUSY_TIMEOUT_S = 30.0
READERS = 8
READER_WAIT_S = 5.0
CLOSE_WAIT_S = 10.0
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space and try again; nothing of this batch was counted",
    sqlite3.SQLITE_IOERR: "the disk answered with an error; check it, then try again",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "this is no SQLite file",
    sqlite3.SQLITE_READONLY: "it can't be written to; check the permissions of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; check that the folder exists and may be written to",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_INTERRUPT: "no answer within the deadline; ask for a shorter range",
}
_UNUSABLE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}


@contextmanager
def translated(name: str) -> Iterator[None]:
    """The one seam at which SQLite's errors become ours; the original stays as ``__cause__``."""
    try:
        yield
    except PackedError as problem:
        raise StoreError(f"{name}: a row is damaged: {problem}; run verify") from problem
    except OverflowError as problem:
        raise StoreError(f"{name}: a sum would pass 63 bits; the batch was not merged") from problem
    except sqlite3.Error as problem:
        code = getattr(problem, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            raise StoreBusy(f"{name} is locked by another program for too long; try again") from problem
        message = f"{name}: {_ADVICE.get(code, str(problem))}"
        if code == sqlite3.SQLITE_INTERRUPT:
            raise StoreBusy(message) from problem
        raise (UnusableStore if code in _UNUSABLE else StoreError)(message) from problem


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write; used under a lock, from any thread."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise UnusableStore(f"{path} is on a file system without write-ahead logging; use a local disk")
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't write and never checkpoints.

    Where its folder can't be written to and there is no log, nobody here can change the file, and SQLite could not make
    the shared memory that it wants: then it is read as it is.
    """
    how = "mode=ro"
    if not os.access(path.parent, os.W_OK) and not Path(f"{path}-wal").exists():
        how = "immutable=1"
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{how}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


FileStamp = tuple[tuple[int, int, int, int], ...]
"""Device, inode, size and time of change of the file and of its log."""


class ReaderPool:
    """At most ``READERS`` reading connections, each lent to one thread at a time.

    Not one per thread: a threaded server makes a thread for each connection, and each would open a file. A connection
    is lent again only while the file and its log are as it left them: what it remembers of them may be of another life
    of the file otherwise.

    Without a lock, which an interruption at the end of its ``with`` would leave locked for ever: what a deque does is
    done whole.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = Places(READERS, f"all {READERS} reading connections are in use; try again")
        self._idle: deque[tuple[sqlite3.Connection, FileStamp]] = deque()
        self._is_closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one read transaction, so that all its selects see one snapshot.

        Raises:
            StoreBusy: all of them were lent for ``READER_WAIT_S``.
        """
        with self._places.take(READER_WAIT_S):
            connection = self._taken_out(stamp_of(self._path)) or connect_reader(self._path)
            is_kept = False
            try:
                connection.execute("BEGIN")
                stamp = stamp_of(self._path)
                yield connection
                connection.execute("COMMIT")
                is_kept = True
                self._idle.append((connection, stamp))
                if self._is_closed:  # looked at afterwards, so that one of the two closes it
                    self._taken_out(None)
            finally:
                if not is_kept:
                    connection.close()

    def _taken_out(self, stamp: FileStamp | None) -> sqlite3.Connection | None:
        """An idle connection of that stamp; others are closed on the way."""
        while True:
            try:
                connection, its_stamp = self._idle.pop()
            except IndexError:
                return None
            if its_stamp == stamp:
                return connection
            connection.close()

    def close(self) -> None:
        """Close every connection; those that are lent, as soon as they come back."""
        self._is_closed = True
        self._taken_out(None)
        self._places.wait_until_free(CLOSE_WAIT_S)


def stamp_of(path: Path) -> FileStamp:
    """What changes whenever the file or its log does; of one that is missing, zeros."""
    stamps = []
    for name in (path, f"{path}-wal"):
        try:
            found = Path(name).stat()
        except FileNotFoundError:
            stamps.append((0, 0, 0, 0))
        else:
            stamps.append((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns))
    return tuple(stamps)


@contextmanager
def write_lock(path: Path, timeout_s: float) -> Iterator[IO[bytes] | None]:
    """The lock file beside the database: one writer at a time among all our processes.

    SQLite's own lock would do for correctness of the data, but waiting for it is unfair, and SQLite before
    3.51.3 can damage a WAL when one process commits while another checkpoints. Its mode and owner are the database's,
    so that whoever may write to that may take it.

    Yields:
        The lock file. It holds the version that was committed last, so that a lost log shows; ``None`` where there are
        no locks.

    Raises:
        StoreBusy: not to be had within ``timeout_s``.
    """
    if not LOCKS_WORK:  # pragma: no cover - Windows
        yield None
        return
    try:
        # A file object and no bare descriptor: however this frame ends, it is closed with it, and the lock is free.
        lock = Path(f"{path}.lock").open("ab")  # noqa: SIM115 - closed below, or with this frame
    except OSError as problem:
        raise UnusableStore(f"{path}.lock can't be opened: {problem.strerror}") from problem
    with lock:
        _share(lock.fileno(), path)
        deadline = time.monotonic() + timeout_s
        pause_s = 0.0005
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as problem:
                if time.monotonic() >= deadline:
                    raise StoreBusy(
                        f"another process has been writing to {path} for {timeout_s:g} s; try again"
                    ) from problem
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.01)
        yield lock


def _share(descriptor: int, path: Path) -> None:
    """Give the lock file the database's mode and owner, as SQLite does with its log."""
    try:
        ours, theirs = os.fstat(descriptor), path.stat()
    except FileNotFoundError:
        return  # the database is made under this lock
    with suppress(OSError):  # another user's lock file, whose owner has seen to it
        if (ours.st_uid, ours.st_gid) != (theirs.st_uid, theirs.st_gid):
            os.fchown(descriptor, theirs.st_uid, theirs.st_gid)
        if ours.st_mode != theirs.st_mode:
            os.fchmod(descriptor, theirs.st_mode & 0o777)
