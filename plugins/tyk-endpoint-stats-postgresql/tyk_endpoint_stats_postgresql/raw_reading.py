"""Reading a table without a key: what one snapshot shows of it, and its rows, window by window."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from msgspec import Struct, structs

from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.sources.contract import Chunk, Reading
from tyk_endpoint_stats_postgresql.connections import Connection, connect, deadline, translated
from tyk_endpoint_stats_postgresql.raw_position import RawPosition
from tyk_endpoint_stats_postgresql.raw_rows import columns_sql, decode_rows
from tyk_endpoint_stats_postgresql.urls import Place

__all__ = ["RAW_IDS", "RawReading", "Seen", "Server", "is_rewritten", "look_at"]

ROWS_A_CHUNK = 1000
ANSWER_WITHIN_S = 600.0
"""The first rows of a table without an index on its timestamp come when all of it is sorted."""

RAW_IDS = 2**32
"""A row knows the last 32 bits of its transaction's number."""

Answer = TypeVar("Answer")


class Server(Struct, frozen=True):
    """The database behind a URL, and its errors as ours."""

    place: Place
    schema: str | None

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Around everything that is asked.

        Raises:
            SourceError: the driver raised something.
        """
        try:
            with translated(self.place):
                yield
        except StoreError as problem:
            raise SourceError(str(problem)) from problem.__cause__
        except UnicodeDecodeError as problem:
            raise SourceError(
                f"{self.place.name}: a text is not UTF-8, and the database does not say in which encoding it is"
            ) from problem

    def connect(self) -> Connection:
        """A connection that can't write."""
        settings = {"search_path": self.schema} if self.schema else {}
        return connect(self.place, ANSWER_WITHIN_S, default_transaction_read_only="on", datestyle="ISO", **settings)


class Seen(Struct, frozen=True):
    """What a snapshot shows of a table.

    Attributes:
        name: for SQL.
        label: for messages.
        source: under which a store keeps its position.
        file: that its rows lie in now.
        columns: what there is to select.
        ends: every transaction before this one has finished.
        next_id: no transaction of this number or above is seen.
        now_us: the server's clock.
    """

    name: str
    label: str
    source: str
    file: int
    columns: str
    ends: int
    next_id: int
    now_us: int


# A row's transaction by the last 32 bits of its number: how far it lies above, or below, another number.
_NEWER = "((xmin::text::bigint - %s) & 4294967295) < %s"
_OF_WINDOW = "((%s - 1 - xmin::text::bigint) & 4294967295) < %s"
_INSTANT = "timestamptz 'epoch' + %s * interval '1 microsecond'"


