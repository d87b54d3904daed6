"""Sums: the states of several stretches of time added up, endpoint by endpoint, in columns.

A busy consumer calls most of its endpoints in every stretch: laid beside each other, its columns are added up at
the speed of C, and no state becomes an object before it is part of an answer.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, TypeAlias

from msgspec import Struct, msgpack

from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.rows import CELLS, NO_HIT, fold, state_of
from tyk_endpoint_stats.core.segments import Packed, Segment
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Sums", "added"]

Column: TypeAlias = Sequence[Any]

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[list[int]]).decode


class Sums(Struct):
    """A state for each of some endpoints, without codes and histogram.

    Attributes:
        endpoints: their numbers, in order, whatever gave them out.
        columns: the plain fields of ``EndpointStats`` in their order, but that a minimum over non-error hits is -1
            where there is none.
    """

    endpoints: list[int]
    columns: list[Column]

    def __len__(self) -> int:
        return len(self.endpoints)

    @classmethod
    def of_days(cls, segment: Segment, numbers: Sequence[int]) -> "Sums":
        """The days of a segment; ``numbers`` are those of the endpoints, by what stands in the segment."""
        endpoints = [numbers[number] for number in segment.days.endpoints]
        _, *columns, first, last = _decode(segment.days.columns)
        start_us = segment.day * DAY_US
        columns += ([offset + start_us for offset in first], [offset + start_us for offset in last])
        order = sorted(range(len(endpoints)), key=endpoints.__getitem__)
        return cls([endpoints[at] for at in order], [[column[at] for at in order] for column in columns])

    @classmethod
    def unpacked(cls, packed: Packed) -> "Sums":
        """What ``packed`` made."""
        return cls(packed.endpoints, [*_decode(packed.columns)])

    def packed(self) -> Packed:
        """The same in MessagePack."""
        return Packed(self.endpoints, [1] * len(self), sum(self.columns[0]), _encode(self.columns), b"")

    def states(self) -> Iterator[tuple[int, EndpointStats]]:
        """The endpoints with their states."""
        columns = self.columns[:]
        for at in _MINIMA_OF_SOME:
            columns[at] = [None if least == NO_HIT else least for least in columns[at]]
        return zip(self.endpoints, map(EndpointStats, *columns), strict=True)

    def total(self) -> EndpointStats:
        """What all of them come to."""
        return state_of(0, fold([self.endpoints, *self.columns]))


def added(parts: Sequence[Sums]) -> Sums:
    """What some parts, at least one, come to: a state for each endpoint that is in any of them."""
    if len(parts) == 1:
        return parts[0]
    endpoints = sorted(set(chain.from_iterable(part.endpoints for part in parts)))
    # Beside each other, a part costs something for the endpoints that it has not, too: a third of what it costs in
    # a row for one that it has.
    if len(endpoints) * len(parts) <= 3 * sum(map(len, parts)):
        beside = zip(*[_padded(part, endpoints) for part in parts], strict=True)
        return Sums(endpoints, [add(columns) for (add, _), columns in zip(_COLUMNS, beside, strict=True)])
    return Sums(endpoints, _added_in_a_row(parts))


def _padded(part: Sums, endpoints: list[int]) -> Sequence[Column]:
    """A part's columns with a place for each of all endpoints."""
    if part.endpoints == endpoints:
        return part.columns
    places = {endpoint: place for place, endpoint in enumerate(part.endpoints)}
    behind = len(places)
    pick = itemgetter(*[places.get(endpoint, behind) for endpoint in endpoints])  # several, or they were equal
    return [pick([*column, nothing]) for column, (_, nothing) in zip(part.columns, _COLUMNS, strict=True)]


def _sums(beside: Sequence[Column]) -> Column:
    return list(map(sum, zip(*beside, strict=True)))


def _maxima(beside: Sequence[Column]) -> Column:
    return list(map(max, *beside))


def _minima(beside: Sequence[Column]) -> Column:
    return list(map(min, *beside))


def _minima_of_some(beside: Sequence[Column]) -> Column:
    if any(NO_HIT in column for column in beside):
        beside = [[_NONE_YET if least == NO_HIT else least for least in column] for column in beside]
    minima = _minima(beside)
    return [NO_HIT if least == _NONE_YET else least for least in minima] if _NONE_YET in minima else minima


_NONE_YET = 1 << 62
_COLUMNS: tuple[tuple[Callable[[Sequence[Column]], Column], int], ...] = (
    *[(_sums, 0)] * 6,
    *[(_maxima, -_NONE_YET)] * 2,
    *[(_minima, _NONE_YET)] * 2,
    *[(_minima_of_some, _NONE_YET)] * 2,
    (_minima, _NONE_YET),
    (_maxima, -_NONE_YET),
)
"""How each column is added up, and what changes nothing in it."""
_MINIMA_OF_SOME = [at for at, (add, _) in enumerate(_COLUMNS) if add is _minima_of_some]


def _added_in_a_row(parts: Sequence[Sums]) -> list[Column]:
    endpoints = list(chain.from_iterable(part.endpoints for part in parts))
    pick = itemgetter(*sorted(range(len(endpoints)), key=endpoints.__getitem__))
    table = [pick(endpoints)]
    table += [pick(list(chain(*columns))) for columns in zip(*(part.columns for part in parts), strict=True)]
    rows = []
    low = 0
    for _, group in groupby(table[0]):
        high = low + len(list(group))
        rows.append(fold([column[low:high] for column in table])[1:CELLS])
        low = high
    return [*zip(*rows, strict=True)]
