"""What one state has that another, which is a part of it, has not."""

from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["NoPart", "difference"]

_SUMS = ("hits", "success", "error", "total_request_time_ms", "total_latency_ms", "total_upstream_latency_ms")


class NoPart(ValueError):
    """The smaller state has something that the larger has not."""


def difference(whole: EndpointStats, part: EndpointStats) -> EndpointStats | None:
    """The state that, merged into ``part``, gives ``whole``; ``None`` where they are equal.

    Sums are subtracted. Maxima, minima and instants are the whole's: those of a part lie within them, so that
    merging gives the whole's again.

    Raises:
        NoPart: ``part`` is not a part of ``whole``.
    """
    if whole == part:
        return None
    missing = whole.copy()
    for name in _SUMS:
        setattr(missing, name, _less(getattr(whole, name), getattr(part, name)))
    missing.codes = _counts_less(whole.codes, part.codes)
    missing.histogram = _counts_less(whole.histogram, part.histogram)
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
