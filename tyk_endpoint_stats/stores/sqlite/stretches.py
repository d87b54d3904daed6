"""Stretches: days summed up one, four and sixteen at a time: a month is read from some 9 buckets and not from 30.

A stretch has no codes and no histogram: few questions about long ranges want them, and merging them would cost more
than all the rest. So it does not grow with traffic, as a day does: of a busy key's, five sixths are its histogram.
That is why there are stretches of a single day. They lie packed: rows of them took half as much again to read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from sqlite3 import Connection

from tyk_endpoint_stats.core.segments import Packed, Segment
from tyk_endpoint_stats.core.sums import Sums, added
from tyk_endpoint_stats.stores.sqlite.parts import PartTable
from tyk_endpoint_stats.stores.sqlite.schema import LENGTHS, table_of

__all__ = ["ranges_of", "some_together", "sum_up", "summed_before", "sums_of_stretches", "write_stretches"]

MOST_TOGETHER = 16_384
"""So many states are in memory at once, at some 0.5 kB each; more of a consumer stay in several parts."""

_CONSUMERS_AT_ONCE = 10_000
_OF_RANGE = "consumer = ? AND day >= ? AND day < ?"


def _put_together(parts: Iterable[Packed]) -> Packed:
    return added([Sums.unpacked(part.endpoints, part.columns) for part in parts]).packed()


_TABLES = {length: PartTable(table_of(length), _put_together) for length in LENGTHS}


def write_stretches(
    connection: Connection, segments: Sequence[Segment], consumers: Sequence[int], endpoints: Sequence[int]
) -> None:
    """Append the days of segments, and to the longer stretches that were summed up before.

    Args:
        connection: inside a transaction.
        segments: of one batch.
        consumers: the number of each segment's consumer.
        endpoints: the numbers of the batch's endpoints.
    """
    before_day = summed_before(connection)
    for segment, consumer in zip(segments, consumers, strict=True):
        part = Sums.of_days(segment, endpoints).packed()
        for length, table in _TABLES.items():
            if length == 1 or segment.day < before_day[length]:
                table.append(connection, part, segment.day - segment.day % length, consumer)


def sum_up(connection: Connection, newest_day: int) -> None:
    """Sum up the stretches that ended a day before ``newest_day`` or earlier, each of them once.

    Before, while most of their hits come in, that would multiply its cost. Of a day that ended, the parts are put
    together.
    """
    before_day = summed_before(connection)
    shorter = 1
    for length in reversed(LENGTHS):
        first, end = before_day[length], (newest_day - 1) // length * length
        if first < end:
            for consumer, start in _keys(connection, shorter, length, first, end):
                _sum_up_one(connection, shorter, length, consumer, start)
            connection.execute("UPDATE summed SET before_day = ? WHERE days = ?", (end, length))
        shorter = length


def _keys(connection: Connection, shorter: int, length: int, first: int, end: int) -> Iterator[tuple[int, int]]:
    """Consumers and first days of the stretches to sum up from a table of shorter ones, or of the same length."""
    (last_consumer,) = connection.execute("SELECT ifnull(max(number), 0) FROM consumers").fetchone()
    whose = "consumer IN (SELECT number FROM consumers WHERE number BETWEEN ? AND ?)"
    several = "HAVING count(*) > 1" if length == shorter else ""
    sql = f"SELECT consumer, day FROM {table_of(shorter)} WHERE {whose} AND day >= ? AND day < ?"
    for low in range(1, last_consumer + 1, _CONSUMERS_AT_ONCE):
        span = (low, low + _CONSUMERS_AT_ONCE - 1, first, end)
        # All of them at once: what is read here is written to while they are gone through.
        found = connection.execute(f"{sql} GROUP BY consumer, day {several}", span).fetchall()
        yield from sorted({(consumer, day - day % length) for consumer, day in found})


def _sum_up_one(connection: Connection, shorter: int, length: int, consumer: int, start: int) -> None:
    of_range = (consumer, start, start + length)
    try:
        packed = [part.packed() for part in some_together(sums_of_stretches(connection, shorter, *of_range))]
    except OverflowError:  # MessagePack has 64 bits: such sums stay in several parts
        packed = list(_TABLES[shorter].select(connection, _OF_RANGE, *of_range))
    if length == shorter:
        connection.execute(f"DELETE FROM {table_of(length)} WHERE consumer = ? AND day = ?", (consumer, start))
    for each in packed:
        _TABLES[length].append(connection, each, start, consumer)


def sums_of_stretches(
    connection: Connection,
    length: int,
    consumer: int,
    first: int,
    end: int,
    check: Callable[[int], None] = lambda endpoints: None,
) -> Iterator[Sums]:
    """A consumer's stretches of one length from a day to the one before ``end``, part by part.

    Args:
        connection: inside a transaction.
        length: in days.
        consumer: its number.
        first: the first day.
        end: the day behind the last.
        check: told how many endpoints a part has before it is unpacked; it may raise.
    """
    for packed in _TABLES[length].select(connection, _OF_RANGE, consumer, first, end):
        check(len(packed.endpoints))
        yield Sums.unpacked(packed.endpoints, packed.columns)


def some_together(parts: Iterable[Sums]) -> Iterator[Sums]:
    """Parts added up, some at a time: no more than ``MOST_TOGETHER`` states and one part are in memory."""
    waiting: list[Sums] = []
    states = 0
    for part in parts:
        waiting.append(part)
        states += len(part)
        if states >= MOST_TOGETHER:
            yield added(waiting)
            waiting, states = [], 0
    if waiting:
        yield added(waiting)


def ranges_of(
    first: int, end: int, before_day: Mapping[int, int], lengths: tuple[int, ...] = LENGTHS
) -> list[tuple[int, int, int]]:
    """Which stretches are the days ``first`` … ``end - 1``: whole ones, the longest there are.

    Args:
        first: a day since 1970.
        end: the one behind the last.
        before_day: by the length of stretches, the first day that is not summed up.
        lengths: of the stretches to use, longest first; the last of them is 1.

    Returns:
        Their length, and the first of their days and the one behind the last, in order of time.
    """
    if first >= end:
        return []
    length, *rest = lengths
    if length == 1:
        return [(1, first, end)]
    shorter = tuple(rest)
    low, high = -(-first // length) * length, min(end // length * length, before_day[length])
    if low >= high:
        return ranges_of(first, end, before_day, shorter)
    return [
        *ranges_of(first, low, before_day, shorter),
        (length, low, high),
        *ranges_of(high, end, before_day, shorter),
    ]


def summed_before(connection: Connection) -> dict[int, int]:
    """By their length, the first day whose stretch is not summed up."""
    return dict(connection.execute("SELECT days, before_day FROM summed").fetchall())
