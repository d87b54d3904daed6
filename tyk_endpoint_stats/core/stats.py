"""A statistic is a small state that merges: add a record, merge another state, read. Nothing else.

Laws, held by tests as properties: order does not matter, ``merge`` is associative and commutative, the empty
state changes nothing, one pass equals any split. They hold because every field is an exact integer sum, a
maximum, a minimum, or a mapping of such sums; division happens when reading.
"""

from msgspec import Struct, field

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
        self.hits += other.hits
        self.success += other.success
        self.error += other.error
        self.total_request_time_ms += other.total_request_time_ms
        self.total_latency_ms += other.total_latency_ms
        self.total_upstream_latency_ms += other.total_upstream_latency_ms
        self.max_latency_ms = _greater(self.max_latency_ms, other.max_latency_ms)
        self.max_upstream_latency_ms = _greater(self.max_upstream_latency_ms, other.max_upstream_latency_ms)
        self.min_latency_all_ms = _lesser(self.min_latency_all_ms, other.min_latency_all_ms)
        self.min_upstream_latency_all_ms = _lesser(
            self.min_upstream_latency_all_ms, other.min_upstream_latency_all_ms
        )
        self.min_latency_non_error_ms = _lesser(self.min_latency_non_error_ms, other.min_latency_non_error_ms)
        self.min_upstream_latency_non_error_ms = _lesser(
            self.min_upstream_latency_non_error_ms, other.min_upstream_latency_non_error_ms
        )
        self.first_hit_us = _lesser(self.first_hit_us, other.first_hit_us)
        self.last_hit_us = _greater(self.last_hit_us, other.last_hit_us)
        _add_counts(self.codes, other.codes)
        _add_counts(self.histogram, other.histogram)

    def copy(self) -> "EndpointStats":
        """An equal state that shares nothing with this one."""
        twin = EndpointStats()
        twin.merge(self)
        return twin

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


def _greater(a: int | None, b: int | None) -> int | None:
    return b if a is None or (b is not None and b > a) else a


def _lesser(a: int | None, b: int | None) -> int | None:
    return b if a is None or (b is not None and b < a) else a


def _add_counts(mine: dict[int, int], theirs: dict[int, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
