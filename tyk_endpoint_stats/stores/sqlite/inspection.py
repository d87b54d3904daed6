"""What the file says of itself: its size, its rows, and damage below the answers."""

from sqlite3 import Connection

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.stores.contract import StoreFacts

__all__ = ["damage", "facts"]

# Each finds rows that none of our statements writes, and that no answer would show or could be made from.
_CHECKS = (
    (
        "SELECT count(*) FROM days JOIN packed ON number = packed"
        " WHERE day < (SELECT pruned_before_day FROM history) AND quarter_hours <> x''",
        "{:,} rows of days have quarter hours that are older than what was pruned",
    ),
    *(
        (
            f"SELECT count(*) FROM {table} WHERE packed NOT IN (SELECT number FROM packed)",
            f"{{:,}} rows of {table} have lost their packed values",
        )
        for table in ("days", "totals")
    ),
    (
        "SELECT count(*) FROM days WHERE endpoint NOT IN (SELECT number FROM endpoints)",
        "{:,} rows of days are of an endpoint that does not exist",
    ),
    (
        "SELECT count(*) FROM totals WHERE kind NOT IN (1, 2, 3)"
        " OR endpoint <> 0 AND endpoint NOT IN (SELECT number FROM endpoints)",
        "{:,} rows of totals are of no kind, or of an endpoint that does not exist",
    ),
    *(
        (
            "SELECT count(*) FROM sources"
            f" WHERE CASE WHEN json_valid({column}) THEN json_type({column}) <> 'object'"
            f" OR EXISTS (SELECT 1 FROM json_each({column}) WHERE type <> 'integer') ELSE 1 END",
            f"{{:,}} rows of sources have no counts in {column}",
        )
        for column in ("skipped", "malformed")
    ),
    (
        "SELECT count(*) FROM consumers WHERE kind NOT IN ('key', 'oauth', 'everyone')",
        "{:,} consumers are of no kind",
    ),
)


def facts(connection: Connection) -> StoreFacts:
    """Its size without the log, its schema, its rows, in the caller's read transaction."""

    def one(sql: str) -> int:
        value: int = connection.execute(sql).fetchone()[0]
        return value

    before_day = one("SELECT pruned_before_day FROM history")
    return StoreFacts(
        schema=str(one("PRAGMA user_version")),
        size_bytes=one("PRAGMA page_count") * one("PRAGMA page_size"),
        consumers=one("SELECT count(*) FROM consumers WHERE kind <> 'everyone'"),
        endpoints=one("SELECT count(*) FROM endpoints"),
        day_rows=one("SELECT count(*) FROM days"),
        total_rows=one("SELECT count(*) FROM totals"),
        pruned_before=None if before_day is None else before_day * DAY_US,
    )


def damage(connection: Connection) -> list[str]:
    """What is wrong with pages, indexes, references and rows, in the caller's read transaction."""
    found = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
    if found:
        return found  # what else is asked of such a file may be wrong, or fail
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20):
        found.append(f"a row of {table} refers to a row of {parent} that does not exist")
    for sql, text in _CHECKS:
        (count,) = connection.execute(sql).fetchone()
        if count:
            found.append(text.format(count))
    return found
