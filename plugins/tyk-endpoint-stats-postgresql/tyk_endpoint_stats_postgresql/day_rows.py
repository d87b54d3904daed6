"""The tables ``days`` and ``totals``: merged into, emptied, dropped, and given out whole.

Whatever rows a merge writes, it writes in the order of their keys, table after table, names first and totals last:
two merges that meet in a row wait for each other there, and never in a circle.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from tyk_endpoint_stats.core.batch import Batch, ConsumerKey, EndpointKey
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT as EVERY_ENDPOINTS_NUMBER
from tyk_endpoint_stats.core.day_row import DayRow, compacted_row
from tyk_endpoint_stats.core.fields import FIELDS, Field, Merge
from tyk_endpoint_stats.core.packed import compact_distribution, compact_quarter_hours
from tyk_endpoint_stats.stores.rules import MAX_PIECES, kind_of, without_pruned
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.names import consumers_by_key, endpoints_by_key
from tyk_endpoint_stats_postgresql.schema import EVERY_ENDPOINT, KINDS, ROW_COLUMNS

__all__ = [
    "INCOMING",
    "batch_of_day",
    "drop_before",
    "forget_consumers",
    "merge_rows",
    "prune_before",
    "stored_days",
]

INCOMING = """
CREATE TEMPORARY TABLE incoming ON COMMIT DELETE ROWS AS
SELECT ''::text AS target, * FROM totals WITH NO DATA
"""
"""Where a batch's rows land first: COPY takes them at twice the rate of parameters."""

_KEYS = {"days": ("day", "consumer", "endpoint"), "totals": ("kind", "day", "consumer", "endpoint")}
_KEY_TYPES = {"kind": "smallint", "day": "integer", "consumer": "uuid", "endpoint": "uuid"}
_COMPACTED_AT_ONCE = 2_000
"""Rows a merge writes back in one piece at most; the others wait for the next one that comes to them."""

_COPY = f"COPY incoming (target, kind, {', '.join(ROW_COLUMNS)}) FROM STDIN"


def _merged(field: Field) -> str:
    name = field.name
    if field.merge is Merge.SUM:
        return f"{name} = t.{name} + excluded.{name}"
    function = "greatest" if field.merge is Merge.MAX else "least"  # of a NULL and a number these are the number
    return f"{name} = {function}(t.{name}, excluded.{name})"


def _merge_sql(table: str) -> str:
    """Merges the incoming rows of a table; gives the keys of those whose packed values have many pieces now."""
    key = ", ".join(_KEYS[table])
    columns = ", ".join(dict.fromkeys((*_KEYS[table], *ROW_COLUMNS)))
    updates = [
        *map(_merged, FIELDS),
        "pieces = t.pieces + 1",
        "distribution = t.distribution || excluded.distribution",
        "quarter_hours = t.quarter_hours || excluded.quarter_hours",
    ]
    return (
        f"WITH merged AS (INSERT INTO {table} AS t ({columns}, pieces)"
        f" SELECT {columns}, 1 FROM incoming WHERE target = '{table}' ORDER BY {key}"
        f" ON CONFLICT ({key}) DO UPDATE SET {', '.join(updates)} RETURNING {key}, pieces)"
        f" SELECT {key} FROM merged WHERE pieces > {MAX_PIECES:d} LIMIT {_COMPACTED_AT_ONCE:d}"
    )


def _keyed_sql(table: str, *more: str) -> str:
    """Rows by arrays: the columns of the key, and more."""
    arrays = [f"%s::{_KEY_TYPES[column]}[]" for column in _KEYS[table]] + ["%s::bytea[]"] * len(more)
    return f"unnest({', '.join(arrays)}) AS k ({', '.join((*_KEYS[table], *more))})"


def _on_key(table: str) -> str:
    return " AND ".join(f"t.{column} = k.{column}" for column in _KEYS[table])


_MERGES = {table: _merge_sql(table) for table in _KEYS}
_PACKED = {
    table: f"SELECT {', '.join(f't.{column}' for column in key)}, t.distribution, t.quarter_hours"
    f" FROM {table} AS t JOIN {_keyed_sql(table)} ON {_on_key(table)}"
    for table, key in _KEYS.items()
}
_WRITE_BACK = {
    table: f"UPDATE {table} AS t SET pieces = 1, distribution = k.distribution, quarter_hours = k.quarter_hours"
    f" FROM {_keyed_sql(table, 'distribution', 'quarter_hours')} WHERE {_on_key(table)}"
    for table in _KEYS
}


