"""Tyk Pump's raw tables as a source: read only, every row once, though they have no key.

What tells a row that was read from one that was not is the transaction that wrote it (``raw_position.py``), not its
timestamp: rows come late, out of order, and from several pumps at once.
"""

import time
from collections.abc import Iterator, Sequence

from tyk_endpoint_stats.errors import PluginError, SourceError
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Source, only_part
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.pump_tables import Table, find_tables
from tyk_endpoint_stats_postgresql.raw_position import RawPosition, parse_position
from tyk_endpoint_stats_postgresql.raw_reading import RAW_IDS, RawReading, Server, is_rewritten, look_at
from tyk_endpoint_stats_postgresql.schema import check_name
from tyk_endpoint_stats_postgresql.urls import place_of

__all__ = ["RawTable", "RawTables", "open_raw"]

TABLE = "tyk_analytics"
LATE_DAYS = 3

_DAY_US = 86_400_000_000


def open_raw(url: str) -> Sequence["RawTables"]:
    """The source behind a URL: ``tyk-raw+postgresql://user@host/database[?schema=NAME][&late_days=3]``.

    Nothing is asked of the server yet.

    Raises:
        PluginError: the URL can't be used.
    """
    place = place_of(url, frozenset({"schema", "late_days"}))
    late_days = place.options.get("late_days", str(LATE_DAYS))
    if not (late_days.isascii() and late_days.isdigit() and 1 <= int(late_days[:6]) <= 36_500):
        raise PluginError(f"{place.name}: late_days is {late_days!r}; give a whole number of days from 1 on")
    schema = place.options.get("schema")
    return (RawTables(Server(place, check_name(schema) if schema else None), int(late_days)),)


class RawTables(Source):
    """``tyk_analytics`` and its daily shards; ``parts()`` are the tables."""

    def __init__(self, server: Server, late_days: int) -> None:
        self.label = server.place.name
        self.warnings = (
            f"{self.label}: after the first time, rows are looked for that were written since, and whose timestamp "
            f"is at most {late_days} days older; restoring or copying the tables makes them new ones",
        )
        self._server, self._late_days = server, late_days
        self._known: dict[str, RawTable] = {}

    def parts(self) -> Sequence["RawTable"]:
        """A source for each table that is there now, by day.

        Raises:
            SourceError: there is none, or the server can't be asked.
        """
        with self._server.asked(), self._server.connect() as connection:
            found = find_tables(connection, TABLE)
        if not found:
            raise SourceError(
                f"{self.label}: there is no table {TABLE} or {TABLE}_YYYYMMDD; "
                "is sql among Tyk Pump's pumps? Another schema: ?schema=NAME"
            )
        for table in found:
            self._known.setdefault(table.name, RawTable(self._server, table, self._late_days))
        return [self._known[table.name] for table in found]

    def open(self, position: PositionLookup) -> Reading:
        """The only part, where there is one.

        Raises:
            SourceError: there are several; open each of ``parts()``.
        """
        return only_part(self, "tables").open(position)


class RawTable(Source):
    """One table, known by the server's identity and its own."""

    def __init__(self, server: Server, table: Table, late_days: int) -> None:
        self.label = f"{server.place.name} {table.name}"
        self._server, self._table, self._late_us = server, table, late_days * _DAY_US
        self._rests_until = 0.0

    def open(self, position: PositionLookup) -> Reading:
        """See the contract.

        Raises:
            SourceError: the table is gone or a view, was rewritten, or the store's position is none of it.
        """
        if time.monotonic() < self._rests_until:
            return _NothingNow()
        began = time.monotonic()
        with self._server.asked():
            connection = self._server.connect()
        try:
            return self._opened(connection, position, began)
        except BaseException:
            connection.close()
            raise

    def _opened(self, connection: Connection, position: PositionLookup, began: float) -> "RawReading":
        with self._server.asked():
            table = look_at(connection, self._table.name, self.label)
        stored = position(table.source)
        stands = RawPosition(0, 0, 0, 0, table.file) if stored is None else parse_position(stored)
        if stands is None:
            raise SourceError(f"{self.label}: the store says it stands at {stored!r}, which is no position")
        with self._server.asked():
            rewritten = is_rewritten(connection, table, stands, self._late_us)
        if rewritten:
            raise SourceError(
                f"{self.label}: the table was rewritten row by row (pg_repack, a restore, an UPDATE), so rows that "
                "were read can't be told from new ones any more. Ingest into a new store"
            )
        if stands.begins and table.ends - stands.begins >= RAW_IDS // 2:
            raise SourceError(
                f"{self.label}: it was not read for {table.ends - stands.begins} transactions; beyond 2 billion, "
                "rows that were read can't be told from new ones any more. Ingest into a new store"
            )

        def rest() -> None:
            # Rows are found by a scan: a long one is not repeated every second by whoever follows.
            took_s = time.monotonic() - began
            self._rests_until = time.monotonic() + 10 * took_s if took_s > 1 else 0.0

        return RawReading(self._server, connection, table, stands, stored, self._late_us, rest)


class _NothingNow(Reading):
    def chunks(self) -> Iterator[Chunk]:
        return iter(())
