"""One batch in SQL: its position, its numbers, its states, inside the caller's transaction."""

from collections.abc import Iterable, Iterator
from sqlite3 import Connection
from typing import Any

from msgspec import json
from msgspec.structs import astuple

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Bucket, Width
from tyk_endpoint_stats.core.selection import Batch, Counts, Series
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.sqlite.schema import MAXIMA, MINIMA, STATE_COLUMNS, SUMS

__all__ = ["Numbers", "add_merge_function", "advance_position", "counts_of", "write_names", "write_states"]

KNOWN_NUMBERS = 200_000
"""How many ids a writer keeps the numbers of, consumers and endpoints each: some 40 MB at most."""

_encode = json.Encoder().encode
_decode_counts = json.Decoder(dict[int, int]).decode


def _merge_sql(table: str) -> str:
    updates = [f"{column} = {column} + excluded.{column}" for column in SUMS]
    updates += [f"{column} = max({column}, excluded.{column})" for column in MAXIMA]
    # SQLite's min() of two values is NULL where one is; only the minima of non-error hits can be NULL.
    updates += [
        f"{column} = coalesce(min({column}, excluded.{column}), {column}, excluded.{column})" for column in MINIMA
    ]
    updates += [f"{column} = merged_counts({column}, excluded.{column})" for column in ("codes", "histogram")]
    marks = ", ".join("?" * (3 + len(STATE_COLUMNS)))
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO UPDATE SET {', '.join(updates)}"


_MERGE = {Width.QUARTER: _merge_sql("quarters"), Width.DAY: _merge_sql("days")}


def add_merge_function(connection: Connection) -> None:
    """Teach a connection to merge two texts of counts, for the merging upsert."""

    def merged_counts(mine: str, theirs: str) -> str:
        counts = _decode_counts(mine)
        for key, count in _decode_counts(theirs).items():
            counts[key] = counts.get(key, 0) + count
        return _text(counts)

    connection.create_function("merged_counts", 2, merged_counts, deterministic=True)


def _text(counts: dict[int, int]) -> str:
    return _encode(counts).decode()


class Numbers:
    """The numbers of consumers and endpoints. New ones are kept only after the commit.

    A number taken in a transaction that rolled back does not exist: a state that used it would dangle.
    """

    def __init__(self) -> None:
        self._consumers: dict[tuple[str, str, str], int] = {}
        self._endpoints: dict[tuple[str, str], int] = {}
        self._new_consumers: dict[tuple[str, str, str], int] = {}
        self._new_endpoints: dict[tuple[str, str], int] = {}

    def of(self, connection: Connection, series: Iterable[Series]) -> dict[Series, tuple[int, int]]:
        """The numbers of each series' consumer and endpoint, given out in this transaction where new."""
        numbers = {}
        for one in series:
            org_id, kind, consumer_id, api_id, path = one
            key, endpoint = (org_id, kind, consumer_id), (api_id, path)
            consumer_number = self._consumers.get(key) or self._new_consumers.get(key)
            if consumer_number is None:
                consumer_number = self._new_consumers[key] = self._number(
                    connection,
                    "INSERT INTO consumers (org_id, kind, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    "SELECT number FROM consumers WHERE org_id = ? AND kind = ? AND id = ?",
                    key,
                )
            endpoint_number = self._endpoints.get(endpoint) or self._new_endpoints.get(endpoint)
            if endpoint_number is None:
                endpoint_number = self._new_endpoints[endpoint] = self._number(
                    connection,
                    "INSERT INTO endpoints (api_id, path) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    "SELECT number FROM endpoints WHERE api_id = ? AND path = ?",
                    endpoint,
                )
            numbers[one] = (consumer_number, endpoint_number)
        return numbers

    @staticmethod
    def _number(connection: Connection, insert: str, select: str, key: tuple[str, ...]) -> int:
        found = connection.execute(select, key).fetchone()
        if found is None:
            return connection.execute(insert, key).lastrowid or 0
        number: int = found[0]
        return number

    def keep(self) -> None:
        """The transaction was committed."""
        for known, new in ((self._consumers, self._new_consumers), (self._endpoints, self._new_endpoints)):
            if len(known) + len(new) > KNOWN_NUMBERS:
                known.clear()
            known.update(new)  # type: ignore[arg-type]
        self.drop()

    def drop(self) -> None:
        """The transaction was rolled back."""
        self._new_consumers, self._new_endpoints = {}, {}


def advance_position(connection: Connection, batch: Batch) -> bool:
    """Compare and set the source's position and add the counts; ``False``: it stands elsewhere."""
    assert batch.source is not None
    found = connection.execute(
        "SELECT position, read, counted, repaired, skipped, malformed FROM sources WHERE source = ?",
        (batch.source,),
    ).fetchone()
    position, counts = (found[0], counts_of(found[1:])) if found else (None, Counts())
    if position != batch.begins:
        return False
    counts.merge(batch.counts)
    connection.execute(
        "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            batch.source,
            batch.ends,
            counts.read,
            counts.counted,
            counts.repaired,
            _encode(counts.skipped).decode(),
            _encode(counts.malformed).decode(),
        ),
    )
    return True


def counts_of(columns: tuple[Any, ...]) -> Counts:
    """The counts in a row of ``sources``."""
    read, counted, repaired, skipped, malformed = columns
    return Counts(read, counted, repaired, json.decode(skipped), json.decode(malformed))


def write_states(
    connection: Connection,
    states: dict[Bucket, dict[Series, EndpointStats]],
    numbers: dict[Series, tuple[int, int]],
    pruned_before_day: int | None,
) -> None:
    """Merge the states, in the order of their keys; quarters of pruned days are left out."""
    for width, sql in _MERGE.items():
        connection.executemany(sql, _rows(width, states, numbers, pruned_before_day))


def _rows(
    width: Width,
    states: dict[Bucket, dict[Series, EndpointStats]],
    numbers: dict[Series, tuple[int, int]],
    pruned_before_day: int | None,
) -> Iterator[tuple[Any, ...]]:
    first = (
        pruned_before_day * QUARTERS_PER_DAY if width is Width.QUARTER and pruned_before_day is not None else None
    )
    for bucket in sorted(bucket for bucket in states if bucket.width is width):
        if first is not None and bucket.number < first:
            continue
        for numbered, stats in sorted(
            ((numbers[series], stats) for series, stats in states[bucket].items()), key=_by_number
        ):
            *plain, codes, histogram = astuple(stats)
            yield (bucket.number, *numbered, *plain, _text(codes), _text(histogram))


def _by_number(entry: tuple[tuple[int, int], EndpointStats]) -> tuple[int, int]:
    return entry[0]


def write_names(connection: Connection, batch: Batch) -> None:
    """Merge the names seen: the newest wins, on a tie the greater text."""
    connection.executemany(
        "UPDATE consumers SET alias_seen_us = ?1, alias = ?2 WHERE org_id = ?3 AND kind = ?4 AND id = ?5"
        " AND (alias_seen_us IS NULL OR (alias_seen_us, alias) < (?1, ?2))",
        ((*seen, *key) for key, seen in batch.aliases.items()),
    )
    connection.executemany(
        "INSERT INTO apis (org_id, api_id, name_seen_us, name) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name_seen_us = excluded.name_seen_us, name = excluded.name"
        " WHERE (name_seen_us, name) < (excluded.name_seen_us, excluded.name)",
        ((*key, *seen) for key, seen in batch.api_names.items()),
    )
