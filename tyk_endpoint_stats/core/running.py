"""States while their batch runs, and the close that makes a batch of them.

Everything that can wait until the close waits: instants are datetimes, outcomes are not counted, keys and
clients are not told apart. A state is finished once; the loop touches it with every hit.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Bucket, Width
from tyk_endpoint_stats.core.instants import QUARTER_US
from tyk_endpoint_stats.core.limits import cut_name
from tyk_endpoint_stats.core.selection import Batch, Kind, NameSeen, Series
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["BIN_BITS", "NONE_YET", "Quarter", "Running", "batch_of"]

BIN_BITS = 11  # bin_of(10**12) is 1277
_BIN_MASK = (1 << BIN_BITS) - 1
NONE_YET = 1 << 62
"""A minimum before there is one."""


class Quarter(Struct, frozen=True, gc=False):
    """A quarter of an hour: its number since 1970, its first moment, and the first moment behind it.

    One object a quarter and batch. Where ``end`` is ``start`` the aggregator looks at each of its records.
    """

    number: int
    start: datetime
    end: datetime


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
    """The states of a batch: by bucket and series, in quarters and folded into days; and the names seen.

    Args:
        running: by identity: its seven names joined by TABs, or a key of ``parts_of``. Emptied.
        parts_of: the seven names of identities that have a TAB in a name.
        path_of: from a path as it was recorded to the one that is counted.
    """
    batch = Batch()
    quarter_states: dict[int, dict[Series, EndpointStats]] = {}
    day_states: dict[int, dict[Series, EndpointStats]] = {}
    seen: set[Series] = set()
    ones: dict[int, dict[int, int]] = {}  # {n: 1}, shared by all states of a single hit
    while running:
        key, newest = running.popitem()
        org_id, api_key, oauth_id, api_id, path, alias, api_name = parts_of.get(key) or key.split("\t")
        path = path_of(path)
        quarters: dict[int, EndpointStats] = {newest.quarter.number: _finished(newest, ones)}
        for state in newest.earlier or ():
            _put(quarters, state.quarter.number, _finished(state, ones))
        days = _folded(quarters)
        last_us: Any = max([stats.last_hit_us for stats in days.values()])  # type: ignore[type-var]
        if api_name:
            _see(batch.api_names, (org_id, api_id), (last_us, cut_name(api_name)))
        for kind, consumer_id in ((Kind.KEY, api_key), (Kind.OAUTH, oauth_id)):
            if not consumer_id:
                continue
            if alias:
                _see(batch.aliases, (org_id, kind, consumer_id), (last_us, cut_name(alias)))
            series = (org_id, kind, consumer_id, api_id, path)
            is_new = series not in seen  # else a key that came with several clients, aliases or API names
            seen.add(series)
            for found, buckets in ((quarters, quarter_states), (days, day_states)):
                for number, stats in found.items():
                    states = buckets.get(number)
                    if states is None:
                        states = buckets[number] = {}
                    if is_new:
                        states[series] = stats
                    else:
                        _put(states, series, stats)
    for width, buckets in ((Width.QUARTER, quarter_states), (Width.DAY, day_states)):
        for number, states in buckets.items():
            batch.states[Bucket(width, number)] = states
    return batch


def _put(states: dict[Any, EndpointStats], key: Any, stats: EndpointStats) -> None:
    known = states.get(key)
    if known is None:
        states[key] = stats
    else:
        states[key] = known = known.copy()  # it may stand elsewhere too
        known.merge(stats)


def _folded(quarters: dict[int, EndpointStats]) -> dict[int, EndpointStats]:
    days: dict[int, EndpointStats] = {}
    own: set[int] = set()
    for number, stats in quarters.items():
        day = number // QUARTERS_PER_DAY
        known = days.get(day)
        if known is None:
            days[day] = stats
            continue
        if day not in own:
            own.add(day)
            known = days[day] = known.copy()  # the first quarter's own state stays as it is
        known.merge(stats)
    return days


def _see(names: dict[Any, NameSeen], key: Any, seen: NameSeen) -> None:
    known = names.get(key)
    if known is None or seen > known:
        names[key] = seen


def _finished(state: Running, ones: dict[int, dict[int, int]]) -> EndpointStats:
    quarter = state.quarter
    start, start_us = quarter.start, quarter.number * QUARTER_US
    since_start = state.last - start
    last_us = first_us = start_us + since_start.seconds * 1_000_000 + since_start.microseconds
    cells = state.cells
    if cells is None:
        hits = 1
        code, latency_bin = state.cell >> BIN_BITS, state.cell & _BIN_MASK
        codes = ones.get(code) or ones.setdefault(code, {code: 1})
        histogram = ones.get(latency_bin) or ones.setdefault(latency_bin, {latency_bin: 1})
        error = 1 if code >= 400 else 0
        success = 1 if 200 <= code < 300 else 0
    else:
        hits = success = error = 0
        codes, histogram = {}, {}
        for cell, count in cells.items():
            code, latency_bin = cell >> BIN_BITS, cell & _BIN_MASK
            hits += count
            if code >= 400:
                error += count
            elif 200 <= code < 300:
                success += count
            codes[code] = codes.get(code, 0) + count
            histogram[latency_bin] = histogram.get(latency_bin, 0) + count
    if state.first is not state.last:
        since_start = state.first - start
        first_us = start_us + since_start.seconds * 1_000_000 + since_start.microseconds
    latency, upstream = state.min_latency, state.min_upstream
    all_latency, all_upstream = latency, upstream
    if error:
        if state.min_error_latency < latency:
            all_latency = state.min_error_latency
        if state.min_error_upstream < upstream:
            all_upstream = state.min_error_upstream
    return EndpointStats(
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
        latency if error < hits else None,
        upstream if error < hits else None,
        first_us,
        last_us,
        codes,
        histogram,
    )
