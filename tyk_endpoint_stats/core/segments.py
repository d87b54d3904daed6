"""States in columns: how many of them travel between processes, and lie in a store, at little cost.

A segment holds the states of one consumer in one UTC day. Nearly every record of sparse traffic is a state of its
own, so what is done to each of them decides the rate of an ingest: a state that stays a number in a column costs
a fraction of one that becomes an object and a row, and columns are summed at the speed of C.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice
from typing import Any

from msgspec import Struct, msgpack

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.rows import CELLS, HITS, LAST, Row, distinct, fold, folded, state_of
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Packed", "Quarters", "Segment", "compacted", "packed", "packed_days"]

_encode = msgpack.Encoder().encode
_decode_columns = msgpack.Decoder(list[list[int]]).decode
_decode_cells = msgpack.Decoder(list[int | list[int | dict[int, int]]]).decode


class Packed(Struct, array_like=True):
    """States of one consumer in one day in columns, by endpoint and then by quarter.

    Attributes:
        endpoints: their numbers, whatever gave them out.
        lengths: how many states each of the endpoints has.
        hits: of all states.
        columns: MessagePack of the columns of the rows but for the last.
        cells: MessagePack of that.
        first, last: no state's quarter of the day is before or behind these.
    """

    endpoints: list[int]
    lengths: list[int]
    hits: int
    columns: bytes
    cells: bytes
    first: int = 0
    last: int = QUARTER_HOURS_PER_DAY - 1

    def table(self) -> list[Sequence[Any]]:
        """The columns of the rows."""
        return [*_decode_columns(self.columns), _decode_cells(self.cells)]

    def rows(self) -> Iterator[tuple[int, list[Row]]]:
        """The endpoints with their rows."""
        rows = zip(*self.table(), strict=True)
        for endpoint, length in zip(self.endpoints, self.lengths, strict=True):
            yield endpoint, list(islice(rows, length))


class Segment(Struct, array_like=True):
    """The states of one consumer in one day.

    Attributes:
        consumer: ``(org_id, consumer kind, consumer id)``.
        day: days since 1970.
        quarters: the quarter states; no state occurs twice.
        days: the day states, one of each endpoint.
    """

    consumer: tuple[str, str, str]
    day: int
    quarters: Packed
    days: Packed

    def last_us(self) -> int:
        """The latest hit."""
        return self.day * DAY_US + max(_decode_columns(self.days.columns)[LAST])


def packed(rows_of: Mapping[int, Sequence[Row]]) -> Packed:
    """The rows of some endpoints, packed."""
    return _packed(list(rows_of), list(map(len, rows_of.values())), list(chain.from_iterable(rows_of.values())))


def packed_days(rows_of: Mapping[int, Sequence[Row]]) -> Packed:
    """What the quarters of a day come to, a state for each endpoint, packed."""
    return _packed(list(rows_of), [1] * len(rows_of), [folded(rows) for rows in rows_of.values()])


def _packed(endpoints: list[int], lengths: list[int], rows: list[Row]) -> Packed:
    if not rows:
        return Packed([], [], 0, _encode([()] * CELLS), _encode([]))
    columns: list[Any] = list(zip(*rows, strict=True))
    packed_columns, cells = _encode(columns[:CELLS]), _encode(columns[CELLS])
    return Packed(endpoints, lengths, sum(columns[HITS]), packed_columns, cells, min(columns[0]), max(columns[0]))


class Quarters:
    """Quarter states of one consumer in one day, unpacked for reading some of them.

    Attributes:
        day: days since 1970.

    Args:
        day: days since 1970.
        lengths: of the ``Packed``.
        columns: of the ``Packed``.
        cells: of the ``Packed``; ``None``: codes and histograms are not wanted.
    """

    def __init__(self, day: int, lengths: Sequence[int], columns: bytes, cells: bytes | None) -> None:
        self.day = day
        self._lengths = lengths
        self._columns: list[Any] = [*_decode_columns(columns)]
        if cells is not None:
            self._columns.append(_decode_cells(cells))

    def runs(self, first: int = 0, end: int = QUARTER_HOURS_PER_DAY) -> Iterator[tuple[int, int, int]]:
        """Where the states of each endpoint in the quarters ``first`` … ``end - 1`` of the day lie.

        Yields:
            The index of the endpoint, and the first and the end of its states; without those that have none.
        """
        quarters = self._columns[0]
        for index, (length, high) in enumerate(zip(self._lengths, accumulate(self._lengths), strict=True)):
            low = high - length
            while low < high and quarters[low] < first:
                low += 1
            while low < high and quarters[high - 1] >= end:
                high -= 1
            if low < high:
                yield index, low, high

    def state(self, low: int, high: int) -> EndpointStats:
        """The states from ``low`` to ``high - 1``, merged."""
        return state_of(self.day, fold([column[low:high] for column in self._columns]))

    @property
    def columns(self) -> Sequence[Sequence[Any]]:
        """Those of the rows, with that of codes and histograms if it is wanted."""
        return self._columns

    def number(self, at: int) -> int:
        """The quarter of a state, since 1970."""
        number: int = self.day * QUARTER_HOURS_PER_DAY + self._columns[0][at]
        return number


def compacted(parts: Iterable[Packed]) -> Packed:
    """Quarter states of one consumer and day in one piece, in which no state occurs twice."""
    found: dict[int, list[Row]] = {}
    for part in parts:
        for endpoint, rows in part.rows():
            found.setdefault(endpoint, []).extend(rows)
    return packed({endpoint: distinct(found[endpoint]) for endpoint in sorted(found)})
