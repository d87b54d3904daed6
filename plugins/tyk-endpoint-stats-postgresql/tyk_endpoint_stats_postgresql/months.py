"""The table ``months``: which days of months that were closed grew."""

from collections.abc import Iterable, Mapping

from msgspec import json

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.months import Grown, Month, changed_months, kept_months
from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = ["drop_growth", "known_months", "merge_months"]

_COLUMNS = "month, since_day, grown::text"
_decode = json.Decoder(dict[int, Grown]).decode


def known_months(connection: Connection, firsts: Iterable[int] | None = None) -> dict[int, Month]:
    """What is known of these months, or of all."""
    found = (
        connection.execute(f"SELECT {_COLUMNS} FROM months")
        if firsts is None
        else connection.execute(f"SELECT {_COLUMNS} FROM months WHERE month = ANY (%s)", (list(firsts),))
    )
    return {first: Month(since_day, _decode(grown)) for first, since_day, grown in found}


def merge_months(connection: Connection, batch: Batch) -> None:
    """Take in what a batch says of its months, inside its transaction and behind its rows."""
    if not batch.months or not changed_months(known_months(connection, batch.months), batch.months):
        return  # nearly always: what is known changes with a new month and with late hits alone
    connection.execute("LOCK TABLE months IN SHARE ROW EXCLUSIVE MODE")  # a month that is new has no row to lock
    _put(connection, changed_months(known_months(connection, batch.months), batch.months))


def drop_growth(connection: Connection, before_day: int) -> None:
    """Forget what was known of earlier days; no merge goes on meanwhile."""
    kept = kept_months(known_months(connection), before_day)
    connection.execute("DELETE FROM months")
    _put(connection, kept)


def _put(connection: Connection, months: Mapping[int, Month]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO months VALUES (%s, %s, %s) ON CONFLICT (month) DO UPDATE"
            " SET since_day = excluded.since_day, grown = excluded.grown",
            [(first, month.since_day, json.encode(month.grown).decode()) for first, month in months.items()],
        )
