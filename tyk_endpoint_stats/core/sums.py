"""Sums: the states of several stretches of time added up, endpoint by endpoint, in columns.

A busy consumer calls most of its endpoints in every stretch: laid beside each other, its columns are added up at
the speed of C, and no state becomes an object before it is part of an answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from operator import gt, itemgetter
from typing import Any, TypeAlias

from msgspec import Struct, msgpack

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.rows import CELLS, NO_HIT
from tyk_endpoint_stats.core.segments import Packed, Quarters, Segment
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Sums", "added", "total"]

Column: TypeAlias = Sequence[Any]

MANY, BESIDE = 64, 1.5
"""States of at least so many are added beside each other, if that takes no more than so many places a state."""

_NON_ERROR_MINIMA = (10, 11)

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[list[int]]).decode


class Sums(Struct):
    """A state for each of some endpoints, without codes and histogram.

    Attributes:
        endpoints: their numbers, in order, whatever gave them out.
        columns: the plain fields of ``EndpointStats`` in their order, but that a minimum over non-error hits is
            ``NO_HIT`` where there is none.
    """

    endpoints: list[int]
    columns: list[Column]

    def __len__(self) -> int:
        return len(self.endpoints)

    @classmethod
    def of_days(cls, segment: Segment, numbers: Sequence[int]) -> "Sums":
        """The days of a segment; ``numbers`` are those of the endpoints, by what stands in the segment."""
        endpoints = [numbers[number] for number in segment.days.endpoints]
        table = [endpoints, *_instants_since(segment.day, _decode(segment.days.columns)[1:])]
        if any(map(gt, endpoints, endpoints[1:])):
            order = sorted(range(len(endpoints)), key=endpoints.__getitem__)
            table = [[column[at] for at in order] for column in table]
        return cls([*table[0]], table[1:])

    @classmethod
    def of_quarters(cls, quarters: Quarters, endpoints: Sequence[int], first: int, end: int) -> "Sums":
        """What the quarters ``first`` … ``end - 1`` of a day come to; ``endpoints`` are those of the ``Packed``."""
        runs = sorted((endpoints[index], slice(low, high)) for index, low, high in quarters.runs(first, end))
        columns = _each_reduced(quarters.columns[1:CELLS], [run for _, run in runs])
        return cls([endpoint for endpoint, _ in runs], _instants_since(quarters.day, columns))

    @classmethod
    def unpacked(cls, endpoints: list[int], columns: bytes) -> "Sums":
        """What ``packed`` packed."""
        return cls(endpoints, [*_decode(columns)])

    def only(self, endpoints: AbstractSet[int]) -> "Sums":
        """The states of some endpoints."""
        places = [place for place, endpoint in enumerate(self.endpoints) if endpoint in endpoints]
        if len(places) == len(self):
            return self
        endpoints_left, *columns = ([column[at] for at in places] for column in (self.endpoints, *self.columns))
        return Sums(endpoints_left, [*columns])

    def packed(self) -> Packed:
        """The same in MessagePack."""
        return Packed(self.endpoints, [1] * len(self), sum(self.columns[0]), _encode(self.columns), b"")

    def states(self) -> Iterator[tuple[int, EndpointStats]]:
        """The endpoints with their states."""
        columns = self.columns[:]
        for at in _NON_ERROR_MINIMA:
            columns[at] = [None if least == NO_HIT else least for least in columns[at]]
        return zip(self.endpoints, map(EndpointStats, *columns), strict=True)


def added(parts: Sequence[Sums]) -> Sums:
    """What some parts, at least one, come to: a state for each endpoint that is in any of them."""
    if len(parts) == 1:
        return parts[0]
    endpoints = sorted(set(chain.from_iterable(part.endpoints for part in parts)))
    states = sum(map(len, parts))
    # Beside each other, a part costs something for endpoints that it has not, too, and each column for being one.
    if states >= MANY and len(endpoints) * len(parts) <= BESIDE * states:
        return Sums(endpoints, _added_beside([_padded(part, endpoints) for part in parts]))
    return Sums(endpoints, _added_one_by_one(parts, endpoints))


def total(parts: Sequence[Sums]) -> Sums:
    """What all states of some parts come to: one, of an endpoint 0."""
    columns = zip(_COLUMNS, zip(*[part.columns for part in parts], strict=True), strict=True)
    return Sums([0], [[add(chain.from_iterable(each))] for (add, _), each in columns])


def _added_beside(tables: Sequence[Sequence[Column]]) -> list[Column]:
    beside = zip(_COLUMNS, zip(*tables, strict=True), strict=True)
    return [list(map(add, zip(*columns, strict=True))) for (add, _), columns in beside]


def _added_one_by_one(parts: Sequence[Sums], endpoints: Sequence[int]) -> list[Column]:
    states_of: dict[int, list[tuple[int, ...]]] = {endpoint: [] for endpoint in endpoints}
    for part in parts:
        for endpoint, state in zip(part.endpoints, zip(*part.columns, strict=True), strict=True):
            states_of[endpoint].append(state)
    rows: list[Sequence[int]] = [
        states[0] if len(states) == 1 else _reduced(states) for states in states_of.values()
    ]
    return [*zip(*rows, strict=True)]


def _reduced(states: Sequence[Sequence[int]]) -> list[int]:
    return [add(column) for (add, _), column in zip(_COLUMNS, zip(*states, strict=True), strict=True)]


def _padded(part: Sums, endpoints: list[int]) -> Sequence[Column]:
    """A part's columns with a place for each of all endpoints."""
    if part.endpoints == endpoints:
        return part.columns
    places = {endpoint: place for place, endpoint in enumerate(part.endpoints)}
    behind = len(places)
    pick = itemgetter(*[places.get(endpoint, behind) for endpoint in endpoints])  # several, or they were equal
    return [pick([*column, nothing]) for column, (_, nothing) in zip(part.columns, _COLUMNS, strict=True)]


def _each_reduced(columns: Sequence[Column], runs: Sequence[slice]) -> list[Column]:
    """What each run of states comes to, column by column."""
    return [
        list(map(add, map(column.__getitem__, runs))) for (add, _), column in zip(_COLUMNS, columns, strict=True)
    ]


def _instants_since(day: int, columns: Sequence[Column]) -> list[Column]:
    """Columns whose instants were microseconds of the day."""
    start_us = day * DAY_US
    first, last = ([offset + start_us for offset in column] for column in columns[-2:])
    return [*columns[:-2], first, last]


_COLUMNS: tuple[tuple[Callable[[Iterable[int]], int], int], ...] = (
    *[(sum, 0)] * 6,
    *[(max, -NO_HIT)] * 2,
    *[(min, NO_HIT)] * 5,
    (max, -NO_HIT),
)
"""How each column is added up, and what changes nothing in it."""
