"""The flush: from the hits of a running batch to its day rows, all four kinds of them, and the names seen.

Every hit is counted in the row of each consumer it has, and once in its organisation's: in the row of everyone and its
endpoint. The totals over every endpoint are the sums of those rows. An *entry* is what some hits of one quarter hour
give, in a tuple: Python makes and adds up tuples at a fraction of what objects cost.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from operator import sub
from typing import Final, TypeAlias, TypeVar

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, ConsumerKey, Kind, NameSeen
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow
from tyk_endpoint_stats.core.instants import EPOCH, QUARTER_HOUR_US
from tyk_endpoint_stats.core.limits import cut_name
from tyk_endpoint_stats.core.packed import pack, pack_distribution
from tyk_endpoint_stats.core.running_batch import BIN_BITS, ERROR, NO_MINIMUM, UNTIMED, RunningBatch, Sums

__all__ = ["batch_of"]

_SUCCESS, _REDIRECT = 200 << BIN_BITS, 300 << BIN_BITS
_KEY, _OAUTH = Kind.KEY.value, Kind.OAUTH.value  # an enum's member costs more than a global

Cells: TypeAlias = int | dict[int, int]
"""The cell of one hit, or hits by cell."""

Piece: TypeAlias = tuple[int, int, int, int, int, int] | None
"""A hit as ``core/packed.py`` has it (``HitPiece``); ``None`` of an entry of several hits."""

Entry: TypeAlias = tuple[
    int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, Cells, Piece
]  # fmt: skip
"""The quarter hour since 1970; then the fields of ``core/fields.py``, but that a maximum is -1 and a minimum
``NO_MINIMUM`` where there is none; then the cells, and the piece of one hit."""

_NUMBER: Final = 0
_HITS: Final = 1
_TIMED: Final = 4
_MAXIMUM: Final = 8
_NON_ERROR: Final = 12
_FIRST: Final = 14
_LAST: Final = 15
_CELLS: Final = 16
_PIECE: Final = 17

_FEW = 4
"""So many entries are merged two by two, more by columns."""

_MAX_HITS_APART = 4
"""So many hits a quarter hour are packed one by one; more are merged first. Merging few costs more than it saves."""

Named = TypeVar("Named", bound=tuple[str, ...])

Plain: TypeAlias = tuple[int | None, ...]
"""The plain members of a day row."""

RowKey: TypeAlias = tuple[int, int, int]
"""Day, consumer, endpoint."""


def batch_of(running: RunningBatch, path_of: Callable[[str], str]) -> Batch:
    """The batch of these hits.

    Args:
        running: used up, not to be in memory beside the rows.
        path_of: from a path as it was recorded to the one that is counted.
    """
    with _collector_paused():
        return _Flush(running, path_of).batch()


@contextmanager
def _collector_paused() -> Iterator[None]:
    # The cyclic collector's passes over lists of numbers took a third of a flush, and found nothing. Two threads at
    # once may end the pause early, not late.
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Flush:
    def __init__(self, running: RunningBatch, path_of: Callable[[str], str]) -> None:
        self._path_of = path_of
        self._batch = Batch()
        self._consumers: dict[ConsumerKey, int] = {}
        self._of_consumers: dict[RowKey, list[Entry]] = {}
        self._of_everyone: dict[RowKey, list[Entry]] = {}
        self._single_distributions: dict[int, bytes] = {}
        self._running = running

    def batch(self) -> Batch:
        self._sort_out()
        self._rows_of_consumers()
        self._rows_of_everyone()
        self._batch.consumers = list(self._consumers)
        return self._batch

    def _sort_out(self) -> None:
        """Give each entry to the rows that it counts in."""
        running, batch, path_of = self._running, self._batch, self._path_of
        endpoints: dict[tuple[str, str], int] = {}
        recorded: dict[tuple[str, str], int] = {}  # the same by paths as they were recorded
        consumers, of_consumers, of_everyone = self._consumers, self._of_consumers, self._of_everyone
        entries_of: list[list[Entry]] = [[] for _ in running.newest]
        for identity, entry in zip(running.identities, _entries_of(running), strict=True):
            entries_of[identity].append(entry)
        newest_us: int | None = None
        for identity_key, entries in zip(running.newest, entries_of, strict=True):
            names: Sequence[str] = identity_key.split("\t")
            org_id, api_key, oauth_id, api_id, path, alias, api_name = (
                names if len(names) > 1 else running.tabbed[identity_key]
            )
            endpoint = recorded.get((api_id, path))
            if endpoint is None:
                endpoint = endpoints.setdefault((api_id, path_of(path)), len(endpoints) + 1)
                recorded[api_id, path] = endpoint
            last_us = entries[-1][_LAST] if len(entries) == 1 else max([entry[_LAST] for entry in entries])
            if newest_us is None or last_us > newest_us:
                newest_us = last_us
            if api_name:
                _see(batch.api_names, (org_id, api_id), last_us, api_name)
            everyone = (org_id, EVERYONE, "")
            keys = [consumers.setdefault(everyone, len(consumers))]
            for kind, consumer_id in ((_KEY, api_key), (_OAUTH, oauth_id)):
                if consumer_id:
                    key = (org_id, kind, consumer_id)
                    keys.append(consumers.setdefault(key, len(consumers)))
                    if alias:
                        _see(batch.aliases, key, last_us, alias)
            for day, of_day in _by_day(entries):
                _extend(of_everyone, (day, keys[0], endpoint), of_day)
                for consumer in keys[1:]:
                    _extend(of_consumers, (day, consumer, endpoint), of_day)
        batch.endpoints = list(endpoints)
        batch.newest_us = newest_us

    def _rows_of_consumers(self) -> None:
        rows, totals = self._batch.rows, self._batch.totals
        by_consumer: dict[tuple[int, int], list[tuple[Entry, DayRow]]] = {}
        while self._of_consumers:
            (day, consumer, endpoint), entries = self._of_consumers.popitem()
            entry = entries[0] if len(entries) == 1 else _merged(entries)
            row = self._row(day, consumer, endpoint, entry, _packed_quarter_hours(entries))
            rows.append(row)
            known = by_consumer.get((day, consumer))
            if known is None:
                by_consumer[day, consumer] = [(entry, row)]
            else:
                known.append((entry, row))
        for (day, consumer), several in by_consumer.items():
            if len(several) == 1:
                (_, _, _, *plain, distribution, _) = several[0][1]
                totals.append(_day_row((day, consumer, EVERY_ENDPOINT, *plain, distribution, b"")))
            else:
                entry = _merged([one[0] for one in several])
                totals.append(self._row(day, consumer, EVERY_ENDPOINT, entry, b""))

    def _rows_of_everyone(self) -> None:
        totals = self._batch.totals
        by_day: dict[tuple[int, int], list[Entry]] = {}
        while self._of_everyone:
            (day, everyone, endpoint), entries = self._of_everyone.popitem()
            entries = _one_a_quarter_hour(entries)
            entry = entries[0] if len(entries) == 1 else _merged(entries)
            totals.append(self._row(day, everyone, endpoint, entry, _packed_quarter_hours(entries)))
            by_day.setdefault((day, everyone), []).extend(entries)
        for (day, everyone), entries in by_day.items():
            entries = _one_a_quarter_hour(entries)
            entry = entries[0] if len(entries) == 1 else _merged(entries)
            totals.append(self._row(day, everyone, EVERY_ENDPOINT, entry, _packed_quarter_hours(entries)))

    def _row(self, day: int, consumer: int, endpoint: int, entry: Entry, quarter_hours: bytes) -> DayRow:
        distribution = self._distribution_of(entry[_CELLS])
        return _day_row((day, consumer, endpoint, *_plain_of(entry), distribution, quarter_hours))

    def _distribution_of(self, cells: Cells) -> bytes:
        single = self._single_distributions
        if isinstance(cells, int):
            known = single.get(cells)
            if known is None:
                known = single[cells] = pack_distribution(*_counts_of(cells))
            return known
        if len(cells) <= _MAX_HITS_APART and sum(cells.values()) == len(cells):
            return b"".join([self._distribution_of(cell) for cell in cells])
        return pack_distribution(*_counts_of(cells))


def _day_row(values: tuple[object, ...]) -> DayRow:
    return tuple.__new__(DayRow, values)  # a third of the time of DayRow(*values)


def _extend(entries_of: dict[RowKey, list[Entry]], key: RowKey, entries: list[Entry]) -> None:
    known = entries_of.get(key)
    if known is None:
        entries_of[key] = list(entries)
    else:
        known += entries


def _entries_of(running: RunningBatch) -> list[Entry]:
    """The entries of all states, by their numbers."""
    latencies, upstreams, cells = running.latencies, running.upstreams, running.cells
    success, error, timed = [1] * len(cells), [0] * len(cells), [1] * len(cells)
    totals, upstream_totals = latencies, upstreams
    minima, upstream_minima = latencies, upstreams
    non_error, upstream_non_error = latencies, upstreams
    odd = [state for state, cell in enumerate(cells) if not _SUCCESS <= cell < _REDIRECT or latencies[state] < 0]
    if odd:
        totals, upstream_totals = latencies[:], upstreams[:]
        minima, upstream_minima = latencies[:], upstreams[:]
        non_error, upstream_non_error = latencies[:], upstreams[:]
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
    sums = (running.request_times, totals, upstream_totals)
    extremes = (latencies, upstreams, minima, upstream_minima, non_error, upstream_non_error, at_us, at_us)
    of_day = [number % QUARTER_HOURS_PER_DAY for number in numbers]
    since_us = [instant % QUARTER_HOUR_US for instant in at_us]
    codes = [cell >> BIN_BITS for cell in cells]
    pieces = zip(of_day, since_us, latencies, upstreams, running.request_times, codes, strict=True)
    columns = (numbers, repeat(1), success, error, timed, *sums, *extremes, cells, pieces)
    entries: list[Entry] = list(zip(*columns, strict=False))
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
        non_error, upstream_non_error, of_errors, upstream_of_errors,
    ) = sums.numbers  # fmt: skip
    cells = dict(Counter(sums.cells))
    for cell, count in sums.counted.items():
        cells[cell] = cells.get(cell, 0) + count
    hits = success = error = timed = 0
    for cell, count in cells.items():
        hits += count
        if cell >= ERROR:
            error += count
        elif _SUCCESS <= cell < _REDIRECT:
            success += count
        if cell & UNTIMED != UNTIMED:
            timed += count
    since, until = sums.first - EPOCH, sums.last - EPOCH
    return (
        number,
        hits,
        success,
        error,
        timed,
        latency + beyond,
        latency,
        upstream,
        largest,
        largest_upstream,
        min(non_error, of_errors),
        min(upstream_non_error, upstream_of_errors),
        non_error,
        upstream_non_error,
        (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds,
        (until.days * 86_400 + until.seconds) * 1_000_000 + until.microseconds,
        cells,
        None,
    )


def _merged(entries: Sequence[Entry]) -> Entry:
    """The merge of several entries, under the first one's quarter hour."""
    if len(entries) <= _FEW:
        merged = entries[0]
        for entry in entries[1:]:
            merged = _merged_two(merged, entry)
        return merged
    (
        numbers, hits, success, error, timed, request_times, latencies, upstreams, largest, largest_upstream,
        smallest, smallest_upstream, non_error, upstream_non_error, first, last, cells, _,
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
        _merged_cells(cells),
        None,
    )


