"""``/metrics``: how the process does, in Prometheus' text form. Nothing of consumers, endpoints, organisations.

Counting is a few additions under a lock; ``prometheus_client`` is loaded by the first scrape.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Lock
from typing import TYPE_CHECKING

from tyk_endpoint_stats.ingest.watch import Watch

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus' text form."""

_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREFIX = "tyk_endpoint_stats"


class Metrics:
    """What one server counts. Thread-safe.

    Args:
        version: of the program.
        watch: how following goes, where the same process does that.
        stalled_after_s: as for ``Watch.stalled``.
        now: seconds since 1970.

    Attributes:
        connections: gives how many are open; the server sets it.
    """

    def __init__(
        self,
        version: str,
        *,
        now: Callable[[], float],
        watch: Watch | None = None,
        stalled_after_s: float = 120.0,
    ) -> None:
        self.connections: Callable[[], int] = lambda: 0
        self._version = version
        self._now = now
        self._watch = watch
        self._stalled_after_s = stalled_after_s
        self._lock = Lock()
        self._answers: Counter[int] = Counter()
        self._took = [0] * (len(_BOUNDS_S) + 1)
        self._seconds = 0.0
        self._turned_away = 0

    def answered(self, status: int, seconds: float) -> None:
        """An answer was sent, or nobody took it."""
        with self._lock:
            self._answers[status] += 1
            self._took[bisect_left(_BOUNDS_S, seconds)] += 1
            self._seconds += seconds

    def turned_away(self) -> None:
        """A connection got no thread, as there were too many."""
        with self._lock:
            self._turned_away += 1

    def text(self) -> bytes:
        """All of it, as a scraper reads it."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        # Of its own, and made anew: the library's default registry belongs to whoever embeds the server.
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Collected(list(self._families())))
        return bytes(generate_latest(registry))

    def _families(self) -> Iterator["Metric"]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        yield InfoMetricFamily(f"{_PREFIX}_build", "What runs here.", {"version": self._version})
        with self._lock:
            answers, took, seconds, turned_away = (
                dict(self._answers),
                list(self._took),
                self._seconds,
                self._turned_away,
            )
        by_status = CounterMetricFamily(f"{_PREFIX}_answers", "Answers by HTTP status.", labels=["status"])
        for status, count in sorted(answers.items()):
            by_status.add_metric([str(status)], count)
        yield by_status
        running, buckets = 0, []
        for bound, count in zip([*map(str, _BOUNDS_S), "+Inf"], took, strict=True):
            running += count
            buckets.append((bound, running))
        yield HistogramMetricFamily(
            f"{_PREFIX}_answer_seconds",
            "From the end of a request's head until its answer was handed over.",
            buckets=buckets,
            sum_value=seconds,
        )
        yield GaugeMetricFamily(f"{_PREFIX}_connections", "Connections that are open.", self.connections())
        yield CounterMetricFamily(
            f"{_PREFIX}_connections_turned_away", "Connections that got a 503 as there were too many.", turned_away
        )
        if self._watch is not None:
            yield from self._ingest_families(self._watch)

    def _ingest_families(self, watch: Watch) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        ingested = watch.ingested
        records = CounterMetricFamily(
            f"{_PREFIX}_records", "Records read since the start, by what became of them.", labels=["outcome"]
        )
        for outcome in ("counted", "skipped", "malformed", "duplicate"):
            records.add_metric([outcome], getattr(ingested, outcome))
        yield records
        yield CounterMetricFamily(f"{_PREFIX}_ingested_bytes", "How much of the sources was read.", ingested.bytes)
        stalled = watch.stalled(self._stalled_after_s) is not None
        yield GaugeMetricFamily(
            f"{_PREFIX}_ingest_stalled", "1 if nothing moves although there may be more to read.", int(stalled)
        )
        if ingested.newest_us is not None:
            newest_s = ingested.newest_us / 1e6
            yield GaugeMetricFamily(
                f"{_PREFIX}_newest_hit_timestamp_seconds", "When the latest hit of all was made.", newest_s
            )
            yield GaugeMetricFamily(
                f"{_PREFIX}_lag_seconds", "How long ago the latest hit of all was made.", self._now() - newest_s
            )


class _Collected:
    def __init__(self, families: "list[Metric]") -> None:
        self._families = families

    def collect(self) -> "list[Metric]":
        """What a registry asks for."""
        return self._families
