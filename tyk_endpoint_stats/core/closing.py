"""The close: from the hits of a batch to its states in segments, and the names seen."""

import gc
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import repeat
from operator import ge, sub
from typing import Any

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.cells import BIN_BITS, cells_of
from tyk_endpoint_stats.core.hits import Hits
from tyk_endpoint_stats.core.instants import DAY_US, EPOCH
from tyk_endpoint_stats.core.limits import cut_name
from tyk_endpoint_stats.core.rows import LAST, NO_HIT, Row, distinct
from tyk_endpoint_stats.core.segments import Segment, packed, packed_days
from tyk_endpoint_stats.core.selection import Batch, Kind, NameSeen

__all__ = ["batch_of"]

_SUCCESS, _REDIRECT, _ERROR = 200 << BIN_BITS, 300 << BIN_BITS, 400 << BIN_BITS
_KEY, _OAUTH = Kind.KEY, Kind.OAUTH  # an enum's member costs more than a global


def batch_of(hits: Hits, path_of: Callable[[str], str]) -> Batch:
    """The states of a batch: quarters in segments, folded into days; and the names seen.

    Args:
        hits: of the batch; they are used up, not to be in memory beside its rows.
        path_of: from a path as it was recorded to the one that is counted.
    """
    with _collector_paused():
        return _batch_of(hits, _rows_of(hits), path_of)


@contextmanager
def _collector_paused() -> Iterator[None]:
    # The cyclic collector's passes over lists of numbers took a third of a close, and found nothing. Two threads
    # at once may end the pause early, not late.
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _rows_of(hits: Hits) -> list[Row]:
    """The rows of all states, by their numbers."""
    latencies, upstreams, cells = hits.latencies, hits.upstreams, hits.cells
    success, error = [1] * len(cells), [0] * len(cells)
    good, good_upstream = latencies, upstreams
    others = [state for state, cell in enumerate(cells) if not _SUCCESS <= cell < _REDIRECT]
    if others:
        good, good_upstream = latencies[:], upstreams[:]
        for state in others:
            success[state] = 0
            if cells[state] >= _ERROR:
                error[state] = 1
                good[state] = good_upstream[state] = NO_HIT
    quarters = [quarter.number % QUARTER_HOURS_PER_DAY for quarter in hits.quarters]
    at_us = [since.seconds * 1_000_000 + since.microseconds for since in map(sub, hits.moments, repeat(EPOCH))]
    # Most states have one hit where traffic is sparse: all sums and extremes are its own.
    sums = (hits.request_times, latencies, upstreams)
    extremes = (latencies, upstreams, latencies, upstreams, good, good_upstream, at_us, at_us)
    rows: list[Row] = list(zip(quarters, repeat(1), success, error, *sums, *extremes, cells, strict=False))
    for state, several in enumerate(hits.sums):
        if several is not None:
            rows[state] = _row_of(several, quarters[state])
            hits.sums[state] = None
    for column in (hits.moments, hits.latencies, hits.upstreams, hits.request_times, hits.cells, hits.sums):
        column.clear()
    return rows


def _us_of_day(since_epoch: timedelta) -> int:
    return since_epoch.seconds * 1_000_000 + since_epoch.microseconds


def _row_of(sums: list[Any], quarter: int) -> Row:
    """The row of a state of several hits."""
    (
        first, last, latency, more_request_time, upstream, top, top_upstream,
        good, good_upstream, bad, bad_upstream, counted, *cells,
    ) = sums  # fmt: skip
    cells.sort()
    hits = len(cells)
    error = hits - bisect_left(cells, _ERROR)
    success = bisect_left(cells, _REDIRECT) - bisect_left(cells, _SUCCESS)
    distributions = cells_of(cells, counted)
    if counted is not None:
        hits += sum(counted.values())
        error += sum([count for cell, count in counted.items() if cell >= _ERROR])
        success += sum([count for cell, count in counted.items() if _SUCCESS <= cell < _REDIRECT])
    return (
        quarter,
        hits,
        success,
        error,
        latency + more_request_time,
        latency,
        upstream,
        top,
        top_upstream,
        good if good < bad else bad,
        good_upstream if good_upstream < bad_upstream else bad_upstream,
        good,
        good_upstream,
        _us_of_day(first - EPOCH),
        _us_of_day(last - EPOCH),
        distributions,
    )


