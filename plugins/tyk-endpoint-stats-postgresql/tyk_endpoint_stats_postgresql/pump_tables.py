"""Tyk Pump's tables: one for all time, or with ``table_sharding`` one for each day, called ``NAME_YYYYMMDD``."""

import re
from collections.abc import Sequence
from datetime import date, timedelta

from msgspec import Struct

from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = ["Table", "find_tables"]

_SHARD = re.compile(r"_(\d{4})(\d\d)(\d\d)", re.ASCII)


class Table(Struct, frozen=True):
    """One of them.

    Attributes:
        name: for SQL; of letters, digits and ``_`` alone.
        day: of a shard, the day in Pump's zone; ``None``: all of them.
    """

    name: str
    day: date | None = None

    def may_hold(self, first: date, last: date) -> bool:
        """Whether rows of these UTC days may be in it. Pump's zone may be a day ahead or behind."""
        if self.day is None:
            return True
        return first <= self.day + timedelta(days=1) and self.day - timedelta(days=1) <= last


def find_tables(connection: Connection, name: str) -> Sequence[Table]:
    """The table of this name and its shards, by day, as far as the connection sees them.

    Both may be there, where sharding was switched on or off; no row is in two of them.
    """
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(oid)"
        " AND left(relname, length(%(name)s)) = %(name)s ORDER BY relname",
        {"name": name},
    ).fetchall()
    tables = []
    for (found,) in rows:
        shard = _SHARD.fullmatch(found[len(name) :])
        if found == name:
            tables.append(Table(found))
        elif shard:
            try:
                tables.append(Table(found, date(*map(int, shard.groups()))))
            except ValueError:
                continue  # eight digits that are no day
    return tables