def merge_rows(
    connection: Connection,
    batch: Batch,
    consumers: Mapping[ConsumerKey, UUID],
    endpoints: Mapping[EndpointKey, UUID],
    pruned_before_day: int | None,
) -> None:
    """Merge the rows of a batch.

    Args:
        connection: inside a transaction, with the table ``INCOMING``.
        batch: whose rows.
        consumers: the keys of the batch's consumers.
        endpoints: the keys of its endpoints.
        pruned_before_day: quarter hours of earlier days are left out.
    """
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in _incoming(batch, consumers, endpoints, pruned_before_day):
            copy.write_row(row)
    for table, merge in _MERGES.items():
        _compact(connection, table, connection.execute(merge).fetchall())


def _incoming(
    batch: Batch,
    consumers: Mapping[ConsumerKey, UUID],
    endpoints: Mapping[EndpointKey, UUID],
    pruned_before_day: int | None,
) -> Iterator[tuple[Any, ...]]:
    keys = [str(consumers[consumer]) for consumer in batch.consumers]
    endpoint_keys = [str(key) for key in (EVERY_ENDPOINT, *(endpoints[endpoint] for endpoint in batch.endpoints))]
    for day, consumer, endpoint, *rest in without_pruned(batch.rows, pruned_before_day):
        yield ("days", 0, day, keys[consumer], endpoint_keys[endpoint], *rest)
    for day, consumer, endpoint, *rest in without_pruned(batch.totals, pruned_before_day):
        kind = kind_of(batch.consumers[consumer], of_every_endpoint=endpoint == EVERY_ENDPOINTS_NUMBER)
        yield ("totals", KINDS[kind], day, keys[consumer], endpoint_keys[endpoint], *rest)


def _compact(connection: Connection, table: str, keys: list[tuple[Any, ...]]) -> None:
    """Write packed values of many pieces back in one; the rows are this transaction's already."""
    if not keys:
        return
    found = connection.execute(_PACKED[table], _columns(keys)).fetchall()
    connection.execute(
        _WRITE_BACK[table],
        _columns(
            [(*key, compact_distribution(codes), compact_quarter_hours(split)) for *key, codes, split in found]
        ),
    )


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def stored_days(connection: Connection) -> list[int]:
    """The days that have a row."""
    sql = "SELECT day FROM days UNION SELECT day FROM totals ORDER BY day"
    return [day for (day,) in connection.execute(sql)]


def batch_of_day(connection: Connection, day: int) -> Batch:
    """All rows of a day.

    Raises:
        PackedError: a row's packed value can't be read.
        StoreError: a row is of a consumer or an endpoint that does not exist.
    """
    rows: list[tuple[Any, ...]] = []
    for table in _KEYS:
        rows += connection.execute(f"SELECT {', '.join(ROW_COLUMNS)} FROM {table} WHERE day = %s", (day,))
    consumers = consumers_by_key(connection, (consumer for _, consumer, *_ in rows))
    endpoints = endpoints_by_key(connection, {endpoint for _, _, endpoint, *_ in rows} - {EVERY_ENDPOINT})
    batch = Batch(list(consumers.values()), list(endpoints.values()))
    places = {key: place for place, key in enumerate(consumers)}
    numbers = {key: place for place, key in enumerate(endpoints, 1)} | {EVERY_ENDPOINT: EVERY_ENDPOINTS_NUMBER}
    for _, consumer, endpoint, *rest in rows:
        batch.add_row(compacted_row(DayRow(day, places[consumer], numbers[endpoint], *rest)))
    return batch


def prune_before(connection: Connection, day: int) -> int:
    """Empty the quarter hours of rows of earlier days; how many rows of consumers and endpoints had some."""
    pruned = {
        table: connection.execute(
            f"UPDATE {table} SET quarter_hours = '' WHERE day < %s AND quarter_hours <> ''", (day,)
        ).rowcount
        for table in _KEYS
    }
    return pruned["days"]


def drop_before(connection: Connection, day: int) -> int:
    """Drop rows of earlier days, and by how much they grew; how many rows."""
    connection.execute("DELETE FROM growth WHERE day < %s", (day,))
    return sum(connection.execute(f"DELETE FROM {table} WHERE day < %s", (day,)).rowcount for table in _KEYS)


def forget_consumers(connection: Connection, which: str, texts: list[str]) -> int:
    """Drop the rows and totals of consumers, and the consumers themselves; how many rows.

    Args:
        connection: inside a transaction.
        which: the condition on ``consumers``.
        texts: its parameters.
    """
    of_them = f"consumer IN (SELECT consumer FROM consumers{which})"
    forgotten = sum(connection.execute(f"DELETE FROM {table} WHERE {of_them}", texts).rowcount for table in _KEYS)
    connection.execute(f"DELETE FROM consumers{which}", texts)
    return forgotten
