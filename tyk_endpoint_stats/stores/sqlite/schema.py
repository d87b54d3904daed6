"""The tables: consumers and endpoints are numbered, states are clustered, a view shows names.

Days are rows, for SQL and Datasette. Their key is (bucket, consumer, endpoint): time comes in nearly ordered, so
writing appends (2 µs a row; 5 with the consumer first), and a question seeks once for each bucket that is stored.
Quarters, which only the edges of a range need, lie packed in parts: rows of them took three quarters of an ingest's
time. So do stretches, one, four or sixteen days summed up for questions that want no codes and no histograms.
"""

from sqlite3 import Connection

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from tyk_endpoint_stats.errors import UnusableStore

__all__ = [
    "AGGREGATES",
    "APPLICATION_ID",
    "LENGTHS",
    "MAXIMA",
    "MINIMA",
    "PLAIN_COLUMNS",
    "STATE_COLUMNS",
    "SUMS",
    "check_ours",
    "migrate",
    "table_of",
]

APPLICATION_ID = 0x54594B45  # "TYKE"; `file` and sqlite3 show it

SUMS = (
    "hits",
    "success",
    "error",
    "total_request_time_ms",
    "total_latency_ms",
    "total_upstream_latency_ms",
)
MAXIMA = ("max_latency_ms", "max_upstream_latency_ms", "last_hit_us")
MINIMA = (
    "min_latency_all_ms",
    "min_upstream_latency_all_ms",
    "min_latency_non_error_ms",
    "min_upstream_latency_non_error_ms",
    "first_hit_us",
)
PLAIN_COLUMNS = (
    *SUMS,
    "max_latency_ms",
    "max_upstream_latency_ms",
    "min_latency_all_ms",
    "min_upstream_latency_all_ms",
    "min_latency_non_error_ms",
    "min_upstream_latency_non_error_ms",
    "first_hit_us",
    "last_hit_us",
)
STATE_COLUMNS = (*PLAIN_COLUMNS, "codes", "histogram")
"""The columns of a state in the order of ``EndpointStats``' fields."""

AGGREGATES = {
    **{column: f"sum({column})" for column in SUMS},
    **{column: f"max({column})" for column in MAXIMA},
    **{column: f"min({column})" for column in MINIMA},
}
"""How SQL sums a plain column up."""

LENGTHS = (16, 4, 1)
"""Of stretches, in days, longest first; each is a multiple of the next."""


def table_of(length: int) -> str:
    """The table of the stretches of so many days."""
    return f"stretches_of_{length}"


_DAYS = """
CREATE TABLE days (
    bucket INTEGER NOT NULL,                    -- days since 1970-01-01T00:00Z
    consumer INTEGER NOT NULL REFERENCES consumers (number),
    endpoint INTEGER NOT NULL REFERENCES endpoints (number),
    hits INTEGER NOT NULL,
    success INTEGER NOT NULL,
    error INTEGER NOT NULL,
    total_request_time_ms INTEGER NOT NULL,
    total_latency_ms INTEGER NOT NULL,
    total_upstream_latency_ms INTEGER NOT NULL,
    max_latency_ms INTEGER NOT NULL,
    max_upstream_latency_ms INTEGER NOT NULL,
    min_latency_all_ms INTEGER NOT NULL,
    min_upstream_latency_all_ms INTEGER NOT NULL,
    min_latency_non_error_ms INTEGER,           -- NULL: every hit was an error
    min_upstream_latency_non_error_ms INTEGER,
    first_hit_us INTEGER NOT NULL,              -- microseconds since 1970 UTC
    last_hit_us INTEGER NOT NULL,
    codes TEXT NOT NULL,                        -- {"200": 5}: hits by status code
    histogram TEXT NOT NULL,                    -- {"250": 5}: hits by latency bin, OpenTelemetry's index + 2
    PRIMARY KEY (bucket, consumer, endpoint)
) STRICT, WITHOUT ROWID
"""

