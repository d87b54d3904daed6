"""The tables. Consumers and endpoints have digests for keys, states are keyed by consumer, bucket, endpoint.

Every table of states and the consumers have the consumer as the first part of their key, so that they can be
distributed by it; endpoints, APIs and sources are small.
"""

import re
from hashlib import blake2b

from psycopg import errors

from tyk_endpoint_stats.errors import PluginError, UnusableStore
from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = [
    "DEFAULT_SCHEMA",
    "INDEXES",
    "MAXIMA",
    "MINIMA",
    "STATE_COLUMNS",
    "SUMS",
    "check_name",
    "is_ready",
    "lock_key",
    "prepare",
]

DEFAULT_SCHEMA = "tyk_endpoint_stats"
VERSION = 1
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)

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
STATE_COLUMNS = (
    *SUMS,
    "max_latency_ms",
    "max_upstream_latency_ms",
    "min_latency_all_ms",
    "min_upstream_latency_all_ms",
    "min_latency_non_error_ms",
    "min_upstream_latency_non_error_ms",
    "first_hit_us",
    "last_hit_us",
    "codes",
    "histogram",
)
"""The columns of a state in the order of ``EndpointStats``' fields."""

_STATE_TABLE = """
CREATE TABLE {table} (
    consumer uuid NOT NULL,
    bucket integer NOT NULL,                    -- {bucket}
    endpoint uuid NOT NULL,
    hits bigint NOT NULL,
    success bigint NOT NULL,
    error bigint NOT NULL,
    total_request_time_ms bigint NOT NULL,
    total_latency_ms bigint NOT NULL,
    total_upstream_latency_ms bigint NOT NULL,
    max_latency_ms bigint NOT NULL,
    max_upstream_latency_ms bigint NOT NULL,
    min_latency_all_ms bigint NOT NULL,
    min_upstream_latency_all_ms bigint NOT NULL,
    min_latency_non_error_ms bigint,            -- NULL: every hit was an error
    min_upstream_latency_non_error_ms bigint,
    first_hit_us bigint NOT NULL,               -- microseconds since 1970 UTC
    last_hit_us bigint NOT NULL,
    codes jsonb NOT NULL,                       -- {{"200": 5}}: hits by status code
    histogram jsonb NOT NULL,                   -- {{"250": 5}}: hits by latency bin, OpenTelemetry's index + 2
    PRIMARY KEY (consumer, bucket, endpoint)
) WITH (fillfactor = 80);                       -- room to merge in place
CREATE INDEX {table}_bucket ON {table} USING brin (bucket);
"""

_TABLES = (
    """
CREATE TABLE consumers (
    consumer uuid PRIMARY KEY,
    kind text NOT NULL,                         -- key or oauth
    id text COLLATE "C" NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    alias text COLLATE "C" NOT NULL DEFAULT '',
    alias_seen_us bigint
);
CREATE INDEX consumers_id ON consumers (id, kind);
CREATE TABLE endpoints (
    endpoint uuid PRIMARY KEY,
    api_id text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL
);
CREATE INDEX endpoints_api_id ON endpoints (api_id);
CREATE TABLE apis (
    api_id text COLLATE "C" NOT NULL,
    org_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_seen_us bigint NOT NULL,
    PRIMARY KEY (api_id, org_id)
);
CREATE TABLE sources (
    source text COLLATE "C" NOT NULL,
    digest uuid PRIMARY KEY,                    -- of the source: names may be longer than an index takes
    position text COLLATE "C",
    merged_by uuid,                             -- the merge that set the position
    counts text NOT NULL                        -- JSON: read, counted, repaired, skipped, malformed
);
CREATE TABLE pruned (
    before_day integer NOT NULL                 -- days since 1970; quarters of earlier days are gone
);
""",
    _STATE_TABLE.format(table="quarters", bucket="quarter hours since 1970-01-01T00:00Z"),
    _STATE_TABLE.format(table="days", bucket="days since 1970-01-01T00:00Z"),
    # Twice as fast as one statement that unnests, groups and builds anew: most of what is merged is there already.
    """
CREATE FUNCTION merged_counts(mine jsonb, theirs jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    number text;
    counted text;
BEGIN
    FOR number, counted IN SELECT * FROM jsonb_each_text(theirs) LOOP
        mine := jsonb_set(mine, ARRAY[number], to_jsonb(coalesce((mine->>number)::bigint, 0) + counted::bigint));
    END LOOP;
    RETURN mine;
END
$$;
""",
    """
CREATE VIEW endpoint_days AS
SELECT
    date '1970-01-01' + d.bucket AS day,
    c.org_id, c.kind, c.id AS consumer, c.alias,
    e.api_id, coalesce(a.name, '') AS api_name, e.path,
    d.hits, d.success, d.error,
    1.0 * d.total_request_time_ms / d.hits AS request_time_ms,
    1.0 * d.total_latency_ms / d.hits AS latency_ms,
    1.0 * d.total_upstream_latency_ms / d.hits AS upstream_latency_ms,
    d.max_latency_ms, d.max_upstream_latency_ms,
    coalesce(d.min_latency_non_error_ms, d.min_latency_all_ms) AS min_latency_ms,
    coalesce(d.min_upstream_latency_non_error_ms, d.min_upstream_latency_all_ms) AS min_upstream_latency_ms,
    timestamptz 'epoch' + d.last_hit_us * interval '1 microsecond' AS last_hit,
    d.codes
FROM days AS d
JOIN consumers AS c USING (consumer)
JOIN endpoints AS e USING (endpoint)
LEFT JOIN apis AS a ON a.api_id = e.api_id AND a.org_id = c.org_id;
""",
    "CREATE TABLE store (version integer NOT NULL)",
)

