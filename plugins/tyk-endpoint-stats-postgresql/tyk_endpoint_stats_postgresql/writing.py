"""One batch in SQL: its position, its names, its states, inside the caller's transaction.

Whatever rows a merge writes, it writes in the order of their keys, table after table, and consumers first: two
merges that meet in a consumer wait for each other there, and never in a circle.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from msgspec import json
from msgspec.structs import astuple

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Width
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.schema import MAXIMA, MINIMA, STATE_COLUMNS, SUMS
from tyk_endpoint_stats_postgresql.texts import digest, plain, stored

__all__ = ["INCOMING", "advance_position", "counts_of", "position_of", "write_batch"]

INCOMING = """
CREATE TEMPORARY TABLE incoming ON COMMIT DELETE ROWS AS
SELECT ''::text AS width, * FROM days WITH NO DATA
"""
"""Where a batch's states land first: COPY takes them at twice the rate of parameters."""

_encode = json.Encoder().encode
_TABLES = {Width.QUARTER_HOUR: "quarters", Width.DAY: "days"}


def _merge_sql(width: Width) -> str:
    updates = [f"{column} = t.{column} + excluded.{column}" for column in SUMS]
    updates += [f"{column} = greatest(t.{column}, excluded.{column})" for column in MAXIMA]
    updates += [f"{column} = least(t.{column}, excluded.{column})" for column in MINIMA]  # NULL if both are
    updates += [f"{column} = merged_counts(t.{column}, excluded.{column})" for column in ("codes", "histogram")]
    columns = ", ".join(("consumer", "bucket", "endpoint", *STATE_COLUMNS))
    return (
        f"INSERT INTO {_TABLES[width]} AS t ({columns})"
        f" SELECT {columns} FROM incoming WHERE width = '{width}' ORDER BY consumer, bucket, endpoint"
        f" ON CONFLICT (consumer, bucket, endpoint) DO UPDATE SET {', '.join(updates)}"
    )


_MERGE = tuple(_merge_sql(width) for width in Width)
_COPY = f"COPY incoming (width, consumer, bucket, endpoint, {', '.join(STATE_COLUMNS)}) FROM STDIN"


def position_of(connection: Connection, source: str) -> str | None:
    """Where a source stands."""
    found = connection.execute("SELECT position FROM sources WHERE digest = %s", (digest(source),)).fetchone()
    return plain(found[0]) if found and found[0] is not None else None


def advance_position(connection: Connection, batch: Batch, merged_by: UUID) -> str | None:
    """Compare and set the source's position and add the counts.

    Returns:
        Where the source stood before. Unless that is where the batch begins, nothing was changed.
    """
    assert batch.source is not None
    key = digest(batch.source)
    # A row to lock, so that two that begin the same source wait for each other.
    connection.execute(
        "INSERT INTO sources (source, digest, counts) VALUES (%s, %s, '{}') ON CONFLICT DO NOTHING",
        (stored(batch.source), key),
    )
    found = connection.execute(
        "SELECT position, counts FROM sources WHERE digest = %s FOR UPDATE", (key,)
    ).fetchone()
    assert found is not None
    position = None if found[0] is None else plain(found[0])
    if position == batch.begins:
        counts = counts_of(found[1])
        counts.merge(batch.counts)
        connection.execute(
            "UPDATE sources SET position = %s, merged_by = %s, counts = %s WHERE digest = %s",
            (None if batch.ends is None else stored(batch.ends), merged_by, _encode(counts).decode(), key),
        )
    return position


def counts_of(encoded: str) -> Counts:
    """The counts of a source."""
    return json.decode(encoded, type=Counts)


def write_batch(connection: Connection, batch: Batch) -> None:
    """Merge a batch's names and states; quarters of pruned days are left out."""
    series = {one for states in batch.states.values() for one in states}
    # A batch may bring an alias of a consumer that has no state in it.
    consumers = {one: digest(*one) for one in {each[:3] for each in series} | batch.aliases.keys()}
    endpoints = {one[3:]: digest(*one[3:]) for one in series}
    _write_consumers(connection, consumers, batch)
    _write_rows(
        connection,
        "INSERT INTO endpoints SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        sorted((key, stored(api_id), stored(path)) for (api_id, path), key in endpoints.items()),
    )
    _write_rows(
        connection,
        "INSERT INTO apis AS t SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])"
        " ON CONFLICT (api_id, org_id) DO UPDATE SET name = excluded.name, name_seen_us = excluded.name_seen_us"
        " WHERE (t.name_seen_us, t.name) < (excluded.name_seen_us, excluded.name)",
        sorted(
            (stored(api_id), stored(org_id), stored(name), seen_us)
            for (org_id, api_id), (seen_us, name) in batch.api_names.items()
        ),
    )
    (pruned_before_day,) = connection.execute("SELECT max(before_day) FROM pruned").fetchall()[0]
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for row in _state_rows(batch, consumers, endpoints, pruned_before_day):
                copy.write_row(row)
        for merge in _MERGE:
            cursor.execute(merge)


def _write_consumers(connection: Connection, consumers: dict[tuple[str, str, str], UUID], batch: Batch) -> None:
    rows = []
    for (org_id, kind, consumer_id), key in consumers.items():
        seen_us, alias = batch.aliases.get((org_id, kind, consumer_id), (None, ""))
        rows.append((key, str(kind), stored(consumer_id), stored(org_id), stored(alias), seen_us))
    _write_rows(
        connection,
        "INSERT INTO consumers AS t"
        " SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])"
        " ON CONFLICT (consumer) DO UPDATE SET alias = excluded.alias, alias_seen_us = excluded.alias_seen_us"
        " WHERE excluded.alias_seen_us IS NOT NULL AND (t.alias_seen_us IS NULL"
        " OR (t.alias_seen_us, t.alias) < (excluded.alias_seen_us, excluded.alias))",
        sorted(rows, key=lambda row: row[0]),
    )


def _write_rows(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _state_rows(
    batch: Batch, consumers: dict[Any, UUID], endpoints: dict[Any, UUID], pruned_before_day: int | None
) -> Iterator[tuple[Any, ...]]:
    keys = {key: str(key) for key in (*consumers.values(), *endpoints.values())}
    first_quarter = None if pruned_before_day is None else pruned_before_day * QUARTER_HOURS_PER_DAY
    for bucket, states in batch.states.items():
        if first_quarter is not None and bucket.width is Width.QUARTER_HOUR and bucket.number < first_quarter:
            continue
        width = str(bucket.width)
        for series, stats in states.items():
            *numbers, codes, histogram = astuple(stats)
            yield (
                width,
                keys[consumers[series[:3]]],
                bucket.number,
                keys[endpoints[series[3:]]],
                *numbers,
                _encode(codes).decode(),
                _encode(histogram).decode(),
            )
