"""Whether packed states are sound, told without making an object of each.

It says yes or no to what ``consistency`` puts into sentences, at a tenth of the cost: in a store nearly all is
well, and what is not can be looked at again.
"""

from collections.abc import Iterable, Sequence

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.cells import BIN_BITS, BIN_MASK, counts_in
from tyk_endpoint_stats.core.histogram import SMALL_BINS, bin_of
from tyk_endpoint_stats.core.instants import DAY_US, QUARTER_HOUR_US
from tyk_endpoint_stats.core.rows import NO_HIT, Row, folded, row_of, state_of
from tyk_endpoint_stats.core.segments import Quarters
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["day_is_sound", "quarters_come_to", "rows_are_sound", "states_of_day_are_sound"]

_SMALL = len(SMALL_BINS)


def rows_are_sound(rows: Iterable[Row], width_us: int = QUARTER_HOUR_US) -> bool:
    """Whether none of the states has a contradiction.

    Args:
        rows: of quarters; or of days, with the day in place of the quarter, and a day's width.
        width_us: the width of their buckets.
    """
    for (  # as one pattern: the row need not be kept, and is not made anew for each state
        quarter,
        hits,
        success,
        error,
        request,
        total,
        upstream_total,
        most,
        upstream_most,
        least,
        upstream_least,
        good,
        upstream_good,
        first,
        last,
        cell,
    ) in rows:
        if not quarter * width_us <= first <= last < (quarter + 1) * width_us:
            return False
        if type(cell) is int:  # one hit, as most rows are
            code = cell >> BIN_BITS
            if not (
                hits == 1
                and first == last
                and request >= 0
                and 0 <= least == most == total
                and 0 <= upstream_least == upstream_most == upstream_total
                and success == (200 <= code <= 299)
                and error == (code >= 400)
                and good == (NO_HIT if error else least)
                and upstream_good == (NO_HIT if error else upstream_least)
                and cell & BIN_MASK == (SMALL_BINS[least] if least < _SMALL else bin_of(least))
            ):
                return False
        elif not (
            (hits > 1 or (hits == 1 and first == last))
            and request >= 0
            and _are_sound(hits, error, total, least, good, most)
            and _are_sound(hits, error, upstream_total, upstream_least, upstream_good, upstream_most)
            and _counts_are_sound(hits, success, error, *(counts := counts_in(cell)))
            and min(counts[1]) == bin_of(least)
            and max(counts[1]) == bin_of(most)
        ):
            return False
    return True


def _are_sound(hits: int, error: int, total: int, least: int, good: int, most: int) -> bool:
    if not 0 <= least <= most or not most + (hits - 1) * least <= total <= least + (hits - 1) * most:
        return False
    if good == NO_HIT:
        return error == hits
    return error != hits and least <= good <= most and (error != 0 or good == least)


def _counts_are_sound(
    hits: int, success: int, error: int, codes: dict[int, int], histogram: dict[int, int]
) -> bool:
    return (
        sum(codes.values()) == hits == sum(histogram.values())
        and min(codes.values()) >= 1
        and min(histogram.values()) >= 1
        and success == sum(count for code, count in codes.items() if 200 <= code <= 299)
        and error == sum(count for code, count in codes.items() if code >= 400)
    )


def day_is_sound(of_day: Row | None, of_quarters: Sequence[Row] | None) -> bool:
    """Whether one series' state of a day is what its quarters come to, and none of them has a contradiction.

    Args:
        of_day: in place of a quarter it has its day; ``None``: there is no state of it.
        of_quarters: those of the day; ``None``: they were pruned. Days, quarters and instants count from one day,
            whichever that is: all from this one, or all from 1970.
    """
    if of_day is None:
        return False
    if of_quarters is None:
        return rows_are_sound([of_day], DAY_US)
    if not of_quarters or not rows_are_sound(of_quarters):
        return False
    _, *numbers, cells = folded(of_quarters)
    _, *expected, expected_cells = of_day
    return numbers == expected and counts_in(cells) == counts_in(expected_cells)


def quarters_come_to(
    day: int, parts: Iterable[tuple[Sequence[int], Sequence[int], Quarters]]
) -> dict[int, EndpointStats] | None:
    """What the quarters of one consumer in one day come to, by endpoint; ``None``: one of them is not sound.

    Sums of sound states are sound, so they need no look of their own.

    Args:
        day: days since 1970.
        parts: of each the numbers of endpoints, how many states each of those has, and the states.
    """
    merged: dict[int, EndpointStats] = {}
    for endpoints, lengths, quarters in parts:
        columns = quarters.columns
        if {sum(lengths)} != set(map(len, columns)) or not rows_are_sound(zip(*columns, strict=True)):
            return None
        high = 0
        for endpoint, length in zip(endpoints, lengths, strict=True):
            low, high = high, high + length
            if length == 1:
                row = tuple([column[low] for column in columns])
                in_order, state = 0 <= row[0] < QUARTER_HOURS_PER_DAY, state_of(day, row)
            elif length > 1:
                its = columns[0][low:high]
                in_order = its[0] >= 0 and its[-1] < QUARTER_HOURS_PER_DAY and all(map(int.__lt__, its, its[1:]))
                state = quarters.state(low, high)
            else:
                return None
            if not in_order:
                return None
            known = merged.setdefault(endpoint, state)
            if known is not state:
                known.merge(state)
    return merged


def states_of_day_are_sound(day: int, states: Iterable[EndpointStats]) -> bool:
    """Whether none of these states of a day has a contradiction."""
    for stats in states:
        if NO_HIT in (stats.min_latency_non_error_ms, stats.min_upstream_latency_non_error_ms):
            return False  # a row has that where a state has None
        if stats.hits < 1 or not rows_are_sound([row_of(day, 0, stats)], DAY_US):
            return False
    return True
