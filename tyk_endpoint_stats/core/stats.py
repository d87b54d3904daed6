"""A statistic is a small state that merges: add a record, merge another state, read. Nothing else.

Laws, held by tests as properties: order does not matter, ``merge`` is associative and commutative, the empty
state changes nothing, one pass equals any split. They hold because every field is an exact integer sum, a
maximum, a minimum, or a mapping of such sums; division happens when reading.
"""

from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from tyk_endpoint_stats.core import histogram as bins

__all__ = ["EndpointStats"]


class EndpointStats(Struct, gc=False):
    """What is kept of the requests of one consumer to one endpoint in one bucket (or of any union of such).

    Durations are whole milliseconds, instants whole microseconds since 1970 UTC. The rules of what counts
    where are SPEC.md's: success is 200–299, error is 400 and above, minima are taken over the non-error
    hits where there is one (errors made by the gateway record 0 and would hide the true minimum), so both
    minima are kept. An empty state reads as ``None``, never as infinity.

    Not thread-safe; a state handed out by a store belongs to the caller.
    """

    hits: int = 0
    success: int = 0
    error: int = 0
    total_request_time_ms: int = 0
    total_latency_ms: int = 0
    total_upstream_latency_ms: int = 0
    max_latency_ms: int | None = None
    max_upstream_latency_ms: int | None = None
    min_latency_all_ms: int | None = None
    min_upstream_latency_all_ms: int | None = None
    min_latency_non_error_ms: int | None = None
    min_upstream_latency_non_error_ms: int | None = None
    first_hit_us: int | None = None
    last_hit_us: int | None = None
    codes: dict[int, int] = field(default_factory=dict)
    histogram: dict[int, int] = field(default_factory=dict)

    def add(self, code: int, request_time_ms: int, latency_ms: int, upstream_latency_ms: int, at_us: int) -> None:
        """Count one request. The plain form of what the aggregator's loop does many at a time."""
        error = code >= 400
        minimum = None if error else latency_ms
        upstream_minimum = None if error else upstream_latency_ms
        self.merge(
            EndpointStats(
                1,
                int(200 <= code < 300),
                int(error),
                request_time_ms,
                latency_ms,
                upstream_latency_ms,
                latency_ms,
                upstream_latency_ms,
                latency_ms,
                upstream_latency_ms,
                minimum,
                upstream_minimum,
                at_us,
                at_us,
                {code: 1},
                {bins.bin_of(latency_ms): 1},
            )
        )

    def merge(self, other: "EndpointStats") -> None:
        """Take another state into this one; ``other`` is left as it is."""
        if not other.hits:
            return
        # Written out and not in functions: an ingest merges a state for nearly every record, and calls of
        # min() and max() took half the rate. A state with a hit has no None but in the non-error minima.
        mine: Any = self
        theirs: Any = other
        if not mine.hits:
            for name in self.__struct_fields__:
                value = getattr(theirs, name)
                setattr(mine, name, dict(value) if isinstance(value, dict) else value)
            return
        mine.hits += theirs.hits
        mine.success += theirs.success
        mine.error += theirs.error
        mine.total_request_time_ms += theirs.total_request_time_ms
        mine.total_latency_ms += theirs.total_latency_ms
        mine.total_upstream_latency_ms += theirs.total_upstream_latency_ms
        if theirs.max_latency_ms > mine.max_latency_ms:
            mine.max_latency_ms = theirs.max_latency_ms
        if theirs.max_upstream_latency_ms > mine.max_upstream_latency_ms:
            mine.max_upstream_latency_ms = theirs.max_upstream_latency_ms
        if theirs.min_latency_all_ms < mine.min_latency_all_ms:
            mine.min_latency_all_ms = theirs.min_latency_all_ms
        if theirs.min_upstream_latency_all_ms < mine.min_upstream_latency_all_ms:
            mine.min_upstream_latency_all_ms = theirs.min_upstream_latency_all_ms
        least = theirs.min_latency_non_error_ms
        if least is not None and (mine.min_latency_non_error_ms is None or least < mine.min_latency_non_error_ms):
            mine.min_latency_non_error_ms = least
        least = theirs.min_upstream_latency_non_error_ms
        if least is not None and (
            mine.min_upstream_latency_non_error_ms is None or least < mine.min_upstream_latency_non_error_ms
        ):
            mine.min_upstream_latency_non_error_ms = least
        if theirs.first_hit_us < mine.first_hit_us:
            mine.first_hit_us = theirs.first_hit_us
        if theirs.last_hit_us > mine.last_hit_us:
            mine.last_hit_us = theirs.last_hit_us
        counts = mine.codes
        for code, count in theirs.codes.items():
            counts[code] = counts.get(code, 0) + count
        counts = mine.histogram
        for number, count in theirs.histogram.items():
            counts[number] = counts.get(number, 0) + count

    def copy(self) -> "EndpointStats":
        """An equal state that shares nothing with this one."""
        return replace(self, codes=dict(self.codes), histogram=dict(self.histogram))

    @property
    def request_time_ms(self) -> int | float | None:
        """The mean request time: an ``int`` where it is whole, otherwise the nearest ``float``."""
        return _mean(self.total_request_time_ms, self.hits)

    @property
    def latency_ms(self) -> int | float | None:
        """The mean latency, errors included; ``int`` where it is whole."""
        return _mean(self.total_latency_ms, self.hits)

    @property
    def upstream_latency_ms(self) -> int | float | None:
        """The mean upstream latency, errors included; ``int`` where it is whole."""
        return _mean(self.total_upstream_latency_ms, self.hits)

    @property
    def min_latency_ms(self) -> int | None:
        """The least latency of the non-error hits; where there is none, of all hits."""
        least = self.min_latency_non_error_ms
        return self.min_latency_all_ms if least is None else least

    @property
    def min_upstream_latency_ms(self) -> int | None:
        """The least upstream latency of the non-error hits; where there is none, of all hits."""
        least = self.min_upstream_latency_non_error_ms
        return self.min_upstream_latency_all_ms if least is None else least

    def latency_percentile_ms(self, percent: float) -> float | None:
        """The latency that ``percent`` (0–100) of the hits did not exceed, within about 1 %.

        ``None`` where there is no hit, or where the store was asked to leave distributions out.

        Raises:
            ValueError: ``percent`` is not between 0 and 100.
        """
        estimate = bins.percentile(self.histogram, percent)
        if estimate is None or self.max_latency_ms is None or self.min_latency_all_ms is None:
            return None
        return min(max(estimate, self.min_latency_all_ms), self.max_latency_ms)


def _mean(total: int, hits: int) -> int | float | None:
    if hits == 0:
        return None
    whole, rest = divmod(total, hits)
    return total / hits if rest else whole
