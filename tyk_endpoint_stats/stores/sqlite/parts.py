"""Parts in SQL: packed states that are appended, and moved into larger parts.

A merge appends a part for each consumer and day. As soon as ``FAN_IN`` of one level are there, they become one of
the next, so that an answer reads few of them and each state is moved a few times at most, however often and however
little is merged. Full ones stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from sqlite3 import Connection

from msgspec import Struct, msgpack

from tyk_endpoint_stats.core.segments import Packed

__all__ = ["FAN_IN", "FULL", "MOST_HITS", "PartTable", "endpoints_in"]

FAN_IN = 8
FULL = 8_192
"""A part of so many states is not moved any more: what is put together is in memory at once."""

_FULL_LEVEL = 99

MOST_HITS = 2**63 - 1
"""What the column of hits can hold; a part of more says so many."""

_encode = msgpack.Encoder().encode
endpoints_in = msgpack.Decoder(tuple[list[int], list[int], int, int]).decode
"""The column of endpoints: their numbers, how many states each has, and ``first`` and ``last`` of ``Packed``."""


class PartTable(Struct, frozen=True):
    """A table of parts.

    Attributes:
        name: of the table; its columns are day, consumer, level, states, hits, endpoints, columns and cells.
        put_together: several parts of one consumer and day in one.
    """

    name: str
    put_together: Callable[[Iterable[Packed]], Packed]

    def append(self, connection: Connection, part: Packed, day: int, consumer: int, level: int = 0) -> None:
        """Add a part, inside a transaction."""
        if not part.endpoints:
            return
        states = sum(part.lengths)
        if states >= FULL:
            level = _FULL_LEVEL
        # The sum of hits is for people; those of the days are what refuses sums past 63 bits.
        sums = (states, min(part.hits, MOST_HITS))
        endpoints = _encode((part.endpoints, part.lengths, part.first, part.last))
        packed = (endpoints, part.columns, part.cells)
        key = (day, consumer, level)
        connection.execute(f"INSERT INTO {self.name} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, *sums, *packed))
        if level == _FULL_LEVEL:
            return
        at = "day = ? AND consumer = ? AND level = ?"
        (count,) = connection.execute(f"SELECT count(*) FROM {self.name} WHERE {at}", key).fetchone()
        if count >= FAN_IN:
            try:
                together = self.put_together(self.select(connection, at, *key))
            except OverflowError:
                return  # MessagePack has 64 bits: such sums stay in several parts
            connection.execute(f"DELETE FROM {self.name} WHERE {at}", key)
            self.append(connection, together, day, consumer, level + 1)

    def select(self, connection: Connection, condition: str, *values: int) -> Iterator[Packed]:
        """The parts for which a condition holds."""
        sql = f"SELECT hits, endpoints, columns, cells FROM {self.name} WHERE {condition}"
        for hits, endpoints, columns, cells in connection.execute(sql, values):
            numbers, lengths, first, last = endpoints_in(endpoints)
            yield Packed(numbers, lengths, hits, columns, cells, first, last)