INDEXES = frozenset(
    {
        *(f"{table}_pkey" for table in ("consumers", "endpoints", "apis", "sources", "quarters", "days")),
        *("consumers_id", "endpoints_api_id", "quarters_bucket", "days_bucket"),
    }
)


def check_name(schema: str) -> str:
    """The name of a schema, if it is one that needs no quotes.

    Raises:
        PluginError: it is not.
    """
    if not _NAME.fullmatch(schema):
        raise PluginError(f"schema {schema!r}: use small letters, digits and _, at most 63 of them")
    return schema


def lock_key(schema: str) -> int:
    """The advisory lock of a store: merges share it, making and pruning have it alone."""
    hashed = blake2b(f"tyk-endpoint-stats {schema}".encode(), digest_size=8)
    return int.from_bytes(hashed.digest(), signed=True)


def is_ready(connection: Connection, schema: str, name: str) -> bool:
    """Whether a store that this version knows is there.

    Raises:
        UnusableStore: the schema is somebody else's, or of a newer version; or the database is not UTF-8.
    """
    ours, others, encoding = connection.execute(
        "SELECT to_regclass(%(store)s) IS NOT NULL,"
        " EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)),"
        " current_setting('server_encoding')",
        {"store": f"{schema}.store", "schema": schema},
    ).fetchall()[0]
    if encoding != "UTF8":
        raise UnusableStore(f"{name}: the database's encoding is {encoding}; make one with ENCODING 'UTF8'")
    if not ours:
        if others:
            raise UnusableStore(
                f"{name}: schema {schema} holds other tables; name one that does not exist yet: ?schema=NAME"
            )
        return False
    try:
        versions = connection.execute("SELECT version FROM store").fetchall()
    except errors.UndefinedColumn as problem:
        raise UnusableStore(f"{name}: schema {schema} holds other tables; name another: ?schema=NAME") from problem
    if len(versions) != 1 or versions[0][0] > VERSION:
        raise UnusableStore(
            f"{name} has schema version {versions}, this version knows {VERSION}: "
            "upgrade tyk-endpoint-stats-postgresql (pip install --upgrade tyk-endpoint-stats-postgresql)"
        )
    return True


def prepare(connection: Connection, schema: str, name: str) -> None:
    """Make sure that a store is there; all of it is made, or nothing.

    Raises:
        UnusableStore: as ``is_ready``.
    """
    if is_ready(connection, schema, name):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(schema),))
        if is_ready(connection, schema, name):
            return  # somebody else was faster
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        for statements in _TABLES:
            connection.execute(statements)
        connection.execute("INSERT INTO store VALUES (%s)", (VERSION,))