def _merged_two(one: Entry, other: Entry) -> Entry:
    # Without calls: half of what columns take as long as entries are few.
    (
        number, hits, success, error, timed, request_time, latency, upstream, largest, largest_upstream,
        smallest, smallest_upstream, non_error, upstream_non_error, first, last, cells, _,
    ) = one  # fmt: skip
    (
        _, hits2, success2, error2, timed2, request_time2, latency2, upstream2, largest2, largest_upstream2,
        smallest2, smallest_upstream2, non_error2, upstream_non_error2, first2, last2, cells2, _,
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
        _merged_cells((cells, cells2)),
        None,
    )


def _merged_cells(several: Iterable[Cells]) -> dict[int, int]:
    cells: dict[int, int] = {}
    get = cells.get
    for one in several:
        if isinstance(one, int):
            cells[one] = get(one, 0) + 1
        else:
            for cell, count in one.items():
                cells[cell] = get(cell, 0) + count
    return cells


def _counts_of(cells: Cells) -> tuple[dict[int, int], dict[int, int]]:
    """Hits by response code, and timed hits by latency bin."""
    if isinstance(cells, int):
        latency_bin = cells & UNTIMED
        return {cells >> BIN_BITS: 1}, {} if latency_bin == UNTIMED else {latency_bin: 1}
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for cell, count in cells.items():
        code, latency_bin = cell >> BIN_BITS, cell & UNTIMED
        codes[code] = codes.get(code, 0) + count
        if latency_bin != UNTIMED:
            histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    return codes, histogram


