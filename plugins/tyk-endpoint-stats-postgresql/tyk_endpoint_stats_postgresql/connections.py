"""Connections: how they are opened, lent and cut off, and what their errors mean."""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from tyk_endpoint_stats.core.packed import PackedError
from tyk_endpoint_stats.errors import StoreBusy, StoreClosed, StoreError, UnusableStore
from tyk_endpoint_stats.stores.places import Places
from tyk_endpoint_stats_postgresql.urls import Place

__all__ = ["Connection", "Pool", "connect", "deadline", "translated"]

Answer = TypeVar("Answer")

CONNECT_TIMEOUT_S = 5
_TRY_AGAIN = (
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.TooManyConnections,
    errors.AdminShutdown,
    errors.CannotConnectNow,
)
_UNUSABLE = (
    errors.InvalidPassword,
    errors.InvalidAuthorizationSpecification,
    errors.InsufficientPrivilege,
    errors.InvalidCatalogName,
    errors.ReadOnlySqlTransaction,
)


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for its server no longer than until ``ends_at``.

    The driver looks up while it waits, ten times a second, and asks its generator to go on. No thread watches: one
    that is interrupted while it starts leaves a lock of the interpreter's locked.

    Attributes:
        ends_at: in seconds of ``time.monotonic()``.
    """

    ends_at = math.inf

    def wait(self, gen: Generator[Any, Any, Answer], *args: Any, **kwargs: Any) -> Answer:
        """As the driver's, for whatever it has to wait for.

        Raises:
            TooLate: it is past ``ends_at``. The connection is of no use any more.
        """
        return super().wait(self._in_time(gen), *args, **kwargs)

    def _in_time(self, gen: Generator[Any, Any, Answer]) -> Generator[Any, Any, Answer]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() >= self.ends_at:
                    raise TooLate("the server did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


class TooLate(psycopg.OperationalError):
    """The server did not answer in time."""


def connect(place: Place, timeout_s: float, **settings: str) -> Connection:
    """A connection that begins and ends its transactions by hand.

    Args:
        place: where to.
        timeout_s: after which the server gives up a statement; ``deadline`` watches over several.
        settings: of the session.
    """
    given = {
        "statement_timeout": f"{timeout_s * 1000:.0f}",
        # A client that vanished in the midst of a transaction must not hold its locks for hours.
        "idle_in_transaction_session_timeout": f"{timeout_s * 1000:.0f}",
        "timezone": "UTC",
        **settings,
    }
    options = " ".join(f"-c {name}={value}" for name, value in given.items())
    parameters: dict[str, Any] = {
        "application_name": "tyk-endpoint-stats",
        "connect_timeout": CONNECT_TIMEOUT_S,
    } | place.parameters
    parameters["options"] = f"{parameters.get('options', '')} {options}"
    return Connection.connect(
        **parameters,
        client_encoding="utf8",
        autocommit=True,
        # A pooler between us and the server need not know of prepared statements.
        prepare_threshold=None,
    )


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """The one seam at which the driver's errors become ours; the original stays as ``__cause__``."""
    try:
        yield
    except PackedError as problem:
        raise StoreError(f"{place.name}: a row is damaged: {problem}; run verify") from problem
    except psycopg.Error as problem:
        lines = place.without_secrets(str(problem)).strip().splitlines()
        message = f"{place.name}: {lines[0] if lines else type(problem).__name__}"
        if isinstance(problem, _TRY_AGAIN):
            raise StoreBusy(f"{message}; try again") from problem
        if isinstance(problem, errors.NumericValueOutOfRange):
            raise StoreError(f"{place.name}: a sum would pass 63 bits; nothing was changed") from problem
        if isinstance(problem, errors.DiskFull):
            raise StoreError(f"{message}; free some space and try again; nothing was changed") from problem
        raise (UnusableStore if isinstance(problem, _UNUSABLE) else StoreError)(message) from problem


@contextmanager
def deadline(connection: Connection, seconds: float, name: str) -> Iterator[None]:
    """Whatever happens inside ends after so many seconds, also where the server does not answer at all.

    Raises:
        StoreBusy: it took longer. The connection is of no use any more.
    """
    connection.ends_at = time.monotonic() + seconds
    try:
        yield
    except TooLate as problem:
        raise StoreBusy(f"{name}: no answer within {seconds:g} s; try again, or ask for less") from problem
    finally:
        connection.ends_at = math.inf


class Pool:
    """At most ``size`` connections, each lent to one thread at a time. One that met an error is not lent again.

    Without a lock, which an interruption would leave locked: what a deque does is done whole.

    Args:
        open_one: opens a connection.
        size: how many there may be.
        wait_s: how long a thread waits for one.
        name: the store's, for messages.
        idle: connections that are open already; the pool closes them too.
    """

    def __init__(
        self,
        open_one: Callable[[], Connection],
        size: int,
        wait_s: float,
        name: str,
        idle: Iterable[Connection] = (),
    ) -> None:
        self._open, self._wait_s, self._name = open_one, wait_s, name
        self._places = Places(size, f"{name}: all {size} connections are in use; try again")
        self._idle = deque(idle)
        self._is_closed = False

    @contextmanager
    def lend(self, begin: str, within_s: float) -> Iterator[Connection]:
        """A connection in a transaction, which is committed at the end if the block has not ended it.

        Args:
            begin: the statement that begins the transaction.
            within_s: how long all of it may take.

        Raises:
            StoreBusy: all were lent for ``wait_s``, or it took longer.
            StoreClosed: the pool was closed.
        """
        self._check_open()
        with self._places.take(self._wait_s):
            self._check_open()
            connection = self._begun(begin, within_s)
            is_kept = False
            try:
                with deadline(connection, within_s, self._name):
                    yield connection
                    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                        connection.execute("COMMIT")
                is_kept = True
                self._idle.append(connection)
                if self._is_closed:  # looked at afterwards, so that one of the two closes it
                    self._close_idle()
            finally:
                if not is_kept:
                    connection.close()

    def _begun(self, begin: str, within_s: float) -> Connection:
        """An idle connection, or a new one, in a transaction."""
        connection = self._taken_out()
        try:
            if connection is not None:
                try:
                    with deadline(connection, within_s, self._name):
                        connection.execute(begin)
                except psycopg.OperationalError:
                    connection.close()  # the server was started anew while nobody looked
                else:
                    return connection
            connection = self._open()
            with deadline(connection, within_s, self._name):
                connection.execute(begin)
        except BaseException:
            if connection is not None:
                connection.close()
            raise
        return connection

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreClosed(f"{self._name} is closed")

    def _taken_out(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _close_idle(self) -> None:
        while (connection := self._taken_out()) is not None:
            connection.close()

    def close(self, timeout_s: float) -> None:
        """Lend no more, wait for what is lent, and close every connection; what comes later, when it comes back."""
        self._is_closed = True
        self._places.wait_until_free(timeout_s)
        self._close_idle()
