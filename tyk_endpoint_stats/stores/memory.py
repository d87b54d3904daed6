"""The store in memory: the reference that every other one is compared with; dicts and a lock.

Exactly once inside the process, thread-safe, gone at exit.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex
from threading import Lock

from tyk_endpoint_stats.core.batch import Batch, Consumer, ConsumerKey, Counts, EndpointKey, NameSeen
from tyk_endpoint_stats.core.day_row import DayRow, compacted_row, merged_rows
from tyk_endpoint_stats.core.fields import SUMS
from tyk_endpoint_stats.core.growth import Grown, add_growth
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.core.packed import PackedError, count_pieces
from tyk_endpoint_stats.core.selection import Group, RowKind, Selection, row_kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreClosed, StoreError
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.busiest import answer_busiest
from tyk_endpoint_stats.stores.contract import (
    Copyable,
    Outline,
    Pruned,
    Retaining,
    SourceProgress,
    Versioned,
    WholeBatchReads,
)
from tyk_endpoint_stats.stores.hold import Hold
from tyk_endpoint_stats.stores.rules import (
    MAX_PIECES,
    MAX_SUM,
    Answer,
    days_of,
    is_wanted,
    kind_of,
    newest_names,
    refuse_pruned,
    see_names,
    states_of,
    take_batch,
    without_pruned,
)

__all__ = ["MemoryStore", "open_memory"]

_RowKey = tuple[ConsumerKey, EndpointKey | None]
_Rows = dict[_RowKey, DayRow]


def open_memory(url: str = "memory://") -> "MemoryStore":
    """A new, empty store, whatever stands behind ``memory://``."""
    return MemoryStore()


