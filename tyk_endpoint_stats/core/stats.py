"""A statistic is a small state that merges: add, merge, read. Nothing else.

Laws, held by tests as properties: order does not matter, ``merge`` is associative and commutative, the empty state
changes nothing, one pass equals any split. They hold because every field is an exact integer sum, a maximum, a
minimum, or a mapping of such sums; division happens when reading.
"""

from collections.abc import Sequence
from operator import attrgetter

from msgspec import Struct, field
from msgspec.structs import replace

from tyk_endpoint_stats.core import histogram as bins
from tyk_endpoint_stats.core.counts import add_counts, sum_counts
from tyk_endpoint_stats.core.fields import FIELDS, NAMES, merge_values

__all__ = ["EndpointStats", "merged"]


class EndpointStats(Struct, gc=False):
    """What is kept of some requests: of one consumer to one endpoint in one day, or of any union of such.

    Durations are whole milliseconds, instants whole microseconds since 1970 UTC. ``core/fields.py`` says what each
    plain member is and how it merges. Minima are kept twice: errors made by the gateway record 0 and would hide the
    true minimum, so ``min_latency_ms`` is that of the non-error hits where there is one. What is not known is
    ``None``, never 0 and never infinity.

    ``codes`` counts hits by response code, ``histogram`` timed hits by latency bin (``core/histogram.py``).

    Not thread-safe; a state handed out by a store belongs to the caller.
    """

    hits: int = 0
    success: int = 0
    error: int = 0
    timed_hits: int = 0
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

    def merge(self, other: "EndpointStats") -> None:
        """Take another state into this one; ``other`` is left as it is."""
        self.hits += other.hits
        self.success += other.success
        self.error += other.error
        self.timed_hits += other.timed_hits
        self.total_request_time_ms += other.total_request_time_ms
        self.total_latency_ms += other.total_latency_ms
        self.total_upstream_latency_ms += other.total_upstream_latency_ms
        self.max_latency_ms = _larger(self.max_latency_ms, other.max_latency_ms)
        self.max_upstream_latency_ms = _larger(self.max_upstream_latency_ms, other.max_upstream_latency_ms)
        self.min_latency_all_ms = _smaller(self.min_latency_all_ms, other.min_latency_all_ms)
        self.min_upstream_latency_all_ms = _smaller(
            self.min_upstream_latency_all_ms, other.min_upstream_latency_all_ms
        )
        self.min_latency_non_error_ms = _smaller(self.min_latency_non_error_ms, other.min_latency_non_error_ms)
        self.min_upstream_latency_non_error_ms = _smaller(
            self.min_upstream_latency_non_error_ms, other.min_upstream_latency_non_error_ms
        )
        self.first_hit_us = _smaller(self.first_hit_us, other.first_hit_us)
        self.last_hit_us = _larger(self.last_hit_us, other.last_hit_us)
        add_counts(self.codes, other.codes)
        add_counts(self.histogram, other.histogram)

    def copy(self) -> "EndpointStats":
        """An equal state that shares nothing with this one."""
        return replace(self, codes=dict(self.codes), histogram=dict(self.histogram))

    @property
    def request_time_ms(self) -> int | float | None:
        """The mean request time: an ``int`` where it is whole, otherwise the nearest ``float``."""
        return _mean(self.total_request_time_ms, self.hits)

    @property
    def latency_ms(self) -> int | float | None:
        """The mean latency of timed hits, errors included; ``int`` where it is whole."""
        return _mean(self.total_latency_ms, self.timed_hits)

    @property
    def upstream_latency_ms(self) -> int | float | None:
        """The mean upstream latency of timed hits, errors included; ``int`` where it is whole."""
        return _mean(self.total_upstream_latency_ms, self.timed_hits)

    @property
    def min_latency_ms(self) -> int | None:
        """The smallest latency of the non-error hits; where there is none, of all hits."""
        smallest = self.min_latency_non_error_ms
        return self.min_latency_all_ms if smallest is None else smallest

    @property
    def min_upstream_latency_ms(self) -> int | None:
        """The smallest upstream latency of the non-error hits; where there is none, of all hits."""
        smallest = self.min_upstream_latency_non_error_ms
        return self.min_upstream_latency_all_ms if smallest is None else smallest

    def latency_percentile_ms(self, percent: float) -> float | None:
        """The latency that ``percent`` (0–100) of the timed hits did not exceed, within about 1 %.

        ``None`` where there is no timed hit, or where the store was asked to leave distributions out.

        Raises:
            ValueError: ``percent`` is not between 0 and 100.
        """
        estimate = bins.percentile(self.histogram, percent)
        if estimate is None or self.max_latency_ms is None or self.min_latency_all_ms is None:
            return None
        return min(max(estimate, self.min_latency_all_ms), self.max_latency_ms)


_plain, _codes, _histogram = attrgetter(*NAMES), attrgetter("codes"), attrgetter("histogram")


def merged(states: Sequence[EndpointStats]) -> EndpointStats:
    """The merge of any number of states, the empty state of none: several times as fast as one by one.

    They are left as they are, and the merge shares nothing with them.
    """
    if len(states) == 1:
        return states[0].copy()
    columns = zip(*map(_plain, states), strict=True)
    plain = [merge_values(member, values) for member, values in zip(FIELDS, columns, strict=False)]
    total = EndpointStats(*plain)  # type: ignore[arg-type]
    total.codes = sum_counts(map(_codes, states))
    total.histogram = sum_counts(map(_histogram, states))
    return total


def _larger(mine: int | None, other: int | None) -> int | None:
    if mine is None or (other is not None and other > mine):
        return other
    return mine


def _smaller(mine: int | None, other: int | None) -> int | None:
    if mine is None or (other is not None and other < mine):
        return other
    return mine


def _mean(total: int, hits: int) -> int | float | None:
    if hits == 0:
        return None
    whole, rest = divmod(total, hits)
    return total / hits if rest else whole
