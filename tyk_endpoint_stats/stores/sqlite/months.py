"""The table ``months``: which days of months that were closed grew."""

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from msgspec import json

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.months import Grown, Month, changed_months, kept_months

__all__ = ["drop_growth", "known_months", "merge_months"]

_decode = json.Decoder(dict[int, Grown]).decode


def known_months(connection: Connection, firsts: Iterable[int] | None = None) -> dict[int, Month]:
    """What is known of these months, or of all."""
    sql, values = "SELECT * FROM months", tuple(firsts or ())
    if firsts is not None:
        sql += f" WHERE month IN ({', '.join('?' * len(values))})"
    return {first: Month(since_day, _decode(grown)) for first, since_day, grown in connection.execute(sql, values)}


def merge_months(connection: Connection, batch: Batch) -> None:
    """Take in what a batch says of its months, inside its transaction."""
    if batch.months:
        _put(connection, changed_months(known_months(connection, batch.months), batch.months))


def drop_growth(connection: Connection, before_day: int) -> None:
    """Forget what was known of earlier days."""
    kept = kept_months(known_months(connection), before_day)
    connection.execute("DELETE FROM months")
    _put(connection, kept)


def _put(connection: Connection, months: Mapping[int, Month]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO months VALUES (?, ?, ?)",
        [(first, month.since_day, json.encode(month.grown).decode()) for first, month in months.items()],
    )
