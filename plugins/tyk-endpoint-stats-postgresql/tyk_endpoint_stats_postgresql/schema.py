"""The tables: consumers and endpoints have digests for keys, day rows are keyed by day, consumer, endpoint.

``days`` has a row for each consumer, endpoint and UTC day; ``totals`` the same hits once more in three kinds of
rows, which most questions read instead. The plain columns are for SQL; the two packed values behind them
(``core/packed.py``) are appended to by the same statement that adds up the sums. Nothing has a sequence or a
foreign key, and the consumer is a part of each key, so that the tables can be distributed by it.
"""

import re
from hashlib import blake2b
from uuid import UUID, uuid4

from psycopg import errors

from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats.errors import PluginError, UnusableStore
from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = [
    "DEFAULT_SCHEMA",
    "EVERY_ENDPOINT",
    "INDEXES",
    "KINDS",
    "ROW_COLUMNS",
    "STEPS",
    "check_name",
    "lock_key",
    "prepare",
    "steps_taken",
]

DEFAULT_SCHEMA = "tyk_endpoint_stats"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)

KINDS = {RowKind.CONSUMER: 1, RowKind.ENDPOINT: 2, RowKind.EVERYTHING: 3}
"""What ``totals.kind`` says."""

EVERY_ENDPOINT = UUID(int=0)
"""What ``totals.endpoint`` says where a row is of all of them."""

ROW_COLUMNS = ("day", "consumer", "endpoint", *(field.name for field in FIELDS), "distribution", "quarter_hours")
"""The columns of a day row in the order of ``DayRow``'s members."""

_PACKED = {
    "pieces": "how many merges the packed values are of",
    "distribution": "packed: hits by status code, and timed hits by latency bin",
    "quarter_hours": "packed: the row split into 15 minutes; empty: pruned, or a consumer's total",
}
_ROW = f"""
    day integer NOT NULL,
    consumer uuid NOT NULL,
    endpoint uuid NOT NULL,
    {", ".join(f"{field.name} bigint{'' if field.optional else ' NOT NULL'}" for field in FIELDS)},
    pieces integer NOT NULL,
    distribution bytea NOT NULL,
    quarter_hours bytea NOT NULL,"""

_COMMENTS = {
    "consumers.consumer": "a digest of org_id, kind and id",
    "consumers.kind": "key, oauth, or everyone: all of the organisation",
    "endpoints.endpoint": "a digest of api_id and path",
    "totals.kind": "1: a consumer, every endpoint; 2: everyone, an endpoint; 3: everyone, every endpoint",
    "totals.endpoint": f"{EVERY_ENDPOINT}: all of them",
    "sources.digest": "of the source: names may be longer than an index takes",
    "sources.merged_by": "the merge that set the position",
    "sources.skipped": "records by reason",
    "history.step": "the last step that made or changed these tables",
    "history.changes": "how often the store was changed",
    "history.token": "random, another one after each change",
    "history.pruned_before_day": "quarter hours of earlier days are gone",
    "days.day": "days since 1970-01-01T00:00Z",
    **{f"days.{field.name}": field.meaning for field in FIELDS},
    **{f"days.{name}": meaning for name, meaning in _PACKED.items()},
}

_DAY_ROWS = f"""
CREATE TABLE consumers (
    consumer uuid PRIMARY KEY,
    kind text NOT NULL,
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
CREATE TABLE days ({_ROW}
    PRIMARY KEY (day, consumer, endpoint)
) WITH (fillfactor = 80); -- room to merge in place
CREATE TABLE totals (
    kind smallint NOT NULL,
    {_ROW.lstrip()}
    PRIMARY KEY (kind, day, consumer, endpoint)
) WITH (fillfactor = 80);
CREATE TABLE sources (
    digest uuid PRIMARY KEY,
    source text COLLATE "C" NOT NULL,
    position text COLLATE "C",
    merged_by uuid,
    read bigint NOT NULL DEFAULT 0,
    counted bigint NOT NULL DEFAULT 0,
    repaired bigint NOT NULL DEFAULT 0,
    skipped json NOT NULL DEFAULT '{{}}',
    malformed json NOT NULL DEFAULT '{{}}'
);
CREATE TABLE history (
    step text NOT NULL,
    changes bigint NOT NULL,
    token uuid NOT NULL,
    pruned_before_day integer
);
CREATE VIEW endpoint_days AS
SELECT
    date '1970-01-01' + d.day AS day,
    c.org_id, c.kind, c.id AS consumer, c.alias,
    e.api_id, coalesce(a.name, '') AS api_name, e.path,
    d.hits, d.success, d.error,
    1.0 * d.total_request_time_ms / d.hits AS request_time_ms,
    1.0 * d.total_latency_ms / nullif(d.timed_hits, 0) AS latency_ms,
    1.0 * d.total_upstream_latency_ms / nullif(d.timed_hits, 0) AS upstream_latency_ms,
    d.max_latency_ms, d.max_upstream_latency_ms,
    coalesce(d.min_latency_non_error_ms, d.min_latency_all_ms) AS min_latency_ms,
    coalesce(d.min_upstream_latency_non_error_ms, d.min_upstream_latency_all_ms) AS min_upstream_latency_ms,
    timestamptz 'epoch' + d.last_hit_us * interval '1 microsecond' AS last_hit
FROM days AS d
JOIN consumers AS c USING (consumer)
JOIN endpoints AS e USING (endpoint)
LEFT JOIN apis AS a ON a.api_id = e.api_id AND a.org_id = c.org_id;
""" + "\n".join(
    "COMMENT ON COLUMN {} IS '{}';".format(column, meaning.replace("'", "''"))
    for column, meaning in _COMMENTS.items()
)

