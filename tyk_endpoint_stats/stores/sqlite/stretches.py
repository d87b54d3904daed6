"""Stretches: days summed up one, four and sixteen at a time: a month is read from some 9 buckets and not from 30.

A stretch has no codes and no histogram: few questions about long ranges want them, and merging them would cost more
than all the rest. So it does not grow with traffic, as a day does: of a busy key's, five sixths are its histogram.
That is why there are stretches of a single day. They lie packed: rows of them took half as much again to read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from sqlite3 import Connection
from typing import TypeVar

from tyk_endpoint_stats.core.segments import Packed, Segment
from tyk_endpoint_stats.core.sums import Sums, added
from tyk_endpoint_stats.stores.sqlite.parts import Part, PartTable, endpoints_in
from tyk_endpoint_stats.stores.sqlite.queries import Query
from tyk_endpoint_stats.stores.sqlite.schema import LENGTHS, table_of

__all__ = [
    "ranges_of",
    "some_at_a_time",
    "sum_up",
    "summed_before",
    "sums_of_stretches",
    "write_stretches",
    "written_before",
]

LARGE = 256
"""Parts of so many states become one at once: all of them are read, and each has nearly all endpoints."""

MAX_TOGETHER = 16_384
"""So many states are in memory at once, at some 0.5 kB each; more of a consumer stay in several parts."""

_A_PART = 512
"""How many states more each part counts for: many objects at once cost the collector's time."""

_CONSUMERS_AT_ONCE = 10_000
_EVER = 10**9

PackedOrSums = TypeVar("PackedOrSums", Packed, Sums)


def _put_together(parts: Iterable[Packed]) -> Packed:
    return added([Sums.unpacked(part.endpoints, part.columns) for part in parts]).packed()


_TABLES = {length: PartTable(table_of(length), _put_together, LARGE) for length in LENGTHS}


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
    before_day = written_before(connection)
    of_each = list(zip(segments, consumers, strict=True))
    for length, table in _TABLES.items():
        parts = (
            Part(consumer, segment.day - segment.day % length, Sums.of_days(segment, endpoints).packed())
            for segment, consumer in of_each
            if segment.day < before_day[length]
        )
        table.append(connection, parts)


def sum_up(connection: Connection, newest_day: int) -> None:
    """Sum up the stretches that ended a day before ``newest_day`` or earlier, each of them once.

    Before, while most of their hits come in, that would multiply its cost. Of a day that ended, the parts are put
    together.
    """
    before_day = summed_before(connection)
    for length, shorter in zip(reversed(LENGTHS), (None, *reversed(LENGTHS)), strict=False):
        first, end = before_day[length], (newest_day - 1) // length * length
        if first < end:
            if shorter is None:
                _put_days_together(connection, first, end)
            else:
                of_everybody = "consumer IN (SELECT number FROM consumers) AND day >= ? AND day < ?"
                parts = _TABLES[shorter].select(connection, f"{of_everybody} ORDER BY consumer, day", first, end)
                _TABLES[length].insert(connection, _summed_up(parts, length))
            connection.execute("UPDATE summed SET before_day = ? WHERE days = ?", (end, length))


def _put_days_together(connection: Connection, first: int, end: int) -> None:
    days = _TABLES[1]
    (last_consumer,) = connection.execute("SELECT ifnull(max(number), 0) FROM consumers").fetchone()
    sql = f"""
    SELECT consumer, day FROM {days.name}
    WHERE consumer IN (SELECT number FROM consumers WHERE number BETWEEN ? AND ?) AND day >= ? AND day < ?
    GROUP BY consumer, day HAVING count(*) > 1"""
    for low in range(1, last_consumer + 1, _CONSUMERS_AT_ONCE):
        # All of them at once: what is read here is written to while they are gone through.
        for key in connection.execute(sql, (low, low + _CONSUMERS_AT_ONCE - 1, first, end)).fetchall():
            parts = list(_summed_up(days.select(connection, "consumer = ? AND day = ?", *key), 1))
            connection.execute(f"DELETE FROM {days.name} WHERE consumer = ? AND day = ?", key)
            days.insert(connection, parts)


def _summed_up(parts: Iterable[Part], length: int) -> Iterator[Part]:
    """The parts of stretches of a length, from shorter ones in order of consumers and days."""
    for (consumer, start), of_stretch in groupby(parts, lambda part: (part.consumer, part.day - part.day % length)):
        for several in some_at_a_time(part.packed for part in of_stretch):
            try:
                # A single one stays as it is: where consumers call little, most are.
                together = several if len(several) == 1 else [_put_together(several)]
            except OverflowError:
                together = several  # MessagePack has 64 bits: such sums stay in several parts
            for packed in together:
                yield Part(consumer, start, packed)


def some_at_a_time(parts: Iterable[PackedOrSums]) -> Iterator[list[PackedOrSums]]:
    """Parts in lists that have ``MAX_TOGETHER`` states at most, but for their last part."""
    waiting: list[PackedOrSums] = []
    states = 0
    for part in parts:
        waiting.append(part)
        states += len(part.endpoints) + _A_PART
        if states >= MAX_TOGETHER:
            yield waiting
            waiting, states = [], 0
    if waiting:
        yield waiting


def sums_of_stretches(
    connection: Connection, whose: Query, length: int, first: int, end: int, check: Callable[[int], None]
) -> Iterator[tuple[int, Sums]]:
    """Some consumers' stretches of one length, part by part: consumers, in order, and sums.

    Args:
        connection: inside a transaction.
        whose: which consumers, as ``consumers_where`` says it.
        length: in days.
        first: the first day.
        end: the day behind the last.
        check: told how many endpoints a part has before it is unpacked; it may raise.
    """
    which, parameters = whose
    sql = f"""
    SELECT consumer, endpoints, columns FROM {table_of(length)}
    WHERE consumer IN (SELECT number FROM consumers{which}) AND day >= ? AND day < ? ORDER BY consumer, day"""
    for consumer, encoded, columns in connection.execute(sql, (*parameters, first, end)):
        endpoints, *_ = endpoints_in(encoded)
        check(len(endpoints))
        yield consumer, Sums.unpacked(endpoints, columns)


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


def written_before(connection: Connection) -> dict[int, int]:
    """By their length, the first day that is in no stretch; those of single days are written at once."""
    return summed_before(connection) | {1: _EVER}