def look_at(connection: Connection, name: str, label: str) -> Seen:
    """Begin a transaction on one snapshot and see what it shows."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    rows = connection.execute(
        "SELECT c.oid::bigint, c.relkind::text, coalesce(pg_relation_filenode(c.oid), 0)::bigint, d.oid::bigint,"
        " s.system_identifier::text, txid_snapshot_xmin(snapshot), txid_snapshot_xmax(snapshot),"
        " (extract(epoch FROM now()) * 1000000)::bigint,"
        " ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)"
        " FROM pg_class AS c, pg_database AS d, pg_control_system() AS s, txid_current_snapshot() AS snapshot"
        " WHERE c.oid = to_regclass(%s) AND d.datname = current_database()",
        (name,),
    ).fetchall()
    if not rows:
        raise SourceError(f"{label}: the table is gone")
    ((oid, kind, file, database, system, ends, next_id, now_us, columns),) = rows
    if kind not in ("r", "p"):
        raise SourceError(f"{label} is no table: its rows do not say which transaction wrote them")
    source = f"postgresql:{system}/{database}/{oid}"
    return Seen(name, label, source, file, columns_sql(set(columns)), ends, next_id, now_us)


def is_rewritten(connection: Connection, table: Seen, stands: RawPosition, late_us: int) -> bool:
    """Whether rows that were read look new: a copy gives them new transactions, VACUUM FULL and CLUSTER do not."""
    if stands.file == table.file or not stands.ends:
        return False
    found = connection.execute(
        f'SELECT 1 FROM {table.name} WHERE "timestamp" < {_INSTANT} AND {_NEWER} LIMIT 1',
        (stands.until_us - late_us, stands.ends, table.next_id - stands.ends),
    ).fetchone()
    return found is not None


class RawReading(Reading):
    """The rows behind a position, window by window, as one snapshot shows them.

    Args:
        server: where.
        connection: in a transaction on that snapshot; it is closed with the reading.
        table: what the snapshot shows.
        stands: where to begin.
        begins: the same as the store has it.
        late_us: how much older than its window a row's timestamp may be.
        on_end: called when all rows are read.
    """

    def __init__(
        self,
        server: Server,
        connection: Connection,
        table: Seen,
        stands: RawPosition,
        begins: str | None,
        late_us: int,
        on_end: Callable[[], None],
    ) -> None:
        self.source, self.begins = table.source, begins
        self._server, self._connection, self._table = server, connection, table
        self._stands, self._late_us, self._on_end = stands, late_us, on_end

    def chunks(self) -> Iterator[Chunk]:
        """See the contract."""
        window = self._stands
        if not window.is_at_end:
            yield from self._rows_of(window)
            window = window.done()
        table = self._table
        if table.ends > window.ends:
            window = RawPosition(window.ends, table.ends, window.until_us, table.now_us, table.file)
            yield from self._rows_of(window)
        self._on_end()

    def _rows_of(self, window: RawPosition) -> Iterator[Chunk]:
        """What is left of a window, in the order of time. A chunk ends where a new timestamp begins."""
        sql, parameters = _rows_sql(self._table, window, self._late_us)
        with self._connection.cursor(name="rows") as cursor:
            self._ask(lambda: cursor.execute(sql, parameters))
            rows: list[Any] = []
            while more := self._ask(lambda: cursor.fetchmany(ROWS_A_CHUNK)):
                rows += more
                end = _last_change(rows)
                if end:
                    chunk = decode_rows(rows[:end], self._table.name)
                    del rows[:end]
                    chunk.ends = structs.replace(window, at=rows[0][0]).text()
                    yield chunk
        # A window without a row is not worth a merge, until its transactions are too many to tell apart.
        if rows or window.at is not None or (window.ends - window.begins > RAW_IDS // 4 and window.begins):
            chunk = decode_rows(rows, self._table.name)
            chunk.ends = window.done().text()
            yield chunk

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        with self._server.asked(), deadline(self._connection, ANSWER_WITHIN_S, self._server.place.name):
            return question()

    def close(self) -> None:
        """See the contract."""
        self._connection.close()


def _last_change(rows: list[Any]) -> int:
    """Where the last timestamp of these rows begins; rows without one, which come last, begin none."""
    last = rows[-1][0]
    return next((index for index in range(len(rows) - 1, 0, -1) if rows[index - 1][0] != last), 0) if last else 0


def _rows_sql(table: Seen, window: RawPosition, late_us: int) -> tuple[str, list[Any]]:
    parameters: list[Any]
    if window.begins:
        conditions, parameters = _OF_WINDOW, [window.ends, window.ends - window.begins]
    else:
        # All but what came later. A row may be older than the 32 bits tell, so it is not asked of what it is.
        conditions, parameters = f"NOT {_NEWER}", [window.ends, table.next_id - window.ends]
    if window.at is not None:
        conditions += ' AND ("timestamp" >= %s::timestamptz OR "timestamp" IS NULL)'
        parameters.append(window.at)
    elif window.begins:
        # By the index on the timestamp; and a transaction of the same 32 bits, 4 billion earlier, is none of these.
        conditions += f' AND ("timestamp" >= {_INSTANT} OR "timestamp" IS NULL)'
        parameters.append(window.since_us - late_us)
    return f'SELECT {table.columns} FROM {table.name} WHERE {conditions} ORDER BY "timestamp"', parameters
