"""States in columns: how many of them travel between processes, and lie in a store, at little cost.

A segment holds the states of one consumer in one UTC day. Nearly every record of sparse traffic is a state of its
own, so what is done to each of them decides the rate of an ingest: a state that stays a number in a column costs
a fraction of one that becomes an object and a row, and columns are summed at the speed of C.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, groupby, islice
from operator import itemgetter
from typing import Any, TypeAlias

from msgspec import Struct, msgpack

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = [
    "BIN_BITS",
    "NO_HIT",
    "Packed",
    "Quarters",
    "Row",
    "Segment",
    "compacted",
    "counts_in",
    "distinct",
    "packed",
    "packed_days",
    "row_of",
    "state_of",
]

BIN_BITS = 11  # bin_of(10**12) is 1277
_BIN_MASK = (1 << BIN_BITS) - 1

Row: TypeAlias = tuple[Any, ...]
"""A state: the quarter of the day, then ``EndpointStats``' fields in their order, but that a minimum over non-error
hits is -1 where there is none, that both instants are microseconds of the day, and that the last value is
``(codes, histogram)``, or of a single hit, as most are, one number: its code in the high bits, its latency bin."""

_HITS, _LAST, _CELL = 1, 14, 15
NO_HIT = -1
_quarter_of = itemgetter(0)

_encode = msgpack.Encoder().encode
_decode_columns = msgpack.Decoder(list[list[int]]).decode
_decode_cells = msgpack.Decoder(list[int | tuple[dict[int, int], dict[int, int]]]).decode


class Packed(Struct, array_like=True):
    """States of one consumer in one day in columns, by endpoint and then by quarter.

    Attributes:
        endpoints: their numbers, whatever gave them out.
        lengths: how many states each of the endpoints has.
        hits: of all states.
        columns: MessagePack of the columns of the rows but for the last.
        cells: MessagePack of that.
    """

    endpoints: list[int]
    lengths: list[int]
    hits: int
    columns: bytes
    cells: bytes

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
        return self.day * DAY_US + max(_decode_columns(self.days.columns)[_LAST])


def packed(rows_of: Mapping[int, Sequence[Row]]) -> Packed:
    """The rows of some endpoints, packed."""
    return _packed(list(rows_of), list(map(len, rows_of.values())), list(chain.from_iterable(rows_of.values())))


def packed_days(rows_of: Mapping[int, Sequence[Row]]) -> Packed:
    """What the quarters of a day come to, a state for each endpoint, packed."""
    return _packed(list(rows_of), [1] * len(rows_of), [_folded(rows) for rows in rows_of.values()])


def _packed(endpoints: list[int], lengths: list[int], rows: list[Row]) -> Packed:
    columns: list[Any] = list(zip(*rows, strict=True)) or [()] * (_CELL + 1)
    return Packed(endpoints, lengths, sum(columns[_HITS]), _encode(columns[:_CELL]), _encode(columns[_CELL]))


def _folded(rows: Sequence[Row]) -> Row:
    return rows[0] if len(rows) == 1 else _fold(list(zip(*rows, strict=True)))


class Quarters:
    """Quarter states of one consumer in one day, unpacked for reading some of them.

    Args:
        day: days since 1970.
        lengths: of the ``Packed``.
        columns: of the ``Packed``.
        cells: of the ``Packed``; ``None``: codes and histograms are not wanted.
    """

    def __init__(self, day: int, lengths: Sequence[int], columns: bytes, cells: bytes | None) -> None:
        self._day = day
        self._lengths = lengths
        self._columns: list[Any] = [*_decode_columns(columns)]
        if cells is not None:
            self._columns.append(_decode_cells(cells))

    def runs(self, first: int = 0, end: int = QUARTERS_PER_DAY) -> Iterator[tuple[int, int, int]]:
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
        return state_of(self._day, _fold([column[low:high] for column in self._columns]))

    def rows(self) -> Iterator[Row]:
        """All of the states, with codes and histograms."""
        return zip(*self._columns, strict=True)

    def number(self, at: int) -> int:
        """The quarter of a state, since 1970."""
        number: int = self._day * QUARTERS_PER_DAY + self._columns[0][at]
        return number


def _fold(columns: Sequence[Sequence[Any]]) -> Row:
    """The columns of some rows, merged into one row; of rows without the last value too."""
    quarters, hits, success, error, request, latency, upstream, top, top_upstream, *rest = columns
    least, least_upstream, good, good_upstream, first, last, *cells = rest
    return (
        quarters[0],
        sum(hits),
        sum(success),
        sum(error),
        sum(request),
        sum(latency),
        sum(upstream),
        max(top),
        max(top_upstream),
        min(least),
        min(least_upstream),
        _least(good),
        _least(good_upstream),
        min(first),
        max(last),
        _fold_cells(*cells) if cells else ({}, {}),
    )


def _least(minima: Sequence[int]) -> int:
    least = min(minima)
    return min((each for each in minima if each != NO_HIT), default=NO_HIT) if least == NO_HIT else least


def _fold_cells(cells: Iterable[Any]) -> tuple[dict[int, int], dict[int, int]]:
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for cell in cells:
        if type(cell) is int:
            code, latency_bin = cell >> BIN_BITS, cell & _BIN_MASK
            codes[code] = codes.get(code, 0) + 1
            histogram[latency_bin] = histogram.get(latency_bin, 0) + 1
        else:
            for code, count in cell[0].items():
                codes[code] = codes.get(code, 0) + count
            for latency_bin, count in cell[1].items():
                histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    return codes, histogram


def state_of(day: int, row: Row) -> EndpointStats:
    """A row as a state; it shares codes and histogram with it."""
    *plain, good, good_upstream, first, last, cell = row[1:]
    start_us = day * DAY_US
    make: Callable[..., EndpointStats] = EndpointStats
    return make(
        *plain,
        None if good == NO_HIT else good,
        None if good_upstream == NO_HIT else good_upstream,
        start_us + first,
        start_us + last,
        *counts_in(cell),
    )


def counts_in(cell: Any) -> tuple[dict[int, int], dict[int, int]]:
    """The codes and the histogram in the last value of a row."""
    return ({cell >> BIN_BITS: 1}, {cell & _BIN_MASK: 1}) if type(cell) is int else cell


def row_of(day: int, quarter: int, stats: EndpointStats) -> Row:
    """A state as a row; ``quarter`` is of the day."""
    state: Any = stats  # has a hit, so that nothing but the non-error minima is None
    cell: Any = state.codes, state.histogram
    if state.hits == 1 and len(state.codes) == len(state.histogram) == 1:
        (code,), (latency_bin,) = cell
        cell = (code << BIN_BITS) + latency_bin
    good, good_upstream = state.min_latency_non_error_ms, state.min_upstream_latency_non_error_ms
    return (
        quarter,
        state.hits,
        state.success,
        state.error,
        state.total_request_time_ms,
        state.total_latency_ms,
        state.total_upstream_latency_ms,
        state.max_latency_ms,
        state.max_upstream_latency_ms,
        state.min_latency_all_ms,
        state.min_upstream_latency_all_ms,
        NO_HIT if good is None else good,
        NO_HIT if good_upstream is None else good_upstream,
        state.first_hit_us - day * DAY_US,
        state.last_hit_us - day * DAY_US,
        cell,
    )


def distinct(rows: list[Row]) -> list[Row]:
    """Rows by quarter, those of one quarter merged."""
    rows = sorted(rows, key=_quarter_of)
    if len(set(map(_quarter_of, rows))) == len(rows):
        return rows
    return [_folded(list(group)) for _, group in groupby(rows, _quarter_of)]


def compacted(parts: Iterable[Packed]) -> Packed:
    """Quarter states of one consumer and day in one piece, in which no state occurs twice."""
    found: dict[int, list[Row]] = {}
    for part in parts:
        for endpoint, rows in part.rows():
            found.setdefault(endpoint, []).extend(rows)
    return packed({endpoint: distinct(found[endpoint]) for endpoint in sorted(found)})