def _plain_of(entry: Entry) -> Plain:
    """An entry's plain members, as a day row has them."""
    if not entry[_TIMED]:
        return (*entry[_HITS:_MAXIMUM], None, None, None, None, None, None, *entry[_FIRST:_CELLS])
    if entry[_NON_ERROR] == NO_MINIMUM:
        return (*entry[_HITS:_NON_ERROR], None, None, *entry[_FIRST:_CELLS])
    return entry[_HITS:_CELLS]


def _by_day(entries: list[Entry]) -> Iterable[tuple[int, list[Entry]]]:
    first_day = entries[0][_NUMBER] // QUARTER_HOURS_PER_DAY
    if len(entries) == 1:
        return ((first_day, entries),)
    days: dict[int, list[Entry]] = {}
    for entry in entries:
        days.setdefault(entry[_NUMBER] // QUARTER_HOURS_PER_DAY, []).append(entry)
    return days.items()


def _one_a_quarter_hour(entries: list[Entry]) -> list[Entry]:
    """The same with entries of one quarter hour merged; as they are where there are few of each."""
    if len(entries) <= _MAX_HITS_APART or len({entry[0] for entry in entries}) * _MAX_HITS_APART >= len(entries):
        return entries
    by_number: dict[int, list[Entry]] = {}
    for entry in entries:
        number = entry[_NUMBER]
        known = by_number.get(number)
        if known is None:
            by_number[number] = [entry]
        else:
            known.append(entry)
    return [of_one[0] if len(of_one) == 1 else _merged(of_one) for of_one in by_number.values()]


def _packed_quarter_hours(entries: list[Entry]) -> bytes:
    """The quarter hours of a row, as ``core/packed.py`` has them; of equal ones each by itself."""
    pieces = [entry[_PIECE] for entry in entries]
    if None not in pieces:
        return pack((pieces, ()))
    return pack(
        ([piece for piece in pieces if piece is not None], [_state(e) for e in entries if e[_PIECE] is None])
    )


def _state(entry: Entry) -> tuple[object, ...]:
    """An entry of several hits as ``core/packed.py`` has it (``StatePiece``)."""
    number = entry[_NUMBER]
    start_us = number * QUARTER_HOUR_US
    plain = _plain_of(entry)[: _FIRST - 1]
    first_us, last_us = entry[_FIRST] - start_us, entry[_LAST] - start_us
    return number % QUARTER_HOURS_PER_DAY, *plain, first_us, last_us, *_counts_of(entry[_CELLS])


def _see(names: dict[Named, NameSeen], key: Named, last_us: int, name: str) -> None:
    known = names.get(key)
    if known is None or last_us >= known[0]:
        names[key] = max(known or (last_us, ""), (last_us, cut_name(name)))
