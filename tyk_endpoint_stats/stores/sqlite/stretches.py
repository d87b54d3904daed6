"""Stretches: days summed up sixteen at a time, so that a year is read from some 35 buckets and not from 365.

A stretch has no codes and no histogram: few questions about long ranges want them, and merging them would cost more
than all the rest. Of sixteen days: a month is about one of them and 14 days, a year 22 and 15.
"""

from sqlite3 import Connection

from tyk_endpoint_stats.stores.sqlite.schema import AGGREGATES, PLAIN_COLUMNS

__all__ = ["STRETCH_DAYS", "damaged_stretches", "stretches_end", "sum_stretches", "whole_stretches"]

STRETCH_DAYS = 16

_SUMS = f"""
SELECT bucket / {STRETCH_DAYS} - (bucket % {STRETCH_DAYS} < 0) AS stretch, consumer, endpoint,
    {", ".join(f"{AGGREGATES[column]} AS {column}" for column in PLAIN_COLUMNS)}
FROM days WHERE bucket >= ? AND bucket < ? GROUP BY stretch, consumer, endpoint"""
_EVER = -(10**9)


def whole_stretches(first_day: int, end_day: int) -> tuple[int, int]:
    """The stretches that lie whole in the days ``first_day`` … ``end_day - 1``: the first, and the end of them."""
    return -(-first_day // STRETCH_DAYS), end_day // STRETCH_DAYS


def sum_stretches(connection: Connection, newest_day: int) -> None:
    """Sum up the stretches that ended a day before ``newest_day`` or earlier, each of them once.

    From then on ``write_days`` keeps them. Before, while most of their hits come in, that would double its cost.
    """
    first, end = stretches_end(connection), (newest_day - 1) // STRETCH_DAYS
    if first < end:
        connection.execute(f"INSERT INTO stretches {_SUMS}", (first * STRETCH_DAYS, end * STRETCH_DAYS))
        connection.execute("UPDATE summed SET before_stretch = ?", (end,))


def damaged_stretches(connection: Connection) -> int:
    """How many of them are not what their days come to."""
    days = (_EVER, stretches_end(connection) * STRETCH_DAYS)
    # Whatever is in both is there twice. One pass over the days, where two EXCEPTs would make four.
    alone = f"""
    SELECT stretch, consumer, endpoint FROM (
        SELECT * FROM ({_SUMS}) UNION ALL SELECT * FROM stretches
    ) GROUP BY stretch, consumer, endpoint, {", ".join(PLAIN_COLUMNS)} HAVING count(*) <> 2"""
    count: int = connection.execute(
        f"SELECT count(*) FROM (SELECT DISTINCT stretch, consumer, endpoint FROM ({alone}))", days
    ).fetchone()[0]
    return count


def stretches_end(connection: Connection) -> int:
    """The first stretch that is not summed up."""
    stretch: int = connection.execute("SELECT before_stretch FROM summed").fetchone()[0]
    return stretch
