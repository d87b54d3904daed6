"""Quarters in SQL: segments that are appended, read at the edges of a range, and moved into larger ones.

A merge appends a segment for each consumer and day. As soon as ``FAN_IN`` of one level are there, they become one
of the next, so that an answer reads few of them and each state is moved a few times at most, however often and
however little is merged. Full ones stay as they are.
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from msgspec import msgpack
from msgspec.structs import replace

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Span
from tyk_endpoint_stats.core.segments import Packed, Quarters, Segment, compacted
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = [
    "FAN_IN",
    "FULL",
    "MOST_HITS",
    "endpoints_in",
    "prune_quarters",
    "read_quarters",
    "write_quarters",
]

FAN_IN = 8
FULL = 8_192
"""A segment of so many states is not moved any more: what is put together is in memory at once."""

_FULL_LEVEL = 99

MOST_HITS = 2**63 - 1
"""What the column of hits can hold; a segment of more says so many."""
_encode = msgpack.Encoder().encode
endpoints_in = msgpack.Decoder(tuple[list[int], list[int]]).decode
"""The column of endpoints: their numbers, and how many states each has."""
_PARTS = "SELECT hits, endpoints, columns, cells FROM quarters"
_AT = "day = ? AND consumer = ? AND level = ?"


def write_quarters(
    connection: Connection,
    segments: Sequence[Segment],
    consumers: Sequence[int],
    endpoints: Sequence[int],
    pruned_before_day: int | None,
) -> None:
    """Append the quarters of segments; those of pruned days are left out.

    Args:
        connection: inside a transaction.
        segments: of one batch.
        consumers: the number of each segment's consumer.
        endpoints: the numbers of the batch's endpoints.
        pruned_before_day: ``None``: nothing was pruned.
    """
    for segment, consumer in zip(segments, consumers, strict=True):
        if pruned_before_day is None or segment.day >= pruned_before_day:
            part = replace(segment.quarters, endpoints=[endpoints[number] for number in segment.quarters.endpoints])
            _append(connection, part, (segment.day, consumer, 0))


def _append(connection: Connection, part: Packed, key: tuple[int, int, int]) -> None:
    if not part.endpoints:
        return
    is_full = sum(part.lengths) >= FULL
    if is_full:
        key = (*key[:2], _FULL_LEVEL)
    # The sum of hits is for people; those of the days are what refuses sums past 63 bits.
    sums = (sum(part.lengths), min(part.hits, MOST_HITS))
    packed = (_encode((part.endpoints, part.lengths)), part.columns, part.cells)
    connection.execute("INSERT INTO quarters VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, *sums, *packed))
    if is_full:
        return
    (count,) = connection.execute(f"SELECT count(*) FROM quarters WHERE {_AT}", key).fetchone()
    if count >= FAN_IN:
        parts = connection.execute(f"{_PARTS} WHERE {_AT}", key).fetchall()
        connection.execute(f"DELETE FROM quarters WHERE {_AT}", key)
        day, consumer, level = key
        _append(connection, compacted(map(_part, parts)), (day, consumer, level + 1))


def _part(row: tuple[int, bytes, bytes, bytes]) -> Packed:
    hits, endpoints, columns, cells = row
    return Packed(*endpoints_in(endpoints), hits, columns, cells)


def read_quarters(
    connection: Connection, sql: str, parameters: Sequence[object], span: Span, by_bucket: bool
) -> Iterator[tuple[int, int, int | None, EndpointStats]]:
    """States in a span of quarters: consumer, endpoint, quarter (``None`` where it is not kept apart), state.

    Args:
        connection: inside a transaction.
        sql: what selects day, consumer, endpoints, columns and cells (or NULL) of the segments.
        parameters: of it.
        span: of quarters.
        by_bucket: whether quarters are kept apart; otherwise those of one segment are merged.
    """
    for day, consumer, encoded, columns, cells in connection.execute(sql, parameters):
        numbers, lengths = endpoints_in(encoded)
        quarters = Quarters(day, lengths, columns, cells)
        day_start = day * QUARTERS_PER_DAY
        for index, low, high in quarters.runs(span.first - day_start, span.end - day_start):
            if by_bucket:
                for at in range(low, high):
                    yield consumer, numbers[index], quarters.number(at), quarters.state(at, at + 1)
            else:
                yield consumer, numbers[index], None, quarters.state(low, high)


def prune_quarters(connection: Connection, before_day: int) -> int:
    """Delete the quarters of earlier days; how many states went."""
    older = "consumer IN (SELECT number FROM consumers) AND day < ?"
    sql = f"SELECT DISTINCT day, consumer FROM quarters WHERE {older}"
    gone = 0
    for key in connection.execute(sql, (before_day,)).fetchall():
        parts = connection.execute(f"{_PARTS} WHERE day = ? AND consumer = ?", key)
        gone += sum(compacted(map(_part, parts)).lengths)
    connection.execute(f"DELETE FROM quarters WHERE {older}", (before_day,))
    return gone
