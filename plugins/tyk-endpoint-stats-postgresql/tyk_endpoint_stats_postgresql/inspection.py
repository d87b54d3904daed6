"""What the tables say of themselves: their size, their rows, and damage below the answers."""

from collections.abc import Iterator

from msgspec import DecodeError
from psycopg import errors

from tyk_endpoint_stats.core.batch import EVERYONE
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.stores.contract import StoreFacts
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.history import read_history
from tyk_endpoint_stats_postgresql.schema import EVERY_ENDPOINT, INDEXES
from tyk_endpoint_stats_postgresql.sources import progress
from tyk_endpoint_stats_postgresql.texts import digest, plain

__all__ = ["damage", "facts"]

_ROWS_AT_ONCE = 10_000

# Each finds rows that none of our statements writes, and that no answer would show or could be made from.
_CHECKS = (
    (
        f"SELECT count(*) FROM consumers WHERE kind NOT IN ('key', 'oauth', '{EVERYONE}')",
        "{:,} consumers are of no kind",
    ),
    (
        "SELECT count(*) FROM days WHERE day < (SELECT pruned_before_day FROM history) AND quarter_hours <> ''",
        "{:,} rows of days have quarter hours that are older than what was pruned",
    ),
    *(
        (
            f"SELECT count(*) FROM {table} AS r WHERE {whichever}NOT EXISTS"
            f" (SELECT FROM {names} AS n WHERE n.{key} = r.{key})",
            f"{{:,}} rows of {table} refer to a row of {names} that does not exist",
        )
        for table, names, key, whichever in (
            ("days", "consumers", "consumer", ""),
            ("days", "endpoints", "endpoint", ""),
            ("totals", "consumers", "consumer", ""),
            ("totals", "endpoints", "endpoint", f"endpoint <> '{EVERY_ENDPOINT}' AND "),
        )
    ),
    (
        f"SELECT count(*) FROM totals JOIN consumers AS c USING (consumer) WHERE totals.kind <> CASE"
        f" WHEN c.kind <> '{EVERYONE}' THEN 1 WHEN endpoint <> '{EVERY_ENDPOINT}' THEN 2 ELSE 3 END",
        "{:,} rows of totals are not of the kind that they say",
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

    history = read_history(connection)
    before_day = history.pruned_before_day
    return StoreFacts(
        schema=history.step,
        size_bytes=one(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
        ),
        consumers=one(f"SELECT count(*) FROM consumers WHERE kind <> '{EVERYONE}'"),
        endpoints=one("SELECT count(*) FROM endpoints"),
        day_rows=one("SELECT count(*) FROM days"),
        total_rows=one("SELECT count(*) FROM totals"),
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
    try:
        progress(connection)
    except DecodeError as problem:
        found.append(f"a row of sources has no counts: {problem}")
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
        for name in sorted(INDEXES & valid):
            try:
                with connection.transaction():  # a savepoint
                    connection.execute(f"SELECT {check}(%s::regclass, true)", (name,))
            except (errors.IndexCorrupted, errors.DataCorrupted) as problem:
                yield f"index {name} is damaged: {problem.diag.message_primary}"


def _wrong_digests(connection: Connection) -> Iterator[str]:
    """Rows whose key is not the digest of their texts: whoever merges would make another one beside it."""
    for table, sql in _DIGESTS:
        wrong = 0
        with connection.cursor(name="look") as cursor:  # in the server, so that not all rows are in memory
            cursor.itersize = _ROWS_AT_ONCE
            for key, *texts in cursor.execute(sql):
                wrong += key != digest(*map(plain, texts))
        if wrong:
            yield f"{wrong:,} rows of {table} have not the key of their texts"
