"""Entries: what some hits of one identity in one quarter hour add up to, as tuples.

While a batch is flushed there may be a hundred thousand of them. Python makes and adds up tuples at a fraction of what
objects cost; nothing outside of the flush sees one.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, repeat
from operator import sub
from typing import Final, TypeAlias

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.instants import EPOCH, QUARTER_HOUR_US
from tyk_endpoint_stats.core.packed import BIN_BITS, UNTIMED, pack
from tyk_endpoint_stats.core.running_batch import ERROR, NO_MINIMUM, RunningBatch, Sums

__all__ = [
    "CELLS",
    "HITS",
    "LAST",
    "NUMBER",
    "Entry",
    "Plain",
    "entries_of",
    "merged",
    "one_a_quarter_hour",
    "packed_distribution",
    "packed_quarter_hours",
    "plain_of",
]

_SUCCESS, _REDIRECT = 200 << BIN_BITS, 300 << BIN_BITS

Piece: TypeAlias = tuple[object, ...]
"""An entry as ``core/packed.py`` has it, a ``HitPiece`` or a ``StatePiece``; empty where it was not needed yet."""

Entry: TypeAlias = tuple[
    int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, list[int], dict[int, int], Piece
]  # fmt: skip
"""The quarter hour since 1970; the fields of ``core/fields.py``, but that a maximum is -1 and a minimum ``NO_MINIMUM``
where there is none; the cells of hits that are not counted by cell, and hits by cell; the piece."""

NUMBER: Final = 0
HITS: Final = 1
_TIMED: Final = 4
_MAXIMUM: Final = 8
_NON_ERROR: Final = 12
_FIRST: Final = 14
LAST: Final = 15
CELLS: Final = 16
_COUNTED: Final = 17
_PIECE: Final = 18

_MAX_CELLS = 64
"""More cells are counted: a count takes as much room as some of them."""

_FEW = 4
"""So many entries are merged two by two, more by columns."""

_MAX_APART = 4
"""So many entries a quarter hour stay apart: merging few costs more than it saves."""

_NOTHING_COUNTED: dict[int, int] = {}  # shared, and never written to

Plain: TypeAlias = tuple[int | None, ...]
"""The plain members of a day row."""


def entries_of(running: RunningBatch) -> list[Entry]:
    """The entries of all states of a batch, by their numbers; the batch is used up."""
    latencies, upstreams, cells = running.latencies, running.upstreams, running.cells
    success, error, timed = [1] * len(cells), [0] * len(cells), [1] * len(cells)
    # All sums and extremes of a state of one hit are its own, but those of what is odd.
    odd = [state for state, cell in enumerate(cells) if not _SUCCESS <= cell < _REDIRECT or latencies[state] < 0]
    copies = 6 if odd else 0
    totals, upstream_totals, minima, upstream_minima, non_error, upstream_non_error = (
        [column[:] for column in (latencies, upstreams) * 3] if copies else (latencies, upstreams) * 3
    )
    for state in odd:
        cell = cells[state]
        success[state] = int(_SUCCESS <= cell < _REDIRECT)
        if cell >= ERROR:
            error[state] = 1
            non_error[state] = upstream_non_error[state] = NO_MINIMUM
        if latencies[state] < 0:
            timed[state] = totals[state] = upstream_totals[state] = 0
            minima[state] = upstream_minima[state] = NO_MINIMUM
            non_error[state] = upstream_non_error[state] = NO_MINIMUM
    at_us = [
        (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        for since in map(sub, running.moments, repeat(EPOCH))
    ]
    numbers = [quarter_hour.number for quarter_hour in running.quarter_hours]
    of_day = [number % QUARTER_HOURS_PER_DAY for number in numbers]
    since_us = [instant % QUARTER_HOUR_US for instant in at_us]
    codes = [cell >> BIN_BITS for cell in cells]
    pieces = zip(of_day, since_us, latencies, upstreams, running.request_times, codes, strict=True)
    entries: list[Entry] = list(
        zip(
            numbers,
            repeat(1),
            success,
            error,
            timed,
            running.request_times,
            totals,
            upstream_totals,
            latencies,
            upstreams,
            minima,
            upstream_minima,
            non_error,
            upstream_non_error,
            at_us,
            at_us,
            [[cell] for cell in cells],
            repeat(_NOTHING_COUNTED),
            pieces,
            strict=False,
        )
    )
    for state, several in enumerate(running.sums):
        if several is not None:
            entries[state] = _entry_of(several, numbers[state])
            running.sums[state] = None
    for column in (running.moments, latencies, upstreams, running.request_times, cells, running.sums):
        column.clear()
    return entries


def _entry_of(sums: Sums, number: int) -> Entry:
    """The entry of a state of several hits."""
    (
        latency, beyond, upstream, largest, largest_upstream,
        non_error, upstream_non_error, of_errors, upstream_of_errors, untimed,
    ) = sums.numbers  # fmt: skip
    hits = len(sums.cells)
    success = error = 0
    for cell in sums.cells:
        if cell >= ERROR:
            error += 1
        elif _SUCCESS <= cell < _REDIRECT:
            success += 1
    for cell, count in sums.counted.items():
        hits += count
        if cell >= ERROR:
            error += count
        elif _SUCCESS <= cell < _REDIRECT:
            success += count
    since, until = sums.first - EPOCH, sums.last - EPOCH
    first_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    last_us = (until.days * 86_400 + until.seconds) * 1_000_000 + until.microseconds
    return (
        number,
        hits,
        success,
        error,
        hits - untimed,
        latency + beyond,
        latency,
        upstream,
        largest,
        largest_upstream,
        non_error if non_error < of_errors else of_errors,
        upstream_non_error if upstream_non_error < upstream_of_errors else upstream_of_errors,
        non_error,
        upstream_non_error,
        first_us,
        last_us,
        sums.cells,
        sums.counted,
        (),
    )


def merged(entries: Sequence[Entry]) -> Entry:
    """The merge of at least one entry, under the first one's quarter hour."""
    if len(entries) <= _FEW:
        result = entries[0]
        for entry in entries[1:]:
            result = _merged_two(result, entry)
        return result
    (
        numbers, hits, success, error, timed, request_times, latencies, upstreams, largest, largest_upstream,
        smallest, smallest_upstream, non_error, upstream_non_error, first, last, cells, counted, _,
    ) = zip(*entries, strict=True)  # fmt: skip
    return (
        numbers[0],
        sum(hits),
        sum(success),
        sum(error),
        sum(timed),
        sum(request_times),
        sum(latencies),
        sum(upstreams),
        max(largest),
        max(largest_upstream),
        min(smallest),
        min(smallest_upstream),
        min(non_error),
        min(upstream_non_error),
        min(first),
        max(last),
        *_cells(list(chain.from_iterable(cells)), counted),
        (),
    )


