"""Stretches: days summed up one, four and sixteen at a time: a month is read from some 9 buckets and not from 30.

A stretch has no codes and no histogram: few questions about long ranges want them, and merging them would cost more
than all the rest. So it does not grow with traffic, as a day does: of a busy key's, five sixths are its histogram.
That is why there are stretches of a single day.
"""

from collections.abc import Mapping
from sqlite3 import Connection

from tyk_endpoint_stats.stores.sqlite.schema import AGGREGATES, LENGTHS, PLAIN_COLUMNS, table_of

__all__ = ["damaged_stretches", "sum_stretches", "summed_before", "tables_of"]

_SUMS = """
SELECT bucket / {count} - (bucket % {count} < 0) AS stretch, consumer, endpoint,
    {sums}
FROM {table} WHERE bucket >= ? AND bucket < ? GROUP BY stretch, consumer, endpoint"""
_EVER = -(10**9)


def _sums(count: int, table: str = "days") -> str:
    """SQL that sums up so many buckets of a table at a time."""
    sums = ", ".join(f"{AGGREGATES[column]} AS {column}" for column in PLAIN_COLUMNS)
    return _SUMS.format(count=count, table=table, sums=sums)


def tables_of(
    first: int, end: int, summed: Mapping[int, int], lengths: tuple[int, ...] = LENGTHS
) -> list[tuple[str, int, int]]:
    """Which tables' buckets are the days ``first`` … ``end - 1``: whole stretches, the longest there are.

    Args:
        first: a day since 1970.
        end: the one behind the last.
        summed: by their length, the first stretch that is not summed up.
        lengths: of the stretches to use, longest first.

    Returns:
        Tables, each with the first of its buckets and the one behind the last, in order of time.
    """
    if first >= end:
        return []
    if not lengths:
        return [("days", first, end)]
    length, *shorter = lengths
    low, high = -(-first // length), min(end // length, summed[length])
    if low >= high:
        return tables_of(first, end, summed, tuple(shorter))
    return [
        *tables_of(first, low * length, summed, tuple(shorter)),
        (table_of(length), low, high),
        *tables_of(high * length, end, summed, tuple(shorter)),
    ]


def sum_stretches(connection: Connection, newest_day: int) -> None:
    """Sum up the stretches that ended a day before ``newest_day`` or earlier, each of them once.

    From then on ``write_days`` keeps them. Before, while most of their hits come in, that would multiply its cost.
    """
    summed = summed_before(connection)
    table, of_table = "days", 1
    for length in reversed(LENGTHS):
        first, end, count = summed[length], (newest_day - 1) // length, length // of_table
        if first < end:
            sums = _sums(count, table)  # of the next shorter ones, which are fewer
            connection.execute(f"INSERT INTO {table_of(length)} {sums}", (first * count, end * count))
            connection.execute("UPDATE summed SET before_stretch = ? WHERE days = ?", (end, length))
        table, of_table = table_of(length), length


def damaged_stretches(connection: Connection) -> int:
    """How many of them are not what their days come to."""
    damaged = 0
    for length, end in summed_before(connection).items():
        # Whatever is in both is there twice. One pass over the days, where two EXCEPTs would make four.
        alone = f"""
        SELECT stretch, consumer, endpoint FROM (
            SELECT * FROM ({_sums(length)}) UNION ALL SELECT * FROM {table_of(length)}
        ) GROUP BY stretch, consumer, endpoint, {", ".join(PLAIN_COLUMNS)} HAVING count(*) <> 2"""
        sql = f"SELECT count(*) FROM (SELECT DISTINCT stretch, consumer, endpoint FROM ({alone}))"
        damaged += connection.execute(sql, (_EVER, end * length)).fetchone()[0]
    return damaged


def summed_before(connection: Connection) -> dict[int, int]:
    """By their length, the first stretch that is not summed up."""
    return dict(connection.execute("SELECT days, before_stretch FROM summed").fetchall())
