"""Parts in SQL: packed states that are appended, and moved into larger parts.

A merge appends a part for each consumer and day. As soon as some of one level are there, they become one of the
next, so that an answer reads few of them and each state is moved a few times at most, however often and however
little is merged. Full ones stay as they are.
"""

from collections.abc import Callable, Iterable, Iterator
from sqlite3 import Connection
from typing import Any, NamedTuple

from msgspec import Struct, json, msgpack

from tyk_endpoint_stats.core.segments import Packed

__all__ = ["FAN_IN", "FULL", "MAX_HITS", "Part", "PartTable", "endpoints_in"]

FAN_IN = 8
"""So many parts of one level become one of the next, whatever is in them."""

FULL = 8_192
"""A part of so many states is not moved as more come in: what is put together is in memory at once."""

_FULL_LEVEL = 99

MAX_HITS = 2**63 - 1
"""What the column of hits can hold; a part of more says so many."""

_encode = msgpack.Encoder().encode
endpoints_in = msgpack.Decoder(tuple[list[int], list[int], int, int]).decode
"""The column of endpoints: their numbers, how many states each has, and ``first`` and ``last`` of ``Packed``."""


class Part(NamedTuple):
    """A part and where it belongs: a consumer's number, and a day since 1970."""

    consumer: int
    day: int
    packed: Packed


class PartTable(Struct, frozen=True):
    """A table of parts.

    Attributes:
        name: of the table; its columns are day, consumer, level, states, hits, endpoints, columns and cells.
        put_together: several parts of one consumer and day in one.
        large: two of one level that have so many states together become one of the next; others when they are
            ``FAN_IN``.
    """

    name: str
    put_together: Callable[[Iterable[Packed]], Packed]
    large: int

    @property
    def _are_many(self) -> str:
        return f"(count(*) >= {FAN_IN} OR (count(*) > 1 AND sum(states) >= {self.large}))"

    def insert(self, connection: Connection, parts: Iterable[Part], level: int = 0) -> None:
        """Add parts, inside a transaction."""
        connection.executemany(
            f"INSERT INTO {self.name} VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (_row(part, level) for part in parts if part.packed.endpoints),
        )

    def append(self, connection: Connection, parts: Iterable[Part]) -> None:
        """Add parts, and put together those of one consumer and day as soon as they are many."""
        touched: dict[int, list[int]] = {}

        def watched() -> Iterator[Part]:
            for part in parts:
                touched.setdefault(part.day, []).append(part.consumer)
                yield part

        self.insert(connection, watched())
        sql = f"""
        SELECT consumer, level FROM {self.name}
        WHERE consumer IN (SELECT value FROM json_each(?)) AND day = ? AND level < {_FULL_LEVEL}
        GROUP BY consumer, level HAVING {self._are_many}"""
        for day, consumers in touched.items():
            for consumer, level in connection.execute(sql, (json.encode(consumers).decode(), day)).fetchall():
                self._put_together(connection, consumer, day, level)

    def _put_together(self, connection: Connection, consumer: int, day: int, level: int) -> None:
        at = "consumer = ? AND day = ? AND level = ?"
        key = (consumer, day, level)
        many = f"SELECT 1 FROM {self.name} WHERE {at} GROUP BY level HAVING {self._are_many}"
        if level == _FULL_LEVEL or connection.execute(many, key).fetchone() is None:
            return
        try:
            together = self.put_together(part.packed for part in self.select(connection, at, *key))
        except OverflowError:
            return  # MessagePack has 64 bits: such sums stay in several parts
        connection.execute(f"DELETE FROM {self.name} WHERE {at}", key)
        self.insert(connection, [Part(consumer, day, together)], level + 1)
        self._put_together(connection, consumer, day, level + 1)

    def select(self, connection: Connection, condition: str, *values: Any) -> Iterator[Part]:
        """The parts for which a condition holds."""
        sql = f"SELECT consumer, day, hits, endpoints, columns, cells FROM {self.name} WHERE {condition}"
        for consumer, day, hits, endpoints, columns, cells in connection.execute(sql, values):
            numbers, lengths, first, last = endpoints_in(endpoints)
            yield Part(consumer, day, Packed(numbers, lengths, hits, columns, cells, first, last))


def _row(part: Part, level: int) -> tuple[Any, ...]:
    consumer, day, packed = part
    states = sum(packed.lengths)
    # The sum of hits is for people; those of the days are what refuses sums past 63 bits.
    hits = min(packed.hits, MAX_HITS)
    endpoints = _encode((packed.endpoints, packed.lengths, packed.first, packed.last))
    level = _FULL_LEVEL if states >= FULL else level
    return day, consumer, level, states, hits, endpoints, packed.columns, packed.cells