_GROWTH = """
CREATE TABLE growth (
    day integer PRIMARY KEY,
    hits bigint NOT NULL,
    last_us bigint NOT NULL
);
COMMENT ON COLUMN growth.day IS 'days since 1970-01-01T00:00Z';
COMMENT ON COLUMN growth.hits IS 'those that came late';
COMMENT ON COLUMN growth.last_us IS 'when the last of them were merged';
"""

STEPS = (("0001_day_rows", _DAY_ROWS), ("0002_growth", _GROWTH))
"""Name and SQL of each change of the tables, oldest first; what was released stays, a new one is put behind it.

The first makes the columns that ``core/fields.py`` has today: a step for a new field has to say ``IF NOT EXISTS``.
"""

INDEXES = frozenset(
    {
        *(f"{table}_pkey" for table in ("consumers", "endpoints", "apis", "sources", "days", "totals", "growth")),
        *("consumers_id", "endpoints_api_id"),
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
    """The advisory lock of a store: merges share it; what changes the tables or takes rows away has it alone."""
    hashed = blake2b(f"tyk-endpoint-stats {schema}".encode(), digest_size=8)
    return int.from_bytes(hashed.digest(), signed=True)


def prepare(connection: Connection, schema: str, name: str) -> None:
    """Make a store, or take the steps that its tables lack: all of them or none.

    Raises:
        UnusableStore: as ``steps_taken``.
    """
    if steps_taken(connection, schema, name) == len(STEPS):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(schema),))
        taken = steps_taken(connection, schema, name)  # somebody else may have been faster
        if not taken:
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        for step, statements in STEPS[taken:]:
            connection.execute(statements)
            if not taken:
                connection.execute("INSERT INTO history VALUES (%s, 0, %s, NULL)", (step, uuid4()))
            taken += 1
            connection.execute("UPDATE history SET step = %s", (step,))


def steps_taken(connection: Connection, schema: str, name: str) -> int:
    """How many of ``STEPS`` made what is there; 0: there is no store.

    Raises:
        UnusableStore: the schema is somebody else's, of a newer version, or of one that kept other rows; or the
            database is not UTF-8.
    """
    ours, old, others, encoding = connection.execute(
        "SELECT to_regclass(%(history)s) IS NOT NULL, to_regclass(%(quarters)s) IS NOT NULL,"
        " EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)),"
        " current_setting('server_encoding')",
        {"history": f"{schema}.history", "quarters": f"{schema}.quarters", "schema": schema},
    ).fetchall()[0]
    if encoding != "UTF8":
        raise UnusableStore(f"{name}: the database's encoding is {encoding}; make one with ENCODING 'UTF8'")
    if old:
        raise UnusableStore(
            f"{name}: schema {schema} was made before version 0.2.0, which keeps days in another form: "
            f"ingest again into a new one (?schema=NAME), then DROP SCHEMA {schema} CASCADE"
        )
    if not others:
        return 0
    theirs = UnusableStore(
        f"{name}: schema {schema} holds other tables; name one that does not exist yet: ?schema=NAME"
    )
    if not ours:
        raise theirs
    try:
        steps = [step for (step,) in connection.execute("SELECT step FROM history")]
    except errors.UndefinedColumn as problem:
        raise theirs from problem
    known = [step for step, _ in STEPS]
    if len(steps) != 1 or steps[0] not in known:
        raise UnusableStore(
            f"{name} has the tables of {', '.join(steps) or 'no step'}, this version knows up to {known[-1]}: "
            "upgrade tyk-endpoint-stats-postgresql (pip install --upgrade tyk-endpoint-stats-postgresql)"
        )
    return known.index(steps[0]) + 1
