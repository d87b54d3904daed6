"""The tables ``days`` and ``totals``: merged into, emptied, dropped, and given out whole."""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow, compacted_row
from tyk_endpoint_stats.core.fields import FIELDS, NAMES, Field, Merge
from tyk_endpoint_stats.core.packed import compact_distribution, compact_quarter_hours
from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats.stores.rules import MAX_PIECES, kind_of, without_pruned
from tyk_endpoint_stats.stores.sqlite.names import consumers_by_number, endpoints_by_number
from tyk_endpoint_stats.stores.sqlite.schema import KINDS

__all__ = [
    "batch_of_day",
    "compact",
    "drop_before",
    "forget_consumers",
    "merge_rows",
    "prune_before",
    "stored_days",
]

TABLES = ("days", "totals")
COLUMNS = ("day", "consumer", "endpoint", *NAMES, "distribution", "quarter_hours")

_COMPACTED_AT_ONCE = 2_000
"""Rows a merge writes back in one piece at most; the others wait for the next one."""


def _merged(field: Field) -> str:
    name = field.name
    if field.merge is Merge.SUM:
        return f"{name} = {name} + excluded.{name}"
    function = field.merge.value
    if field.optional:  # of a NULL and a number max() is NULL
        return f"{name} = ifnull({function}({name}, excluded.{name}), ifnull({name}, excluded.{name}))"
    return f"{name} = {function}({name}, excluded.{name})"


# Of two blobs || makes text, with all bytes as they were.
_UPDATE = (
    ", ".join(map(_merged, FIELDS))
    + ", pieces = pieces + 1"
    + ", distribution = CAST(distribution || excluded.distribution AS BLOB)"
    + ", quarter_hours = CAST(quarter_hours || excluded.quarter_hours AS BLOB)"
)


def _merge_sql(table: str, *key: str) -> str:
    columns = (*key, *(column for column in COLUMNS if column not in key))
    return (
        f"INSERT INTO {table} ({', '.join(columns)}, pieces) VALUES ({', '.join('?' * len(columns))}, 1)"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {_UPDATE}"
    )


_MERGE_DAYS = _merge_sql("days", "day", "consumer", "endpoint")
_MERGE_TOTALS = _merge_sql("totals", "kind", "day", "consumer", "endpoint")


def merge_rows(
    connection: Connection,
    batch: Batch,
    consumers: Sequence[int],
    endpoints: Sequence[int],
    pruned_before_day: int | None,
) -> None:
    """Merge the rows of a batch, in the order of their keys.

    Args:
        connection: inside a transaction.
        batch: whose rows.
        consumers: the numbers of the batch's consumers.
        endpoints: the numbers of its endpoints.
        pruned_before_day: quarter hours of earlier days are left out.
    """
    numbers = (EVERY_ENDPOINT, *endpoints)

    def numbered(rows: Iterable[DayRow]) -> Iterator[tuple[Any, ...]]:
        rows = list(without_pruned(rows, pruned_before_day))
        # One number sorts faster than three; and a row that lives as long as its insertion is none for the collector.
        keys = [((row[0] << 32) + consumers[row[1]] << 32) + numbers[row[2]] for row in rows]
        for place in sorted(range(len(rows)), key=keys.__getitem__):
            day, consumer, endpoint, *values = rows[place]
            yield (day, consumers[consumer], numbers[endpoint], *values)

    totals: dict[RowKind, list[DayRow]] = {kind: [] for kind in KINDS}
    for row in batch.totals:
        kind = kind_of(batch.consumers[row.consumer], of_every_endpoint=row.endpoint == EVERY_ENDPOINT)
        totals[kind].append(row)
    connection.executemany(_MERGE_DAYS, numbered(batch.rows))
    for kind, rows in totals.items():
        connection.executemany(_MERGE_TOTALS, ((KINDS[kind], *row) for row in numbered(rows)))


def compact(connection: Connection) -> None:
    """Write packed values of many pieces back in one."""
    for table, key in (("days", "day, consumer, endpoint"), ("totals", "kind, day, consumer, endpoint")):
        found = connection.execute(
            f"SELECT distribution, quarter_hours, {key} FROM {table} WHERE pieces > {MAX_PIECES:d} LIMIT ?",
            (_COMPACTED_AT_ONCE,),
        ).fetchall()
        places = ", ".join("?" * len(key.split(",")))
        connection.executemany(
            f"UPDATE {table} SET pieces = 1, distribution = ?, quarter_hours = ? WHERE ({key}) = ({places})",
            ((compact_distribution(codes), compact_quarter_hours(split), *rest) for codes, split, *rest in found),
        )


def stored_days(connection: Connection) -> list[int]:
    """The days that have a row."""
    sql = "SELECT day FROM days UNION SELECT day FROM totals ORDER BY day"
    return [day for (day,) in connection.execute(sql)]


def batch_of_day(connection: Connection, day: int) -> Batch:
    """All rows of a day.

    Raises:
        PackedError: a row's packed value can't be read.
    """
    rows = [row for table in TABLES for row in _rows_of(connection, table, day)]
    consumers = consumers_by_number(connection, (row.consumer for row in rows))
    endpoints = endpoints_by_number(connection, (row.endpoint for row in rows))
    batch = Batch(list(consumers.values()), list(endpoints.values()))
    places = {number: place for place, number in enumerate(consumers)}
    numbers = {number: place for place, number in enumerate(endpoints, 1)} | {EVERY_ENDPOINT: EVERY_ENDPOINT}
    for row in rows:
        batch.add_row(compacted_row(row)._replace(consumer=places[row.consumer], endpoint=numbers[row.endpoint]))
    return batch


def _rows_of(connection: Connection, table: str, day: int) -> Iterator[DayRow]:
    by_kind = "kind IN (1, 2, 3) AND " if table == "totals" else ""
    sql = f"SELECT {', '.join(COLUMNS)} FROM {table} WHERE {by_kind}day = ?"
    return map(DayRow._make, connection.execute(sql, (day,)))


def prune_before(connection: Connection, day: int) -> int:
    """Empty the quarter hours of rows of earlier days; how many rows of consumers and endpoints had some."""
    for table in TABLES:
        by_kind = "kind IN (2, 3) AND " if table == "totals" else ""
        sql = f"UPDATE {table} SET quarter_hours = x'' WHERE {by_kind}day < ? AND quarter_hours <> x''"
        changed = connection.execute(sql, (day,)).rowcount
        if table == "days":
            pruned = changed
    return pruned


def drop_before(connection: Connection, day: int) -> int:
    """Drop rows of earlier days, and by how much they grew; how many rows."""
    connection.execute("DELETE FROM growth WHERE day < ?", (day,))
    dropped = connection.execute("DELETE FROM days WHERE day < ?", (day,)).rowcount
    return dropped + connection.execute("DELETE FROM totals WHERE kind IN (1, 2, 3) AND day < ?", (day,)).rowcount


def forget_consumers(connection: Connection, numbers: Sequence[int]) -> int:
    """Drop the rows and totals of consumers, and the consumers themselves; how many rows."""
    forgotten = 0
    for number in numbers:
        forgotten += connection.execute("DELETE FROM days WHERE consumer = ?", (number,)).rowcount
        forgotten += connection.execute("DELETE FROM totals WHERE kind = 1 AND consumer = ?", (number,)).rowcount
        connection.execute("DELETE FROM consumers WHERE number = ?", (number,))
    return forgotten