_PART_TABLE = """
CREATE TABLE {table} (
    day INTEGER NOT NULL,                       -- {day}
    consumer INTEGER NOT NULL REFERENCES consumers (number),
    level INTEGER NOT NULL,                     -- how often these states were moved as others came in; 99: full
    states INTEGER NOT NULL,                    -- how many are in the part
    hits INTEGER NOT NULL,                      -- of all of them
    endpoints BLOB NOT NULL,                    -- MessagePack: numbers, states of each, first and last quarter
    columns BLOB NOT NULL,                      -- MessagePack: the states, see core/segments.py
    cells BLOB NOT NULL                         -- MessagePack: their codes and histograms; of stretches nothing
) STRICT
"""
_PARTS_OF_CONSUMER = "CREATE INDEX {table}_of_consumer ON {table} (consumer, day, level)"

_NAMES_AND_SOURCES = (
    """
CREATE TABLE consumers (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                         -- key or oauth
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
    """
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    position TEXT,
    read INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    repaired INTEGER NOT NULL,
    skipped TEXT NOT NULL,                      -- {"tcp": 2}: by reason
    malformed TEXT NOT NULL
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE pruned (
    before_day INTEGER NOT NULL                 -- days since 1970; quarters of earlier days are gone
) STRICT
""",
    """
CREATE TABLE summed (
    days INTEGER PRIMARY KEY,                   -- the length of stretches
    before_day INTEGER NOT NULL                 -- since 1970; earlier ones are summed up
) STRICT
""",
    *(f"INSERT INTO summed VALUES ({length}, {-(10**6) * length})" for length in LENGTHS),
    """
CREATE TABLE version (
    number INTEGER NOT NULL                     -- how often this file was changed
) STRICT
""",
    "INSERT INTO version VALUES (0)",
)

_VIEW = """
CREATE VIEW endpoint_days AS
SELECT
    date(d.bucket * 86400, 'unixepoch') AS day,
    c.org_id, c.kind, c.id AS consumer, c.alias,
    e.api_id, coalesce(a.name, '') AS api_name, e.path,
    d.hits, d.success, d.error,
    1.0 * d.total_request_time_ms / d.hits AS request_time_ms,
    1.0 * d.total_latency_ms / d.hits AS latency_ms,
    1.0 * d.total_upstream_latency_ms / d.hits AS upstream_latency_ms,
    d.max_latency_ms, d.max_upstream_latency_ms,
    coalesce(d.min_latency_non_error_ms, d.min_latency_all_ms) AS min_latency_ms,
    coalesce(d.min_upstream_latency_non_error_ms, d.min_upstream_latency_all_ms) AS min_upstream_latency_ms,
    strftime('%Y-%m-%dT%H:%M:%SZ', d.last_hit_us / 1000000, 'unixepoch') AS last_hit,
    d.codes
FROM days AS d
JOIN consumers AS c ON c.number = d.consumer
JOIN endpoints AS e ON e.number = d.endpoint
LEFT JOIN apis AS a ON a.api_id = e.api_id AND a.org_id = c.org_id
"""


def _migrations() -> Migrations:
    steps = Migrations("tyk_endpoint_stats")

    @steps(name="0001_states")
    def states(db: Database) -> None:
        for statement in _NAMES_AND_SOURCES:
            db.execute(statement)
        db.execute(_DAYS)
        days = {"quarters": "days since 1970-01-01T00:00Z"}
        days |= {table_of(length): f"the first of {length}, since 1970-01-01T00:00Z" for length in LENGTHS}
        for table, day in days.items():
            db.execute(_PART_TABLE.format(table=table, day=day))
            db.execute(_PARTS_OF_CONSUMER.format(table=table))
        db.execute(_VIEW)

    return steps


def migrate(connection: Connection) -> None:
    """Bring the schema up to date, all steps or none. The caller holds the lock file."""
    # sqlite-utils' own transactions begin deferred, and two of them upgrading a read lock fail at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        steps = _migrations()
        steps.apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        connection.execute(f"PRAGMA user_version = {len(steps._migrations):d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def check_ours(connection: Connection, name: str) -> bool:
    """Whether the schema is up to date, after making sure that the file is ours.

    Raises:
        UnusableStore: a foreign file, or one written by a newer version.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise UnusableStore(f"{name} is no store of tyk-endpoint-stats; name a file that does not exist yet")
    newest = len(_migrations()._migrations)
    if version > newest:
        raise UnusableStore(
            f"{name} has schema {version}, this version knows schemas up to {newest}: "
            "upgrade tyk-endpoint-stats (pip install --upgrade tyk-endpoint-stats)"
        )
    return bool(version == newest)