def _merged_two(one: Entry, other: Entry) -> Entry:
    # Without calls: half of what columns take as long as entries are few.
    (
        number, hits, success, error, timed, request_time, latency, upstream, largest, largest_upstream,
        smallest, smallest_upstream, non_error, upstream_non_error, first, last, cells, counted, _,
    ) = one  # fmt: skip
    (
        _, hits2, success2, error2, timed2, request_time2, latency2, upstream2, largest2, largest_upstream2,
        smallest2, smallest_upstream2, non_error2, upstream_non_error2, first2, last2, cells2, counted2, _,
    ) = other  # fmt: skip
    return (
        number,
        hits + hits2,
        success + success2,
        error + error2,
        timed + timed2,
        request_time + request_time2,
        latency + latency2,
        upstream + upstream2,
        largest if largest > largest2 else largest2,
        largest_upstream if largest_upstream > largest_upstream2 else largest_upstream2,
        smallest if smallest < smallest2 else smallest2,
        smallest_upstream if smallest_upstream < smallest_upstream2 else smallest_upstream2,
        non_error if non_error < non_error2 else non_error2,
        upstream_non_error if upstream_non_error < upstream_non_error2 else upstream_non_error2,
        first if first < first2 else first2,
        last if last > last2 else last2,
        *_cells(cells + cells2, (counted, counted2)),
        (),
    )


def _cells(cells: list[int], counted: Sequence[dict[int, int]]) -> tuple[list[int], dict[int, int]]:
    if len(cells) <= _MAX_CELLS and not any(counted):
        return cells, _NOTHING_COUNTED
    total = dict(Counter(cells))
    for counts in counted:
        if counts:
            add_counts(total, counts)
    return [], total


def plain_of(entry: Entry) -> Plain:
    """An entry's plain members, as a day row has them."""
    if not entry[_TIMED]:
        return (*entry[HITS:_MAXIMUM], None, None, None, None, None, None, *entry[_FIRST:CELLS])
    if entry[_NON_ERROR] == NO_MINIMUM:
        return (*entry[HITS:_NON_ERROR], None, None, *entry[_FIRST:CELLS])
    return entry[HITS:CELLS]


def one_a_quarter_hour(entries: list[Entry]) -> list[Entry]:
    """The same with entries of one quarter hour merged; as they are where there are few of each."""
    if len(entries) <= _MAX_APART or len({entry[0] for entry in entries}) * _MAX_APART >= len(entries):
        return entries
    by_number: dict[int, list[Entry]] = {}
    for entry in entries:
        number = entry[NUMBER]
        known = by_number.get(number)
        if known is None:
            by_number[number] = [entry]
        else:
            known.append(entry)
    return [of_one[0] if len(of_one) == 1 else merged(of_one) for of_one in by_number.values()]


def packed_quarter_hours(entries: Sequence[Entry]) -> bytes:
    """The quarter hours of a row, as ``core/packed.py`` has them."""
    hits, states = [], []
    for entry in entries:
        piece = entry[_PIECE]
        if piece:
            hits.append(piece)
        else:
            states.append(_state_piece(entry))
    return pack((hits, states))


def packed_distribution(entry: Entry) -> bytes:
    """The distribution of a row, as ``core/packed.py`` has it."""
    return pack((entry[CELLS], *_counts(entry[_COUNTED])))


def _state_piece(entry: Entry) -> Piece:
    number = entry[NUMBER]
    start_us = number * QUARTER_HOUR_US
    plain = plain_of(entry)[: _FIRST - 1]
    first_us, last_us = entry[_FIRST] - start_us, entry[LAST] - start_us
    return (
        number % QUARTER_HOURS_PER_DAY,
        *plain,
        first_us,
        last_us,
        entry[CELLS],
        *_counts(entry[_COUNTED]),
    )


def _counts(counted: dict[int, int]) -> tuple[dict[int, int], dict[int, int]]:
    """Hits by response code, and timed hits by latency bin."""
    if not counted:
        return _NOTHING_COUNTED, _NOTHING_COUNTED
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for cell, count in counted.items():
        code, latency_bin = cell >> BIN_BITS, cell & UNTIMED
        codes[code] = codes.get(code, 0) + count
        if latency_bin != UNTIMED:
            histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    return codes, histogram
