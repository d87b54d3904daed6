"""What every row of an answer has: numbers read from one merged state. Flat names, the same in every format."""

from datetime import UTC, datetime, tzinfo
from typing import Any, ClassVar

from msgspec import Struct

from tyk_endpoint_stats.core.instants import to_datetime
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.questions.times import plain_value, rfc3339

__all__ = ["BEFORE_MEMBERS", "DISTRIBUTED", "MEASURES", "Measures"]

MEASURES = (
    *("hits", "success", "error", "error_rate", "c2xx", "c3xx", "c4xx", "c5xx", "first_hit", "last_hit"),
    *("request_time", "latency", "upstream_latency", "min_latency", "max_latency"),
    *("min_upstream_latency", "max_upstream_latency", "p50", "p95", "p99", "codes"),
)
"""The members that every row has, in the order in which they are written."""

DISTRIBUTED = frozenset({"c2xx", "c3xx", "c4xx", "c5xx", "p50", "p95", "p99", "codes"})
"""Members that need status codes or the histogram: where they were not read, they are ``None``."""

BEFORE_MEMBERS = ("hits", "success", "error", "c4xx", "c5xx", "latency", "p50", "p95", "last_hit")
"""What is written of the row of the period before."""


class Measures(Struct, frozen=True, kw_only=True):
    """The numbers of a row. Durations are milliseconds, ``int`` where whole.

    A number that there is none of is ``None``: a mean without a hit that has a latency, a percentile where
    distributions were not read, a minimum that somebody else's data does not hold.

    Attributes:
        stats: the merged state itself: sums, both minima, histogram.
        zone: in which the row's times are.
        before: the same row in the period compared with; ``None``: it has no hit there, or nothing was compared.
    """

    IDS: ClassVar[tuple[str, ...]] = ()
    """What tells the row from others of its kind."""

    NAMES: ClassVar[tuple[str, ...]] = ()
    """What the row is called, beside its ids."""

    stats: EndpointStats
    zone: tzinfo = UTC
    before: "Measures | None" = None

    @classmethod
    def members(cls) -> tuple[str, ...]:
        """The names of all that ``to_dict`` gives, in order."""
        return (*cls.IDS, *cls.NAMES, *MEASURES)

    @property
    def hits(self) -> int:
        """How many requests."""
        return self.stats.hits

    @property
    def success(self) -> int:
        """Those with a status of 200 to 299."""
        return self.stats.success

    @property
    def error(self) -> int:
        """Those with a status of 400 and above."""
        return self.stats.error

    @property
    def error_rate(self) -> float | None:
        """The share of errors in the hits, 0 to 1."""
        return self.stats.error / self.stats.hits if self.stats.hits else None

    @property
    def codes(self) -> dict[int, int] | None:
        """Hits by status code, in the order of the codes."""
        return dict(sorted(self.stats.codes.items())) if self.stats.codes or not self.stats.hits else None

    @property
    def c2xx(self) -> int | None:
        """Hits with a status of 200 to 299."""
        return self._of_class(2)

    @property
    def c3xx(self) -> int | None:
        """Hits with a status of 300 to 399."""
        return self._of_class(3)

    @property
    def c4xx(self) -> int | None:
        """Hits with a status of 400 to 499."""
        return self._of_class(4)

    @property
    def c5xx(self) -> int | None:
        """Hits with a status of 500 to 599."""
        return self._of_class(5)

    @property
    def first_hit(self) -> datetime | None:
        """The earliest hit, in ``zone``."""
        return self._moment(self.stats.first_hit_us)

    @property
    def last_hit(self) -> datetime | None:
        """The latest hit, in ``zone``."""
        return self._moment(self.stats.last_hit_us)

    @property
    def request_time(self) -> int | float | None:
        """The mean request time."""
        return _whole(self.stats.request_time_ms)

    @property
    def latency(self) -> int | float | None:
        """The mean latency, errors included."""
        return _whole(self.stats.latency_ms)

    @property
    def upstream_latency(self) -> int | float | None:
        """The mean upstream latency, errors included."""
        return _whole(self.stats.upstream_latency_ms)

    @property
    def min_latency(self) -> int | None:
        """The least latency: of the hits without an error, where there is one."""
        return self.stats.min_latency_ms

    @property
    def max_latency(self) -> int | None:
        """The largest latency."""
        return self.stats.max_latency_ms

    @property
    def min_upstream_latency(self) -> int | None:
        """The least upstream latency: of the hits without an error, where there is one."""
        return self.stats.min_upstream_latency_ms

    @property
    def max_upstream_latency(self) -> int | None:
        """The largest upstream latency."""
        return self.stats.max_upstream_latency_ms

    @property
    def p50(self) -> int | float | None:
        """The latency that half of the hits did not exceed, within about 1 %."""
        return self._percentile(50)

    @property
    def p95(self) -> int | float | None:
        """The latency that 95 % of the hits did not exceed, within about 1 %."""
        return self._percentile(95)

    @property
    def p99(self) -> int | float | None:
        """The latency that 99 % of the hits did not exceed, within about 1 %."""
        return self._percentile(99)

    @property
    def gone(self) -> bool:
        """Whether it has hits in the period before, and none in this one."""
        return not self.stats.hits and self.before is not None

    def to_dict(self, members: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Plain values by name, ready for JSON: times as RFC 3339, codes by text.

        Args:
            members: which; ``None``: all. ``before`` is there where the row has one, and ``gone`` where it is.
        """
        plain = {name: plain_value(getattr(self, name)) for name in (*self.IDS, *self.NAMES)} | self._numbers()
        if members is not None:
            plain = {name: plain[name] for name in members}
        if self.before is not None:
            before = self.before._numbers()
            plain["before"] = {name: before[name] for name in BEFORE_MEMBERS}
            if self.gone:
                plain["gone"] = True
        return plain

    def _numbers(self) -> dict[str, Any]:
        """``MEASURES``, plain, all at once: by way of the properties it takes twice as long."""
        stats, zone = self.stats, self.zone
        hits, error, codes = stats.hits, stats.error, stats.codes
        known = bool(codes) or not hits
        classes = [0] * 10
        for code, count in codes.items():
            if 200 <= code < 600:
                classes[code // 100] += count
        first, last = stats.first_hit_us, stats.last_hit_us
        return {
            "hits": hits,
            "success": stats.success,
            "error": error,
            "error_rate": error / hits if hits else None,
            "c2xx": classes[2] if known else None,
            "c3xx": classes[3] if known else None,
            "c4xx": classes[4] if known else None,
            "c5xx": classes[5] if known else None,
            "first_hit": None if first is None else rfc3339(to_datetime(first, zone)),
            "last_hit": None if last is None else rfc3339(to_datetime(last, zone)),
            "request_time": _whole(stats.request_time_ms),
            "latency": _whole(stats.latency_ms),
            "upstream_latency": _whole(stats.upstream_latency_ms),
            "min_latency": stats.min_latency_ms,
            "max_latency": stats.max_latency_ms,
            "min_upstream_latency": stats.min_upstream_latency_ms,
            "max_upstream_latency": stats.max_upstream_latency_ms,
            "p50": self._percentile(50),
            "p95": self._percentile(95),
            "p99": self._percentile(99),
            "codes": {str(code): codes[code] for code in sorted(codes)} if known else None,
        }

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.IDS]
        shown += [f"{name}={getattr(self, name)!r}" for name in ("hits", "success", "error", "p95")]
        return f"{type(self).__name__}({', '.join(shown)}, last_hit={self.last_hit})"

    def _of_class(self, hundreds: int) -> int | None:
        codes = self.stats.codes
        if not codes and self.stats.hits:
            return None
        return sum(count for code, count in codes.items() if code // 100 == hundreds)

    def _percentile(self, percent: float) -> int | float | None:
        value = self.stats.latency_percentile_ms(percent) if self.stats.histogram else None
        # The histogram is good for about 1 %: more digits would pretend.
        return None if value is None else _whole(round(value, 1))

    def _moment(self, instant: int | None) -> datetime | None:
        return None if instant is None else to_datetime(instant, self.zone)


def _whole(number: int | float | None) -> int | float | None:
    """Without a fraction where there is none: a nearest double may be whole where the exact mean is not."""
    return int(number) if type(number) is float and number.is_integer() else number
