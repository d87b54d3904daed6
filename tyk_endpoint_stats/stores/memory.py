"""The store in memory: the reference that every other one is compared with; a dict and a lock.

Exactly once inside the process, thread-safe, gone at exit.
"""

import os
from collections.abc import Iterator, Sequence
from threading import RLock
from typing import Any

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.selection import (
    Batch,
    Consumer,
    Counts,
    Dimension,
    Endpoint,
    Group,
    Kind,
    NameSeen,
    Selection,
    Series,
)
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, QuarterHoursPruned, StoreClosed, StoreError
from tyk_endpoint_stats.stores.contract import (
    Copyable,
    Outline,
    Pruned,
    SourceProgress,
    Store,
    Versioned,
    WholeBatchReads,
)

__all__ = ["MemoryStore", "open_memory"]

_MAX = 2**63 - 1
_UNSEEN = (0, "")


def open_memory(url: str = "memory://") -> "MemoryStore":
    """A new, empty store, whatever stands behind ``memory://``."""
    return MemoryStore()


class MemoryStore(Copyable, Versioned, WholeBatchReads, Store):
    """States in a dict, for tests, demos, and questions over a file that need no database."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._pid = os.getpid()
        self._closed = False
        self._states: dict[Bucket, dict[Series, EndpointStats]] = {}
        self._api_names: dict[tuple[str, str], NameSeen] = {}
        self._aliases: dict[tuple[str, str, str], NameSeen] = {}
        self._positions: dict[str, tuple[str | None, Counts]] = {}
        self._pruned_before_day: int | None = None
        self._version = 0

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        with self._lock:
            self._check_usable()
            if batch.source is not None:
                stored, counts = self._positions.get(batch.source, (None, Counts()))
                if stored != batch.begins:
                    if stored == batch.ends:
                        return False
                    raise PositionConflict(batch.source, batch.begins, stored)
            merged = self._merged_states(batch)  # may raise, so before anything changes
            self._version += 1
            for bucket, states in merged.items():
                self._states.setdefault(bucket, {}).update(states)
            _see_all(self._api_names, batch.api_names)
            _see_all(self._aliases, batch.aliases)
            if batch.source is not None:
                counts.merge(batch.counts)
                self._positions[batch.source] = (batch.ends, counts)
            return True

    def version(self) -> int:
        """See the contract."""
        with self._lock:
            self._check_usable()
            return self._version

    def _merged_states(self, batch: Batch) -> dict[Bucket, dict[Series, EndpointStats]]:
        merged: dict[Bucket, dict[Series, EndpointStats]] = {}
        for bucket, states in batch.states.items():
            if self._is_pruned(bucket):
                continue
            known = self._states.get(bucket, {})
            new = merged[bucket] = {}
            for series, stats in states.items():
                state = new[series] = stats.copy()
                if series in known:
                    state.merge(known[series])
                if _largest_sum(state) > _MAX:
                    # Without the consumer: where keys are not hashed, its id is a secret.
                    raise StoreError(f"the sums of {series[3:]!r} would pass 63 bits; the batch was not merged")
        return merged

    def _is_pruned(self, bucket: Bucket) -> bool:
        before = self._pruned_before_day
        return (
            before is not None
            and bucket.width is Width.QUARTER_HOUR
            and bucket.number < before * QUARTER_HOURS_PER_DAY
        )

    def position(self, source: str) -> str | None:
        """See the contract."""
        with self._lock:
            self._check_usable()
            return self._positions.get(source, (None, None))[0]

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with self._lock:
            self._check_usable()
            progress = []
            for source, (position, counts) in sorted(self._positions.items()):
                copied = Counts()
                copied.merge(counts)
                progress.append(SourceProgress(source, position, copied))
            return progress

    def outline(self) -> Outline:
        """See the contract."""
        with self._lock:
            self._check_usable()
            before = self._pruned_before_day
            return Outline(
                sorted({org_id for states in self._states.values() for org_id, *_ in states}),
                dict(self._api_names),
                dict(self._aliases),
                None if before is None else before * DAY_US,
            )

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with self._lock:
            self._check_usable()
            by = selection.group_by
            merged: dict[tuple[Consumer | None, Endpoint | None, Bucket | None], EndpointStats] = {}
            for bucket, states in self._buckets_in(selection.spans):
                kept_bucket = bucket if Dimension.BUCKET in by else None
                for series, stats in states.items():
                    if _matches(series, selection):
                        _, kind, consumer_id, api_id, path = series
                        consumer = Consumer(Kind(kind), consumer_id) if Dimension.CONSUMER in by else None
                        endpoint = Endpoint(api_id, path) if Dimension.ENDPOINT in by else None
                        merged.setdefault((consumer, endpoint, kept_bucket), EndpointStats()).merge(stats)
                        selection.check_groups(len(merged))
            aliases = _newest_names(self._aliases, selection.org_id)
            api_names = _newest_names(self._api_names, selection.org_id)
        answer = []
        for (consumer, endpoint, kept_bucket), stats in merged.items():
            if not selection.distributions:
                stats.codes, stats.histogram = {}, {}
            alias = aliases.get((consumer.kind, consumer.id), _UNSEEN)[1] if consumer else ""
            api_name = api_names.get((endpoint.api_id,), _UNSEEN)[1] if endpoint else ""
            answer.append((Group(consumer, endpoint, kept_bucket, alias, api_name), stats))
        return answer

    def _buckets_in(self, spans: tuple[Span, ...]) -> Iterator[tuple[Bucket, dict[Series, EndpointStats]]]:
        for bucket in list(self._states):
            if bucket.width is Width.DAY and any(self._lacks_quarters(bucket, span) for span in spans):
                raise QuarterHoursPruned(
                    "the range has an edge inside a UTC day whose quarter hours were pruned; "
                    "ask for whole UTC days of that time"
                )
        for bucket, states in self._states.items():
            if any(span.width is bucket.width and span.first <= bucket.number < span.end for span in spans):
                yield bucket, states

    def _lacks_quarters(self, day: Bucket, span: Span) -> bool:
        first = day.number * QUARTER_HOURS_PER_DAY
        overlaps = (
            span.width is Width.QUARTER_HOUR and span.first < first + QUARTER_HOURS_PER_DAY and first < span.end
        )
        return overlaps and self._is_pruned(Bucket(Width.QUARTER_HOUR, first))

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Positions are kept: what a source is can't be told from here."""
        with self._lock:
            self._check_usable()
            self._version += 1
            day, known = before // DAY_US, self._pruned_before_day
            self._pruned_before_day = day if known is None else max(day, known)
            gone = [bucket for bucket in self._states if self._is_pruned(bucket)]
            return Pruned(quarter_states=sum(len(self._states.pop(bucket)) for bucket in gone))

    def close(self) -> None:
        """See the contract."""
        with self._lock:
            self._closed = True

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreClosed("this memory store is closed")
        if os.getpid() != self._pid:
            raise StoreClosed("this memory store was opened before a fork; open one in this process")


def _largest_sum(state: EndpointStats) -> int:
    return max(
        state.hits,
        state.success,
        state.error,
        state.total_request_time_ms,
        state.total_latency_ms,
        state.total_upstream_latency_ms,
    )


def _matches(series: Series, selection: Selection) -> bool:
    org_id, kind, consumer_id, api_id, path = series
    return (
        (selection.org_id is None or selection.org_id == org_id)
        and (selection.kind is None or selection.kind == kind)
        and (selection.consumer_id is None or selection.consumer_id == consumer_id)
        and (selection.api_id is None or selection.api_id == api_id)
        and (selection.path is None or selection.path == path)
    )


def _newest_names(names: dict[Any, NameSeen], org_id: str | None) -> dict[tuple[str, ...], NameSeen]:
    newest: dict[tuple[str, ...], NameSeen] = {}
    for (seen_org_id, *rest), seen in names.items():
        if org_id is None or org_id == seen_org_id:
            key = tuple(rest)
            newest[key] = max(seen, newest.get(key, seen))
    return newest


def _see_all(names: dict[Any, NameSeen], seen: dict[Any, NameSeen]) -> None:
    for key, name in seen.items():
        names[key] = max(name, names.get(key, name))