class MemoryStore(Copyable, Retaining, Versioned, WholeBatchReads, Store):
    """Day rows in dicts, for tests, demos, and questions over a file that need no database."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pid = os.getpid()
        self._closed = False
        self._days: dict[int, _Rows] = {}
        self._api_names: dict[tuple[str, str], NameSeen] = {}
        self._aliases: dict[ConsumerKey, NameSeen] = {}
        self._positions: dict[str, tuple[str | None, Counts]] = {}
        self._growth: dict[int, Grown] = {}
        self._pruned_before_day: int | None = None
        self._changes = 0
        self._version = ""
        self._changed()

    def merge(self, batch: Batch) -> bool:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            stored, counts = self._positions.get(batch.source or "", (None, Counts()))
            if not take_batch(batch, stored):
                return False
            # All that can be interrupted comes first; then everything changes in one line.
            days = self._days | {day: self._days.get(day, {}) | rows for day, rows in self._merged(batch).items()}
            api_names, aliases, positions = dict(self._api_names), dict(self._aliases), dict(self._positions)
            growth = dict(self._growth)
            see_names(api_names, batch.api_names)
            see_names(aliases, batch.aliases)
            add_growth(growth, batch.growth)
            if batch.source is not None:
                summed = Counts()
                summed.merge(counts)
                summed.merge(batch.counts)
                positions[batch.source] = (batch.ends, summed)
            changed = days, api_names, aliases, positions, growth
            self._changed()
            self._days, self._api_names, self._aliases, self._positions, self._growth = changed
            return True

    def _merged(self, batch: Batch) -> dict[int, _Rows]:
        merged: dict[int, _Rows] = {}
        endpoints: list[EndpointKey | None] = [None, *batch.endpoints]
        for row in without_pruned((*batch.rows, *batch.totals), self._pruned_before_day):
            key = (batch.consumers[row.consumer], endpoints[row.endpoint])
            known = merged.get(row.day, {}).get(key) or self._days.get(row.day, {}).get(key)
            new = row if known is None else _compact(merged_rows((known, row)))
            if max(getattr(new, name) for name in SUMS) > MAX_SUM:
                # Without the consumer: where keys are not hashed, its id is a secret.
                raise StoreError(f"the sums of {key[1]!r} would pass 63 bits; the batch was not merged")
            merged.setdefault(row.day, {})[key] = new
        return merged

    def _changed(self) -> None:
        self._changes += 1
        self._version = f"{self._changes}-{token_hex(8)}"

    def version(self) -> str:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            return self._version

    def position(self, source: str) -> str | None:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            return self._positions.get(source, (None, None))[0]

    def sources(self) -> Sequence[SourceProgress]:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            progress = []
            for source, (position, counts) in sorted(self._positions.items()):
                copied = Counts()
                copied.merge(counts)
                progress.append(SourceProgress(source, position, copied))
            return progress

    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            refuse_pruned(
                selection.spans,
                self._pruned_before_day,
                lambda first, end: any(first <= day < end for day in self._days),
            )
            if selection.busiest is not None:
                return answer_busiest(selection, self._answer)
            return self._answer(selection)

    def _answer(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        answer = Answer(selection)
        for span in selection.spans:
            kind = row_kind(selection, span.width)
            for (consumer, endpoint), row in self._rows_between(*days_of(span)):
                is_of_kind = kind_of(consumer, of_every_endpoint=endpoint is None) is kind
                if is_of_kind and is_wanted(selection, consumer, endpoint):
                    for bucket, stats in states_of(row, span, selection.distributions):
                        answer.add(consumer, endpoint, bucket, stats)
        aliases = newest_names(
            (key[1:], seen) for key, seen in self._aliases.items() if selection.org_id in (None, key[0])
        )
        api_names = newest_names(
            (api_id, seen)
            for (org_id, api_id), seen in self._api_names.items()
            if selection.org_id in (None, org_id)
        )
        return answer.groups(aliases, api_names)

    def _rows_between(self, first: int, end: int) -> Iterator[tuple[_RowKey, DayRow]]:
        for day, rows in self._days.items():
            if first <= day < end:
                yield from rows.items()

    def outline(self) -> Outline:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            before = self._pruned_before_day
            return Outline(
                sorted(self._days),
                dict(self._api_names),
                dict(self._aliases),
                None if before is None else before * DAY_US,
            )

    def day(self, number: int) -> Batch:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            rows = self._days.get(number, {})
            consumers = list({consumer: None for consumer, _ in rows})
            endpoints = list({endpoint: None for _, endpoint in rows if endpoint is not None})
            numbers: dict[EndpointKey | None, int] = {None: 0}
            numbers |= {endpoint: place for place, endpoint in enumerate(endpoints, 1)}
            places = {consumer: place for place, consumer in enumerate(consumers)}
            batch = Batch(consumers, endpoints)
            for (consumer, endpoint), row in rows.items():
                try:
                    one = compacted_row(row)
                except PackedError as problem:
                    raise StoreError(f"a row is damaged: {problem}; run verify") from problem
                batch.add_row(one._replace(consumer=places[consumer], endpoint=numbers[endpoint]))
            return batch

    def growth(self) -> Mapping[int, Grown]:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            return dict(self._growth)

    def prune(self, before: Instant) -> Pruned:
        """See the contract. Positions are kept: what a source is can't be told from here."""
        with Hold(self._lock):
            self._check_usable()
            day = self._pruned_to(before)
            pruned = 0
            for of_day, rows in self._days.items():
                if of_day < day:
                    for key, row in rows.items():
                        kind = kind_of(key[0], of_every_endpoint=key[1] is None)
                        pruned += bool(row.quarter_hours) and kind is RowKind.ENDPOINT_OF_CONSUMER
                        rows[key] = row._replace(quarter_hours=b"")
            self._changed()
            return Pruned(rows=pruned)

    def drop(self, before: Instant) -> int:
        """See the contract."""
        with Hold(self._lock):
            self._check_usable()
            end = self._pruned_to(before)
            gone = [day for day in self._days if day < end]
            self._growth = {day: grown for day, grown in self._growth.items() if day >= end}
            self._changed()
            return sum(len(self._days.pop(day)) for day in gone)

    def _pruned_to(self, before: Instant) -> int:
        day, known = before // DAY_US, self._pruned_before_day
        self._pruned_before_day = day if known is None else max(day, known)
        return day

    def forget(self, consumer: Consumer, org_id: str | None = None) -> int:
        """See the contract."""

        def is_forgotten(key: ConsumerKey) -> bool:
            return key[1:] == (consumer.kind, consumer.id) and org_id in (None, key[0])

        with Hold(self._lock):
            self._check_usable()
            forgotten = 0
            for rows in self._days.values():
                gone = [key for key in rows if is_forgotten(key[0])]
                forgotten += len(gone)
                for key in gone:
                    del rows[key]
            for name in [key for key in self._aliases if is_forgotten(key)]:
                del self._aliases[name]
            self._changed()
            return forgotten

    def close(self) -> None:
        """See the contract."""
        with Hold(self._lock):
            self._closed = True

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreClosed("this memory store is closed")
        if os.getpid() != self._pid:
            raise StoreClosed("this memory store was opened before a fork; open one in this process")


def _compact(row: DayRow) -> DayRow:
    return compacted_row(row) if count_pieces(row.distribution) > MAX_PIECES else row