def _batch_of(hits: Hits, rows: list[Row], path_of: Callable[[str], str]) -> Batch:
    batch = Batch()
    endpoints: dict[tuple[str, str], int] = {}
    recorded: dict[tuple[str, str], int] = {}  # the same by paths as they were recorded
    found: dict[tuple[str, str, str], dict[int, dict[int, list[Row]]]] = {}  # by consumer, day and endpoint
    numbers = [quarter.number for quarter in hits.quarters]
    for identity, states in zip(hits.newest, _by_identity(hits), strict=True):
        parts: Sequence[str] = identity.split("\t")
        org_id, api_key, oauth_id, api_id, path, alias, api_name = (
            parts if len(parts) > 1 else hits.tabbed[identity]
        )
        endpoint = recorded.get((api_id, path))
        if endpoint is None:
            endpoint = endpoints.setdefault((api_id, path_of(path)), len(endpoints))
            recorded[api_id, path] = endpoint
        days = _days_of(states, numbers, rows)
        last_day = next(reversed(days))
        last_us = last_day * DAY_US + days[last_day][-1][LAST]
        if api_name:
            _see(batch.api_names, (org_id, api_id), last_us, api_name)
        for kind, consumer_id in ((_KEY, api_key), (_OAUTH, oauth_id)):
            if not consumer_id:
                continue
            consumer = (org_id, kind, consumer_id)
            if alias:
                _see(batch.aliases, consumer, last_us, alias)
            of_consumer = found.get(consumer)
            if of_consumer is None:
                of_consumer = found[consumer] = {}
            for day, of_identity in days.items():
                of_day = of_consumer.get(day)
                if of_day is None:
                    of_day = of_consumer[day] = {}
                if endpoint in of_day:  # other aliases, clients, API names, or paths that count as one
                    of_identity = distinct(of_day[endpoint] + of_identity)
                of_day[endpoint] = of_identity
    batch.endpoints = list(endpoints)
    batch.segments = [
        Segment(consumer, day, packed(of_day), packed_days(of_day))
        for consumer, of_consumer in found.items()
        for day, of_day in of_consumer.items()
    ]
    return batch


def _by_identity(hits: Hits) -> list[list[int]]:
    by_identity: list[list[int]] = [[] for _ in hits.newest]
    for state, identity in enumerate(hits.identities):
        by_identity[identity].append(state)
    return by_identity


def _days_of(states: list[int], numbers: list[int], rows: list[Row]) -> dict[int, list[Row]]:
    """The days of an identity, in order, and its quarters in each, in order and each of them once.

    Args:
        states: of the identity.
        numbers: of all states' quarters, since 1970.
        rows: of all states.
    """
    of_identity = [rows[state] for state in states]
    if len(states) == 1:
        return {numbers[states[0]] // QUARTER_HOURS_PER_DAY: of_identity}
    its_numbers = [numbers[state] for state in states]
    if any(map(ge, its_numbers, its_numbers[1:])):
        return _sorted_out(its_numbers, of_identity)
    days = {}
    start, end = 0, len(states)
    while start < end:
        day = its_numbers[start] // QUARTER_HOURS_PER_DAY
        stop = bisect_left(its_numbers, (day + 1) * QUARTER_HOURS_PER_DAY, start)
        days[day] = of_identity[start:stop]
        start = stop
    return days


def _sorted_out(numbers: list[int], rows: list[Row]) -> dict[int, list[Row]]:
    """The same where records went back and forth in time."""
    days: dict[int, list[Row]] = {}
    for number, row in zip(numbers, rows, strict=True):
        days.setdefault(number // QUARTER_HOURS_PER_DAY, []).append(row)
    return {day: distinct(days[day]) for day in sorted(days)}


def _see(names: dict[Any, NameSeen], key: Any, last_us: int, name: str) -> None:
    known = names.get(key)
    if known is None or last_us >= known[0]:
        names[key] = max(known or (last_us, ""), (last_us, cut_name(name)))
