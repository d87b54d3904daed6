"""What one day row has that another, which is a part of it, has not."""

from msgspec.structs import replace

from tyk_endpoint_stats.core.day_row import DayRow, row_of_state, state_of_row
from tyk_endpoint_stats.core.fields import SUMS
from tyk_endpoint_stats.core.packed import unpack_quarter_hours
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["NoPart", "difference", "row_difference"]


class NoPart(ValueError):
    """The smaller state has something that the larger has not."""


def row_difference(whole: DayRow, part: DayRow) -> DayRow | None:
    """The row that, merged into ``part``, gives ``whole``; ``None`` where nothing is missing.

    Raises:
        NoPart: ``part`` is not a part of ``whole``.
        PackedError: one of them can't be read.
    """
    missing = difference(state_of_row(whole), state_of_row(part))
    if missing is None:
        return None
    theirs = unpack_quarter_hours(part.quarter_hours, part.day)
    lacking: dict[int, EndpointStats] = {}
    for number, stats in unpack_quarter_hours(whole.quarter_hours, whole.day).items():
        left = difference(stats, theirs.pop(number, EndpointStats()))
        if left is not None:
            lacking[number] = left
    if theirs:
        raise NoPart("the part has quarter hours that the whole has not")
    return row_of_state(whole.day, whole.consumer, whole.endpoint, missing, lacking)


def difference(whole: EndpointStats, part: EndpointStats) -> EndpointStats | None:
    """The state that, merged into ``part``, gives ``whole``; ``None`` where they are equal.

    Sums are subtracted. Maxima, minima and instants are the whole's: those of a part lie within them, so that merging
    gives the whole's again.

    Raises:
        NoPart: ``part`` is not a part of ``whole``.
    """
    if whole == part:
        return None
    missing = replace(
        whole,
        codes=_counts_less(whole.codes, part.codes),
        histogram=_counts_less(whole.histogram, part.histogram),
    )
    for name in SUMS:
        setattr(missing, name, _less(getattr(whole, name), getattr(part, name)))
    merged = part.copy()
    merged.merge(missing)
    if merged != whole:
        raise NoPart("a maximum, a minimum or an instant of the part lies outside of the whole's")
    return missing


def _counts_less(whole: dict[int, int], part: dict[int, int]) -> dict[int, int]:
    if part.keys() - whole.keys():
        raise NoPart("the part has counts that the whole has not")
    return {key: left for key, count in whole.items() if (left := _less(count, part.get(key, 0)))}


def _less(whole: int, part: int) -> int:
    if part > whole:
        raise NoPart("a sum of the part is larger than the whole's")
    return whole - part
