"""The tables ``days``, ``totals`` and ``packed``: merged into, emptied, dropped, and given out whole."""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

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
PLAIN = ("day", "consumer", "endpoint", *NAMES)

BESIDE = " LEFT JOIN packed AS p ON p.number = r.packed"
DISTRIBUTION, QUARTER_HOURS = "ifnull(p.distribution, x'00')", "ifnull(p.quarter_hours, x'00')"
"""The packed values of the row ``r``; where they are lost, what nobody can read."""

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


def _merge_sql(table: str, *key: str) -> tuple[str, str]:
    """Of plain columns, given the number of packed values that a new row takes; and of these, given the key."""
    columns = (*key, *NAMES, "packed")
    plain = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(map(_merged, FIELDS))}"
    )
    # Of two blobs || makes text, with all bytes as they were.
    packed = (
        "INSERT INTO packed (distribution, quarter_hours, number, pieces)"
        f" VALUES (?, ?, (SELECT packed FROM {table} WHERE {' AND '.join(f'{column} = ?' for column in key)}), 1)"
        " ON CONFLICT (number) DO UPDATE SET pieces = pieces + 1"
        ", distribution = CAST(distribution || excluded.distribution AS BLOB)"
        ", quarter_hours = CAST(quarter_hours || excluded.quarter_hours AS BLOB)"
    )
    return plain, packed


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

    def place(row: DayRow) -> int:  # one number sorts faster than three
        return ((row[0] << 32) + consumers[row[1]] << 32) + numbers[row[2]]

    def merge(sql: tuple[str, str], rows: Iterable[DayRow], *kind: int) -> None:
        rows = sorted(without_pruned(rows, pruned_before_day), key=place)
        (last,) = connection.execute("SELECT ifnull(max(number), 0) FROM packed").fetchone()
        plain, packed = sql
        # Generators: a row that lives as long as its insertion is none for the collector.
        connection.executemany(
            plain,
            (
                (*kind, row[0], consumers[row[1]], numbers[row[2]], *row[3:-2], number)
                for number, row in enumerate(rows, last + 1)
            ),
        )
        connection.executemany(
            packed, ((row[-2], row[-1], *kind, row[0], consumers[row[1]], numbers[row[2]]) for row in rows)
        )

    totals: dict[RowKind, list[DayRow]] = {kind: [] for kind in KINDS}
    for row in batch.totals:
        kind = kind_of(batch.consumers[row.consumer], of_every_endpoint=row.endpoint == EVERY_ENDPOINT)
        totals[kind].append(row)
    merge(_MERGE_DAYS, batch.rows)
    for kind, rows in totals.items():
        merge(_MERGE_TOTALS, rows, KINDS[kind])


def compact(connection: Connection) -> None:
    """Write packed values of many pieces back in one."""
    found = connection.execute(
        f"SELECT distribution, quarter_hours, number FROM packed WHERE pieces > {MAX_PIECES:d} LIMIT ?",
        (_COMPACTED_AT_ONCE,),
    ).fetchall()
    connection.executemany(
        "UPDATE packed SET pieces = 1, distribution = ?, quarter_hours = ? WHERE number = ?",
        ((compact_distribution(codes), compact_quarter_hours(split), number) for codes, split, number in found),
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
    columns = ", ".join(f"r.{column}" for column in PLAIN)
    by_kind = "r.kind IN (1, 2, 3) AND " if table == "totals" else ""
    sql = f"SELECT {columns}, {DISTRIBUTION}, {QUARTER_HOURS} FROM {table} AS r{BESIDE} WHERE {by_kind}r.day = ?"
    return map(DayRow._make, connection.execute(sql, (day,)))


def prune_before(connection: Connection, day: int) -> int:
    """Empty the quarter hours of rows of earlier days; how many rows of consumers and endpoints had some."""
    pruned = [
        connection.execute(
            f"UPDATE packed SET quarter_hours = x'' WHERE quarter_hours <> x'' AND number IN ({rows})", (day,)
        ).rowcount
        for rows in (
            "SELECT packed FROM days WHERE day < ?",
            "SELECT packed FROM totals WHERE kind IN (2, 3) AND day < ?",
        )
    ]
    return pruned[0]


def drop_before(connection: Connection, day: int) -> int:
    """Drop rows of earlier days, and by how much they grew; how many rows."""
    connection.execute("DELETE FROM growth WHERE day < ?", (day,))
    dropped = _delete(connection, "days WHERE day < ?", day)
    return dropped + _delete(connection, "totals WHERE kind IN (1, 2, 3) AND day < ?", day)


def forget_consumers(connection: Connection, numbers: Sequence[int]) -> int:
    """Drop the rows and totals of consumers, and the consumers themselves; how many rows."""
    forgotten = 0
    for number in numbers:
        forgotten += _delete(connection, "days WHERE consumer = ?", number)
        forgotten += _delete(connection, "totals WHERE kind = 1 AND consumer = ?", number)
        connection.execute("DELETE FROM consumers WHERE number = ?", (number,))
    return forgotten


def _delete(connection: Connection, rows: str, value: int) -> int:
    """Delete rows and their packed values; how many rows."""
    connection.execute(f"DELETE FROM packed WHERE number IN (SELECT packed FROM {rows})", (value,))
    return connection.execute(f"DELETE FROM {rows}", (value,)).rowcount
