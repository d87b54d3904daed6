"""What Tyk Pump's aggregates count of one consumer at one endpoint (or of everyone), as one of our states.

Pump keeps less than we do, and what it does not keep is left out rather than guessed:

- no latency histogram, so percentiles read as ``None``; every hit has a latency, be it 0;
- status codes of errors alone, so ``codes`` may sum up to less than ``hits``;
- one minimum, of the hits below 400 and of an error that came first in a flush; it stands as the minimum over
  all hits, because the one over the non-error hits is not known;
- of the last hit a lower bound: the first record of a flush. Of the first hit nothing.
"""

from typing import Any

from msgspec import Struct, field

from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["PumpCounter", "whole_number"]


class PumpCounter(Struct):
    """One of Pump's counters, or the sum of several. Durations are milliseconds.

    Attributes:
        hits, success, error, total_request_time_ms, total_latency_ms, total_upstream_latency_ms: sums. The means
            beside them in Pump's stores are not read: some are stale, others rounded.
        max_latency_ms, max_upstream_latency_ms: ``None`` where Pump wrote none (before its version 0.8.1).
        min_latency_ms, min_upstream_latency_ms: ``None`` where no flush had a hit below 400 (in MongoDB).
        last_hit_us: the latest instant Pump mentions: a hit's, or else the beginning of the latest bucket.
        error_codes: hits by status code, as far as Pump names codes.
    """

    hits: int = 0
    success: int = 0
    error: int = 0
    total_request_time_ms: int = 0
    total_latency_ms: int = 0
    total_upstream_latency_ms: int = 0
    max_latency_ms: int | None = None
    max_upstream_latency_ms: int | None = None
    min_latency_ms: int | None = None
    min_upstream_latency_ms: int | None = None
    last_hit_us: Instant | None = None
    error_codes: dict[int, int] = field(default_factory=dict)

    def merge(self, other: "PumpCounter") -> None:
        """Take another counter into this one: of another bucket, or of the same one written twice."""
        self.hits += other.hits
        self.success += other.success
        self.error += other.error
        self.total_request_time_ms += other.total_request_time_ms
        self.total_latency_ms += other.total_latency_ms
        self.total_upstream_latency_ms += other.total_upstream_latency_ms
        self.max_latency_ms = _larger(self.max_latency_ms, other.max_latency_ms)
        self.max_upstream_latency_ms = _larger(self.max_upstream_latency_ms, other.max_upstream_latency_ms)
        self.min_latency_ms = _smaller(self.min_latency_ms, other.min_latency_ms)
        self.min_upstream_latency_ms = _smaller(self.min_upstream_latency_ms, other.min_upstream_latency_ms)
        self.last_hit_us = _larger(self.last_hit_us, other.last_hit_us)
        add_counts(self.error_codes, other.error_codes)

    def stats(self, *, distributions: bool = True) -> EndpointStats:
        """The state that says what the counter says and no more. It is to be read, not merged further.

        Args:
            distributions: whether status codes are wanted, as in a ``Selection``.
        """
        return EndpointStats(
            hits=self.hits,
            success=self.success,
            error=self.error,
            timed_hits=self.hits,
            total_request_time_ms=self.total_request_time_ms,
            total_latency_ms=self.total_latency_ms,
            total_upstream_latency_ms=self.total_upstream_latency_ms,
            max_latency_ms=self.max_latency_ms,
            max_upstream_latency_ms=self.max_upstream_latency_ms,
            min_latency_all_ms=self.min_latency_ms,
            min_upstream_latency_all_ms=self.min_upstream_latency_ms,
            last_hit_us=self.last_hit_us,
            codes=dict(self.error_codes) if distributions else {},
        )


def whole_number(value: Any) -> int:
    """A sum or a duration as an integer: Pump's stores hold integers, doubles and decimals of whole numbers.

    ``None`` is 0, as an absent field is in Go.

    Raises:
        ValueError: no number, or none that is finite.
    """
    if value is None:
        return 0
    try:
        return int(value)
    except (TypeError, OverflowError) as problem:
        raise ValueError(f"{value!r} is no whole number") from problem


def _larger(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else max(one, other)


def _smaller(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
