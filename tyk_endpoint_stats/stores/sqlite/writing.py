"""One batch in SQL: its position, its numbers, its states, inside the caller's transaction."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from sqlite3 import Connection
from typing import Any

from msgspec import json

from tyk_endpoint_stats.core.cells import BIN_BITS, BIN_MASK, Cells, counts_in
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.rows import NO_HIT
from tyk_endpoint_stats.core.segments import Segment
from tyk_endpoint_stats.core.selection import Batch, Counts
from tyk_endpoint_stats.stores.sqlite.schema import MAXIMA, MINIMA, STATE_COLUMNS, SUMS

__all__ = [
    "CONSUMERS",
    "ENDPOINTS",
    "Numbers",
    "add_merge_function",
    "advance_position",
    "counts_of",
    "write_days",
    "write_names",
]

KNOWN_NUMBERS = 200_000
"""How many ids a writer keeps the numbers of, consumers and endpoints each: some 40 MB at most."""

_encode = json.Encoder().encode
_decode_counts = json.Decoder(dict[int, int]).decode


_UPDATES = [
    *(f"{column} = {column} + excluded.{column}" for column in SUMS),
    *(f"{column} = max({column}, excluded.{column})" for column in MAXIMA),
    # SQLite's min() of two values is NULL where one is; only the minima of non-error hits can be NULL.
    *(f"{column} = coalesce(min({column}, excluded.{column}), {column}, excluded.{column})" for column in MINIMA),
    *(f"{column} = merged_counts({column}, excluded.{column})" for column in ("codes", "histogram")),
]
_MARKS = ", ".join("?" * (3 + len(STATE_COLUMNS)))
_MERGE_DAYS = f"INSERT INTO days VALUES ({_MARKS}) ON CONFLICT DO UPDATE SET {', '.join(_UPDATES)}"


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


CONSUMERS = (
    "INSERT INTO consumers (org_id, kind, id) VALUES (?, ?, ?)",
    "SELECT number FROM consumers WHERE org_id = ? AND kind = ? AND id = ?",
)
ENDPOINTS = (
    "INSERT INTO endpoints (api_id, path) VALUES (?, ?)",
    "SELECT number FROM endpoints WHERE api_id = ? AND path = ?",
)


class Numbers:
    """The numbers of consumers or of endpoints. New ones are kept only after the commit.

    A number taken in a transaction that rolled back does not exist: a state that used it would dangle.

    Args:
        sql: ``CONSUMERS`` or ``ENDPOINTS``.
    """

    def __init__(self, sql: tuple[str, str]) -> None:
        self._insert, self._select = sql
        self._known: dict[tuple[str, ...], int] = {}
        self._new: dict[tuple[str, ...], int] = {}

    def of(self, connection: Connection, keys: Iterable[tuple[str, ...]]) -> list[int]:
        """The number of each key, given out in this transaction where it is new."""
        numbers = []
        for key in keys:
            number = self._known.get(key) or self._new.get(key)
            if number is None:
                found = connection.execute(self._select, key).fetchone()
                number = found[0] if found else connection.execute(self._insert, key).lastrowid or 0
                self._new[key] = number
            numbers.append(number)
        return numbers

    def keep(self) -> None:
        """The transaction was committed."""
        if len(self._known) + len(self._new) > KNOWN_NUMBERS:
            self._known.clear()
        self._known.update(self._new)
        self.drop()

    def drop(self) -> None:
        """The transaction was rolled back."""
        self._new = {}


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


def write_days(
    connection: Connection, segments: Sequence[Segment], consumers: Sequence[int], endpoints: Sequence[int]
) -> None:
    """Merge the day states of segments, in the order of their keys.

    Args:
        connection: inside a transaction.
        segments: of one batch.
        consumers: the number of each segment's consumer.
        endpoints: the numbers of the batch's endpoints.
    """
    in_order = sorted(zip(segments, consumers, strict=True), key=lambda each: (each[0].day, each[1]))
    # One segment's rows are in memory at a time: all of a batch's take more than the batch itself.
    rows = (row for segment, consumer in in_order for row in sorted(_rows(segment, consumer, endpoints)))
    connection.executemany(_MERGE_DAYS, rows)


def _rows(segment: Segment, consumer: int, endpoints: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    start_us = segment.day * DAY_US
    numbers = [endpoints[number] for number in segment.days.endpoints]
    _, *plain, good, good_upstream, first, last, cells = segment.days.table()
    texts = [_texts(each) for each in cells]
    return zip(
        repeat(segment.day),
        repeat(consumer),
        numbers,
        *plain,
        [None if least == NO_HIT else least for least in good],
        [None if least == NO_HIT else least for least in good_upstream],
        [start_us + offset for offset in first],
        [start_us + offset for offset in last],
        [codes for codes, _ in texts],
        [histogram for _, histogram in texts],
        strict=False,
    )


def _texts(cells: Cells) -> tuple[str, str]:
    if type(cells) is int:  # of one hit, as most are: a third of the time
        return f'{{"{cells >> BIN_BITS}":1}}', f'{{"{cells & BIN_MASK}":1}}'
    codes, histogram = counts_in(cells)
    return _text(codes), _text(histogram)


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
