"""What the tables say of themselves: their size, their rows, and damage below the answers."""

from collections.abc import Iterator

from msgspec import DecodeError
from psycopg import errors

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.stores.contract import StoreFacts
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.schema import INDEXES
from tyk_endpoint_stats_postgresql.texts import digest, plain
from tyk_endpoint_stats_postgresql.writing import counts_of

__all__ = ["damage", "facts"]

_ROWS_AT_ONCE = 10_000
_STATES = ("days", "quarters")

# Each finds rows that none of our statements writes, and that no answer would show or could be made from.
_CHECKS = (
    (
        "SELECT count(*) FROM consumers WHERE kind NOT IN ('key', 'oauth')",
        "{:,} consumers are of no kind",
    ),
    (
        "SELECT count(*) FROM quarters WHERE bucket < (SELECT max(before_day) * 96 FROM pruned)",
        "{:,} rows of quarters are older than what was pruned",
    ),
    *(
        (
            f"SELECT count(*) FROM {table} AS s WHERE NOT EXISTS"
            f" (SELECT FROM {names} AS n WHERE n.{key} = s.{key})",
            f"{{:,}} rows of {table} refer to a row of {names} that does not exist",
        )
        for table in _STATES
        for names, key in (("consumers", "consumer"), ("endpoints", "endpoint"))
    ),
    *(
        (
            f"SELECT count(*) FROM {table} WHERE jsonb_typeof({column}) <> 'object' OR jsonb_path_exists({column},"
            """ '$.keyvalue() ? (!(@.key like_regex "^-?[0-9]+$") || @.value.type() != "number" """
            "|| @.value % 1 != 0)')",
            f"{{:,}} rows of {table} have no counts in {column}",
        )
        for table in _STATES
        for column in ("codes", "histogram")
    ),
)
_DIGESTS = (
    ("consumers", "SELECT consumer, org_id, kind, id FROM consumers"),
    ("endpoints", "SELECT endpoint, api_id, path FROM endpoints"),
    ("sources", "SELECT digest, source FROM sources"),
)


def facts(connection: Connection) -> StoreFacts:
    """Its size with indexes, its schema, its rows, in the caller's read transaction."""

    def one(sql: str) -> int:
        value: int = connection.execute(sql).fetchall()[0][0]
        return value

    before_day = one("SELECT max(before_day) FROM pruned")
    return StoreFacts(
        schema=str(one("SELECT version FROM store")),
        size_bytes=one(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        ),
        consumers=one("SELECT count(*) FROM consumers"),
        endpoints=one("SELECT count(*) FROM endpoints"),
        day_states=one("SELECT count(*) FROM days"),
        quarter_states=one("SELECT count(*) FROM quarters"),
        pruned_before=None if before_day is None else before_day * DAY_US,
    )


def damage(connection: Connection) -> list[str]:
    """What is wrong with indexes, references and rows, in the caller's read transaction."""
    found = list(_damaged_indexes(connection))
    if found:
        return found  # what else is asked by way of them may be wrong
    for sql, text in _CHECKS:
        ((count,),) = connection.execute(sql).fetchall()
        if count:
            found.append(text.format(count))
    found += _wrong_digests(connection)
    found += _sources_without_counts(connection)
    return found


def _damaged_indexes(connection: Connection) -> Iterator[str]:
    """Indexes that are gone or not valid; where the extension amcheck is installed, what is wrong inside them."""
    valid = {
        name
        for (name,) in connection.execute(
            "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND i.indisvalid AND i.indisready"
        )
    }
    yield from (f"index {name} does not exist or is not valid" for name in sorted(INDEXES - valid))
    checks = connection.execute(
        "SELECT p.oid::regproc::text FROM pg_proc AS p WHERE p.proname = 'bt_index_check' AND p.pronargs = 2"
        " AND has_function_privilege(p.oid, 'EXECUTE')"
    ).fetchall()
    for (check,) in checks[:1]:
        for name in sorted(name for name in INDEXES & valid if not name.endswith("_bucket")):
            try:
                with connection.transaction():  # a savepoint
                    connection.execute(f"SELECT {check}(%s::regclass, true)", (name,))
            except (errors.IndexCorrupted, errors.DataCorrupted) as problem:
                yield f"index {name} is damaged: {problem.diag.message_primary}"


def _wrong_digests(connection: Connection) -> Iterator[str]:
    """Rows whose key is not what their texts come to: whoever merges would make another one beside it."""
    for table, sql in _DIGESTS:
        wrong = 0
        with connection.cursor(name="look") as cursor:  # in the server, so that not all rows are in memory
            cursor.itersize = _ROWS_AT_ONCE
            for key, *texts in cursor.execute(sql):
                wrong += key != digest(*map(plain, texts))
        if wrong:
            yield f"{wrong:,} rows of {table} have not the key that their texts come to"


def _sources_without_counts(connection: Connection) -> Iterator[str]:
    wrong = 0
    for (counts,) in connection.execute("SELECT counts FROM sources"):
        try:
            counts_of(counts)
        except DecodeError:
            wrong += 1
    if wrong:
        yield f"{wrong:,} rows of sources have no counts"
