"""States while their batch runs, and the close that makes a batch of them.

Everything that can wait until the close waits: instants are datetimes, outcomes are not counted, keys and
clients are not told apart. A state is finished once; the loop touches it with every hit.
"""

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.core.limits import cut_name
from tyk_endpoint_stats.core.segments import BIN_BITS, NO_HIT, Row, Segment, distinct, packed, packed_days
from tyk_endpoint_stats.core.selection import Batch, Kind, NameSeen

__all__ = ["NONE_YET", "Quarter", "Running", "batch_of"]

_BIN_MASK = (1 << BIN_BITS) - 1
NONE_YET = 1 << 62
"""A minimum before there is one."""


class Quarter(Struct, frozen=True, gc=False):
    """A quarter of an hour and its day. One object a quarter and batch.

    Where ``end`` is ``start`` the aggregator looks at each of its records.

    Attributes:
        start: its first moment.
        end: the first moment behind it.
        day: days since 1970.
        day_start: the first moment of its day.
        of_day: which of its day's quarters it is.
    """

    start: datetime
    end: datetime
    day: int
    day_start: datetime
    of_day: int


class Running(Struct, gc=False):
    """One identity in one quarter, as far as the batch has come.

    An identity is everything that names a hit: organisation, key, client, API, path, alias, API name. Names
    are part of it so that the loop never compares them, and a hit with a key and a client is counted once
    and told apart at the close.

    A cell is a response code (in the high bits) and a latency bin together; ``cells`` counts hits by cell, and
    hits, success, error, codes and histogram are sums of it. It is made with the second hit: where traffic is
    sparse most states never see one, and a dict is the larger half of a state. ``earlier`` holds the states of
    the identity in other quarters.
    """

    quarter: Quarter
    earlier: "list[Running] | None"
    first: datetime
    last: datetime
    request_time: int
    latency: int
    upstream: int
    max_latency: int
    max_upstream: int
    min_latency: int  # of non-error hits
    min_upstream: int
    min_error_latency: int
    min_error_upstream: int
    cell: int  # of the first hit
    cells: dict[int, int] | None = None


def batch_of(
    running: dict[str, Running],
    parts_of: Mapping[str, tuple[str, ...]],
    path_of: Callable[[str], str],
) -> Batch:
    """The states of a batch: quarters in segments, folded into days; and the names seen.

    Args:
        running: by identity: its seven names joined by TABs, or a key of ``parts_of``. Emptied.
        parts_of: the seven names of identities that have a TAB in a name.
        path_of: from a path as it was recorded to the one that is counted.
    """
    with _collector_paused():
        return _batch_of(running, parts_of, path_of)


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Rows are tuples, which the cyclic collector looks at until it has seen that they hold numbers alone: its
    # passes took a third of a close, and found nothing. Two threads at once may end the pause early, not late.
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _batch_of(
    running: dict[str, Running], parts_of: Mapping[str, tuple[str, ...]], path_of: Callable[[str], str]
) -> Batch:
    batch = Batch()
    endpoints: dict[tuple[str, str], int] = {}
    found: dict[tuple[str, str, str], dict[int, dict[int, list[Row]]]] = {}  # by consumer, day and endpoint
    while running:
        key, newest = running.popitem()
        org_id, api_key, oauth_id, api_id, path, alias, api_name = parts_of.get(key) or key.split("\t")
        endpoint = endpoints.setdefault((api_id, path_of(path)), len(endpoints))
        days = {newest.quarter.day: [_row_of(newest)]}
        last = newest.last
        if newest.earlier is not None:
            for state in newest.earlier:
                if state.last > last:
                    last = state.last
                days.setdefault(state.quarter.day, []).append(_row_of(state))
            days = {day: distinct(rows) for day, rows in days.items()}  # where records go back and forth in time
        if api_name:
            _see(batch.api_names, (org_id, api_id), (from_datetime(last), cut_name(api_name)))
        for kind, consumer_id in ((Kind.KEY, api_key), (Kind.OAUTH, oauth_id)):
            if not consumer_id:
                continue
            consumer = (org_id, kind, consumer_id)
            if alias:
                _see(batch.aliases, consumer, (from_datetime(last), cut_name(alias)))
            of_consumer = found.get(consumer)
            if of_consumer is None:
                of_consumer = found[consumer] = {}
            for day, rows in days.items():
                of_day = of_consumer.get(day)
                if of_day is None:
                    of_day = of_consumer[day] = {}
                if endpoint in of_day:  # other aliases, clients, API names, or paths that count as one
                    rows = distinct(of_day[endpoint] + rows)
                of_day[endpoint] = rows
    batch.endpoints = list(endpoints)
    batch.segments = [
        Segment(consumer, day, packed(of_day), packed_days(of_day))
        for consumer, of_consumer in found.items()
        for day, of_day in of_consumer.items()
    ]
    return batch


def _see(names: dict[Any, NameSeen], key: Any, seen: NameSeen) -> None:
    known = names.get(key)
    if known is None or seen > known:
        names[key] = seen


def _row_of(state: Running) -> Row:
    quarter = state.quarter
    since_start = state.last - quarter.day_start
    last_us = since_start.seconds * 1_000_000 + since_start.microseconds
    cells = state.cells
    latency, upstream = state.latency, state.upstream
    if cells is None:  # a single hit, as most are where traffic is sparse: all sums and extremes are its own
        cell = state.cell
        code = cell >> BIN_BITS
        error = code >= 400
        return (
            quarter.of_day,
            1,
            1 if 200 <= code < 300 else 0,
            1 if error else 0,
            state.request_time,
            latency,
            upstream,
            latency,
            upstream,
            latency,
            upstream,
            NO_HIT if error else latency,
            NO_HIT if error else upstream,
            last_us,
            last_us,
            cell,
        )
    since_start = state.first - quarter.day_start
    first_us = since_start.seconds * 1_000_000 + since_start.microseconds
    hits = success = errors = 0
    codes: dict[int, int] = {}
    histogram: dict[int, int] = {}
    for each, count in cells.items():
        code, latency_bin = each >> BIN_BITS, each & _BIN_MASK
        hits += count
        if code >= 400:
            errors += count
        elif 200 <= code < 300:
            success += count
        codes[code] = codes.get(code, 0) + count
        histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    least, least_upstream = state.min_latency, state.min_upstream
    return (
        quarter.of_day,
        hits,
        success,
        errors,
        state.request_time,
        latency,
        upstream,
        state.max_latency,
        state.max_upstream,
        min(least, state.min_error_latency),
        min(least_upstream, state.min_error_upstream),
        NO_HIT if least == NONE_YET else least,
        NO_HIT if least_upstream == NONE_YET else least_upstream,
        first_us,
        last_us,
        (codes, histogram),
    )
