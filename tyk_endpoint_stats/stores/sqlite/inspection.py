"""What the file says of itself: its size, its rows, and damage below the answers."""

from sqlite3 import Connection

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.stores.contract import StoreFacts

__all__ = ["damage", "facts"]

# Each finds rows that none of our statements writes, and that no answer would show or could be made from.
_CHECKS = (
    (
        "SELECT count(*) FROM quarters WHERE day < (SELECT max(before_day) FROM pruned)",
        "{:,} parts of quarters are older than what was pruned",
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
        "SELECT count(*) FROM consumers WHERE kind NOT IN ('key', 'oauth')",
        "{:,} consumers are of no kind",
    ),
)


def facts(connection: Connection) -> StoreFacts:
    """Its size without the log, its schema, its rows, in the caller's read transaction."""

    def one(sql: str) -> int:
        value: int = connection.execute(sql).fetchone()[0]
        return value

    before_day = one("SELECT max(before_day) FROM pruned")
    return StoreFacts(
        schema=str(one("PRAGMA user_version")),
        size_bytes=one("PRAGMA page_count") * one("PRAGMA page_size"),
        consumers=one("SELECT count(*) FROM consumers"),
        endpoints=one("SELECT count(*) FROM endpoints"),
        day_states=one("SELECT count(*) FROM days"),
        quarter_states=one("SELECT ifnull(sum(states), 0) FROM quarters"),
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
