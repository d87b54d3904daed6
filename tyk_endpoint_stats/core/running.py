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
from tyk_endpoint_stats.core.segments import BIN_BITS, Row, Segment, distinct, folded, packed
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
    found: dict[tuple[str, str, str, int], dict[int, list[Row]]] = {}  # by consumer and day, then by endpoint
    while running:
        key, newest = running.popitem()
        org_id, api_key, oauth_id, api_id, path, alias, api_name = parts_of.get(key) or key.split("\t")
        endpoint = endpoints.setdefault((api_id, path_of(path)), len(endpoints))
        days: dict[int, list[Row]] = {}
        last = newest.last
        for state in newest.earlier or ():
            if state.last > last:
                last = state.last
            _keep_row(days, state)
        _keep_row(days, newest)
        if newest.earlier:
            days = {day: distinct(rows) for day, rows in days.items()}  # where records go back and forth in time
        if api_name:
            _see(batch.api_names, (org_id, api_id), (from_datetime(last), cut_name(api_name)))
        for kind, consumer_id in ((Kind.KEY, api_key), (Kind.OAUTH, oauth_id)):
            if not consumer_id:
                continue
            if alias:
                _see(batch.aliases, (org_id, kind, consumer_id), (from_datetime(last), cut_name(alias)))
            for day, rows in days.items():
                of_day = found.get((org_id, kind, consumer_id, day))
                if of_day is None:
                    of_day = found[org_id, kind, consumer_id, day] = {}
                known = of_day.get(endpoint)
                if known is not None:  # other aliases, clients, API names, or paths that count as one
                    rows = distinct(known + rows)
                of_day[endpoint] = rows
    batch.endpoints = list(endpoints)
    batch.segments = [
        Segment(
            (org_id, kind, consumer_id),
            day,
            packed(of_day.items()),
            packed((endpoint, (folded(rows),)) for endpoint, rows in of_day.items()),
        )
        for (org_id, kind, consumer_id, day), of_day in found.items()
    ]
    return batch


def _see(names: dict[Any, NameSeen], key: Any, seen: NameSeen) -> None:
    known = names.get(key)
    if known is None or seen > known:
        names[key] = seen


def _keep_row(days: dict[int, list[Row]], state: Running) -> None:
    day, quarter = state.quarter.day, state.quarter.of_day
    day_start = state.quarter.day_start
    since_start = state.last - day_start
    last_us = first_us = since_start.seconds * 1_000_000 + since_start.microseconds
    cells = state.cells
    cell: Any
    if cells is None:
        hits = 1
        cell = state.cell
        code = cell >> BIN_BITS
        error = 1 if code >= 400 else 0
        success = 1 if 200 <= code < 300 else 0
    else:
        hits = success = error = 0
        codes: dict[int, int] = {}
        histogram: dict[int, int] = {}
        cell = codes, histogram
        for each, count in cells.items():
            code, latency_bin = each >> BIN_BITS, each & _BIN_MASK
            hits += count
            if code >= 400:
                error += count
            elif 200 <= code < 300:
                success += count
            codes[code] = codes.get(code, 0) + count
            histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    if state.first is not state.last:
        since_start = state.first - day_start
        first_us = since_start.seconds * 1_000_000 + since_start.microseconds
    latency, upstream = state.min_latency, state.min_upstream
    all_latency, all_upstream = latency, upstream
    if error:
        if state.min_error_latency < latency:
            all_latency = state.min_error_latency
        if state.min_error_upstream < upstream:
            all_upstream = state.min_error_upstream
        if error == hits:
            latency = upstream = -1
    row = (
        quarter,
        hits,
        success,
        error,
        state.request_time,
        state.latency,
        state.upstream,
        state.max_latency,
        state.max_upstream,
        all_latency,
        all_upstream,
        latency,
        upstream,
        first_us,
        last_us,
        cell,
    )
    rows = days.get(day)
    if rows is None:
        days[day] = [row]
    else:
        rows.append(row)
