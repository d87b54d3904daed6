"""How following goes, for whoever asks in another thread: a probe, or metrics."""

import time
from collections.abc import Callable
from threading import Lock

from msgspec import Struct

from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.ingest.report import IngestReport

__all__ = ["Ingested", "Watch"]


class Ingested(Struct, frozen=True):
    """The sums of what was ingested since the start.

    Attributes:
        counted, skipped, malformed, duplicate: records.
        bytes: how much of the sources was read.
        newest_us: the latest hit of all, ``None`` if nothing was counted.
    """

    counted: int = 0
    skipped: int = 0
    malformed: int = 0
    duplicate: int = 0
    bytes: int = 0
    newest_us: Instant | None = None


class Watch:
    """Told by the thread that follows, asked by others. Thread-safe.

    Following shows life after every part of a source and after every look for new ones, which comes each second.
    So whoever shows none for long is stuck in a reading or a merge, and has more to do.

    Args:
        now: a clock that never goes back, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = Lock()
        self._life_at = now()
        self._failing_since: dict[str, tuple[float, str]] = {}
        self._ended: str | None = None
        self._before = Ingested()
        self._current = Ingested()
        self._report: IngestReport | None = None

    @property
    def ingested(self) -> Ingested:
        """The sums so far."""
        with self._lock:
            return _sum(self._before, self._current)

    def moved(self, report: IngestReport) -> None:
        """Something was read, or there was nothing to read.

        Args:
            report: the sums of this following; those of an earlier one are kept.
        """
        current = Ingested(
            report.counts.counted,
            sum(report.counts.skipped.values()),
            sum(report.counts.malformed.values()),
            report.duplicate,
            report.bytes,
            report.newest_us,
        )
        with self._lock:
            if report is not self._report:
                self._before, self._report = _sum(self._before, self._current), report
            self._current = current
            self._life_at = self._now()

    def failed(self, label: str, reason: str) -> None:
        """What has that label did not work.

        Args:
            label: of a source, or of the store.
            reason: for anybody's eyes, so without names: ``a source can't be read``.
        """
        with self._lock:
            self._failing_since.setdefault(label, (self._now(), reason))

    def worked(self, label: str) -> None:
        """What has that label works, or is not wanted any more."""
        with self._lock:
            self._failing_since.pop(label, None)

    def ended(self, reason: str | None) -> None:
        """Nothing is followed any more.

        Args:
            reason: why, if that was a mistake; for anybody's eyes. ``None``: all sources have ended.
        """
        with self._lock:
            self._failing_since.clear()
            self._life_at = float("inf")
            self._ended = reason

    def stalled(self, after_s: float) -> str | None:
        """Why nothing moves although there may be more to read; ``None``: all is well.

        Args:
            after_s: how long nothing may have moved, in seconds.
        """
        with self._lock:
            now = self._now()
            if self._ended is not None:
                return self._ended
            for since, reason in self._failing_since.values():
                if now - since > after_s:
                    return f"{reason} for {now - since:.0f} s"
            if now - self._life_at > after_s:
                return f"the ingest has stood still for {now - self._life_at:.0f} s"
            return None


def _sum(first: Ingested, second: Ingested) -> Ingested:
    newest = [each.newest_us for each in (first, second) if each.newest_us is not None]
    return Ingested(
        first.counted + second.counted,
        first.skipped + second.skipped,
        first.malformed + second.malformed,
        first.duplicate + second.duplicate,
        first.bytes + second.bytes,
        max(newest, default=None),
    )
