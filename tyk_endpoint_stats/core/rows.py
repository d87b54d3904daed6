"""A state as a row: what a batch makes of it, and the form in which states lie in segments."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from tyk_endpoint_stats.core.cells import BIN_BITS, counts_in, fold_cells
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["CELLS", "HITS", "LAST", "NO_HIT", "Row", "distinct", "fold", "folded", "row_of", "state_of"]

Row: TypeAlias = tuple[Any, ...]
"""A state: the quarter of the day, then ``EndpointStats``' fields in their order, but that a minimum over non-error
hits is ``NO_HIT`` where there is none, that both instants are microseconds of the day, and that the last value is
``Cells`` in place of codes and histogram."""

HITS, LAST, CELLS = 1, 14, 15
NO_HIT = 1 << 62  # greater than any, so that minima need no look at it
_quarter_of = itemgetter(0)


def state_of(day: int, row: Row) -> EndpointStats:
    """A row as a state; it shares codes and histogram with it where it has them."""
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
    return [folded(list(group)) for _, group in groupby(rows, _quarter_of)]


def folded(rows: Sequence[Row]) -> Row:
    """The states of some rows, merged into one; quarter and day are those of the first.

    Row by row: columns are summed faster where they are long, and most of these have two to five rows.
    """
    if len(rows) == 1:
        return rows[0]
    (
        quarter, hits, success, error, request, latency, upstream, top, top_upstream,
        least, least_upstream, good, good_upstream, first, last, _,
    ) = rows[0]  # fmt: skip
    for (
        _, hits_, success_, error_, request_, latency_, upstream_, top_, top_upstream_,
        least_, least_upstream_, good_, good_upstream_, first_, last_, _,
    ) in rows[1:]:  # fmt: skip
        hits += hits_
        success += success_
        error += error_
        request += request_
        latency += latency_
        upstream += upstream_
        if top_ > top:
            top = top_
        if top_upstream_ > top_upstream:
            top_upstream = top_upstream_
        if least_ < least:
            least = least_
        if least_upstream_ < least_upstream:
            least_upstream = least_upstream_
        if good_ < good:
            good = good_
        if good_upstream_ < good_upstream:
            good_upstream = good_upstream_
        if first_ < first:
            first = first_
        if last_ > last:
            last = last_
    cells = fold_cells([row[CELLS] for row in rows])
    return (
        quarter,
        hits,
        success,
        error,
        request,
        latency,
        upstream,
        top,
        top_upstream,
        least,
        least_upstream,
        good,
        good_upstream,
        first,
        last,
        cells,
    )


def fold(columns: Sequence[Sequence[Any]]) -> Row:
    """The same of columns of rows, with or without the last one: long ones are summed at the speed of C."""
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
        min(good),
        min(good_upstream),
        min(first),
        max(last),
        fold_cells(*cells) if cells else ({}, {}),
    )
