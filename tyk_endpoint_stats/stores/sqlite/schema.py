"""The tables: consumers and endpoints are numbered, day rows are clustered by day, a view shows names.

``days`` has a row for each consumer, endpoint and UTC day; ``totals`` the same hits once more in three kinds of rows,
which most questions read instead. Time comes in nearly ordered, so a key that begins with the day only ever appends,
and a question seeks once for each day that is stored. Their columns are plain numbers, for SQL and Datasette too.

The two packed values of a row (``core/packed.py``) lie beside it, in ``packed``: most questions need neither, and
SQLite loads all of a clustered row to see whether the next one is still of that consumer.
"""

from collections.abc import Callable
from sqlite3 import Connection
from typing import TYPE_CHECKING

from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats.errors import UnusableStore

if TYPE_CHECKING:
    from sqlite_utils import Database

__all__ = ["APPLICATION_ID", "KINDS", "check_ours", "migrate"]

APPLICATION_ID = 0x54594B45  # "TYKE"; `file` and sqlite3 show it

KINDS = {RowKind.CONSUMER: 1, RowKind.ENDPOINT: 2, RowKind.EVERYTHING: 3}
"""What ``totals.kind`` says, in its order."""

_FIELDS = "\n".join(
    f"    {field.name} INTEGER{'' if field.optional else ' NOT NULL'},".ljust(56) + f"-- {field.meaning}"
    for field in FIELDS
)
_ROW = f"""
    day INTEGER NOT NULL,                               -- days since 1970-01-01T00:00Z
    consumer INTEGER NOT NULL REFERENCES consumers (number),
    endpoint INTEGER NOT NULL,                          -- a number of endpoints; 0: all of them
{_FIELDS}
    packed INTEGER NOT NULL,                            -- the number of its packed values"""

_TABLES = (
    """
CREATE TABLE consumers (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                                 -- key, oauth, or everyone: all of the organisation
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    alias TEXT NOT NULL DEFAULT '',
    alias_seen_us INTEGER,
    UNIQUE (id, kind, org_id)
) STRICT
""",
    """
CREATE TABLE endpoints (
    number INTEGER PRIMARY KEY,
    api_id TEXT NOT NULL,
    path TEXT NOT NULL,
    UNIQUE (api_id, path)
) STRICT
""",
    """
CREATE TABLE apis (
    api_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    name TEXT NOT NULL,
    name_seen_us INTEGER NOT NULL,
    PRIMARY KEY (api_id, org_id)
) STRICT, WITHOUT ROWID
""",
    f"CREATE TABLE days ({_ROW}\n    PRIMARY KEY (day, consumer, endpoint)\n) STRICT, WITHOUT ROWID",
    f"""
CREATE TABLE totals (
    kind INTEGER NOT NULL,                              -- 1: a consumer, every endpoint; 2: everyone, an endpoint;
                                                        -- 3: everyone, every endpoint
{_ROW.lstrip()}
    PRIMARY KEY (kind, day, consumer, endpoint)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE packed (
    number INTEGER PRIMARY KEY,
    pieces INTEGER NOT NULL,                            -- how many merges the values are of
    distribution BLOB NOT NULL,                         -- hits by status code and by latency bin
    quarter_hours BLOB NOT NULL                         -- the row split into 15 minutes; empty: pruned
) STRICT
""",
    "CREATE INDEX packed_to_compact ON packed (pieces) WHERE pieces > 32",
    """
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    position TEXT,
    read INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    repaired INTEGER NOT NULL,
    skipped TEXT NOT NULL,                              -- {"tcp": 2}: by reason
    malformed TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE history (
    changes INTEGER NOT NULL,                           -- how often this file was changed
    token TEXT NOT NULL,                                -- random, another one after each change
    pruned_before_day INTEGER                           -- quarter hours of earlier days are gone
) STRICT
""",
    "INSERT INTO history VALUES (0, lower(hex(randomblob(8))), NULL)",
)

_GROWTH = """
CREATE TABLE growth (
    day INTEGER PRIMARY KEY,                            -- days since 1970-01-01T00:00Z
    hits INTEGER NOT NULL,                              -- those that came late
    last_us INTEGER NOT NULL                            -- when the last of them were merged
) STRICT
"""

_VIEW = """
CREATE VIEW endpoint_days AS
SELECT
    date(d.day * 86400, 'unixepoch') AS day,
    c.org_id, c.kind, c.id AS consumer, c.alias,
    e.api_id, coalesce(a.name, '') AS api_name, e.path,
    d.hits, d.success, d.error,
    1.0 * d.total_request_time_ms / d.hits AS request_time_ms,
    1.0 * d.total_latency_ms / d.timed_hits AS latency_ms,
    1.0 * d.total_upstream_latency_ms / d.timed_hits AS upstream_latency_ms,
    d.max_latency_ms, d.max_upstream_latency_ms,
    coalesce(d.min_latency_non_error_ms, d.min_latency_all_ms) AS min_latency_ms,
    coalesce(d.min_upstream_latency_non_error_ms, d.min_upstream_latency_all_ms) AS min_upstream_latency_ms,
    strftime('%Y-%m-%dT%H:%M:%SZ', d.last_hit_us / 1000000, 'unixepoch') AS last_hit
FROM days AS d
JOIN consumers AS c ON c.number = d.consumer
JOIN endpoints AS e ON e.number = d.endpoint
LEFT JOIN apis AS a ON a.api_id = e.api_id AND a.org_id = c.org_id
"""


_STEPS = (("0001_day_rows", (*_TABLES, _VIEW)), ("0002_growth", (_GROWTH,)))
"""The migrations in their order: a name that stays, and statements."""


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, all steps or none. The caller holds the lock file."""
    # Not above: it takes 84 ms, three times that where pandas is installed, and most openings have nothing to migrate.
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    steps = Migrations("tyk_endpoint_stats")
    for name, statements in _STEPS:
        steps(name=name)(_step(statements))
    # sqlite-utils' own transactions begin deferred, and two of them upgrading a read lock fail at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        steps.apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        connection.execute(f"PRAGMA user_version = {len(_STEPS):d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _step(statements: tuple[str, ...]) -> Callable[["Database"], None]:
    def apply(db: "Database") -> None:
        for statement in statements:
            db.execute(statement)

    return apply


def check_ours(connection: Connection, name: str) -> bool:
    """Whether the schema is up to date, after making sure that the file is ours.

    Raises:
        UnusableStore: a foreign file, or one written by a newer version.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise UnusableStore(f"{name} is no store of tyk-endpoint-stats; name a file that does not exist yet")
    newest = len(_STEPS)
    if version > newest:
        raise UnusableStore(
            f"{name} has schema {version}, this version knows schemas up to {newest}: "
            "upgrade tyk-endpoint-stats (pip install --upgrade tyk-endpoint-stats)"
        )
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "stretches_of_1" in tables or ("days" in tables and "packed" not in tables):
        raise UnusableStore(f"{name} was made before version 0.2.0, which keeps days in another form: ingest again")
    return bool(version == newest)
