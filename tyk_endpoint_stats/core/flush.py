"""The flush: from the hits of a running batch to its day rows, all four kinds of them, and the names seen.

Every hit is counted in the row of each consumer it has, and once in its organisation's: in the row of everyone and
its endpoint. The totals over every endpoint are the sums of those rows.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TypeAlias, TypeVar

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, ConsumerKey, Kind, NameSeen
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow
from tyk_endpoint_stats.core.entries import (
    CELLS,
    HITS,
    LAST,
    NUMBER,
    Entry,
    entries_of,
    merged,
    one_a_quarter_hour,
    packed_distribution,
    packed_quarter_hours,
    plain_of,
)
from tyk_endpoint_stats.core.limits import cut_name
from tyk_endpoint_stats.core.running_batch import RunningBatch

__all__ = ["batch_of"]

_KINDS = (Kind.KEY.value, Kind.OAUTH.value)  # an enum's member costs more than a global

Named = TypeVar("Named", bound=tuple[str, ...])

RowKey: TypeAlias = tuple[int, int, int]
"""Day, consumer, endpoint."""


def batch_of(running: RunningBatch, path_of: Callable[[str], str]) -> Batch:
    """The batch of these hits.

    Args:
        running: used up, not to be in memory beside the rows.
        path_of: from a path as it was recorded to the one that is counted.
    """
    with _collector_paused():
        return _Flush(running, path_of).batch()


@contextmanager
def _collector_paused() -> Iterator[None]:
    # The cyclic collector's passes over lists of numbers took a third of a flush, and found nothing. Two threads at
    # once may end the pause early, not late.
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Flush:
    def __init__(self, running: RunningBatch, path_of: Callable[[str], str]) -> None:
        self._running, self._path_of = running, path_of
        self._batch = Batch()
        self._of_consumers: dict[RowKey, list[list[Entry]]] = {}
        self._of_everyone: dict[RowKey, list[list[Entry]]] = {}
        self._distributions: dict[int, bytes] = {}  # of one hit, by its cell

    def batch(self) -> Batch:
        self._sort_out()
        self._rows_of_consumers()
        self._rows_of_everyone()
        return self._batch

    def _sort_out(self) -> None:
        """Give each entry to the rows that it counts in."""
        running, batch, path_of = self._running, self._batch, self._path_of
        consumers: dict[ConsumerKey, int] = {}
        endpoints: dict[tuple[str, str], int] = {}
        recorded: dict[tuple[str, str], int] = {}  # the same by paths as they were recorded
        by_identity: list[list[Entry]] = [[] for _ in running.newest]
        for identity, entry in zip(running.identities, entries_of(running), strict=True):
            by_identity[identity].append(entry)
        newest_us: int | None = None
        for identity_key, entries in zip(running.newest, by_identity, strict=True):
            names: Sequence[str] = identity_key.split("\t")
            org_id, api_key, oauth_id, api_id, path, alias, api_name = (
                names if len(names) > 1 else running.tabbed[identity_key]
            )
            endpoint = recorded.get((api_id, path))
            if endpoint is None:
                endpoint = endpoints.setdefault((api_id, path_of(path)), len(endpoints) + 1)
                recorded[api_id, path] = endpoint
            last_us = entries[0][LAST] if len(entries) == 1 else max([entry[LAST] for entry in entries])
            if newest_us is None or last_us > newest_us:
                newest_us = last_us
            if api_name:
                _see(batch.api_names, (org_id, api_id), last_us, api_name)
            everyone = consumers.setdefault((org_id, EVERYONE, ""), len(consumers))
            its_consumers = []
            for kind, consumer_id in zip(_KINDS, (api_key, oauth_id), strict=True):
                if consumer_id:
                    key = (org_id, kind, consumer_id)
                    its_consumers.append(consumers.setdefault(key, len(consumers)))
                    if alias:
                        _see(batch.aliases, key, last_us, alias)
            for day, of_day in _by_day(entries):
                _append(self._of_everyone, (day, everyone, endpoint), of_day)
                for consumer in its_consumers:
                    _append(self._of_consumers, (day, consumer, endpoint), of_day)
        batch.consumers, batch.endpoints, batch.newest_us = list(consumers), list(endpoints), newest_us

    def _rows_of_consumers(self) -> None:
        rows, totals = self._batch.rows, self._batch.totals
        by_consumer: dict[tuple[int, int], list[tuple[Entry, DayRow]]] = {}
        while self._of_consumers:
            (day, consumer, endpoint), lists = self._of_consumers.popitem()
            entries = lists[0] if len(lists) == 1 else list(chain.from_iterable(lists))
            entry = entries[0] if len(entries) == 1 else merged(entries)
            row = self._row((day, consumer, endpoint), entry, packed_quarter_hours(entries))
            rows.append(row)
            known = by_consumer.get((day, consumer))
            if known is None:
                by_consumer[day, consumer] = [(entry, row)]
            else:
                known.append((entry, row))
        for (day, consumer), several in by_consumer.items():
            if len(several) == 1:
                (_, _, _, *rest, _) = several[0][1]
                totals.append(_day_row((day, consumer, EVERY_ENDPOINT, *rest, b"")))
            else:
                totals.append(
                    self._row((day, consumer, EVERY_ENDPOINT), merged([entry for entry, _ in several]), b"")
                )

    def _rows_of_everyone(self) -> None:
        by_day: dict[tuple[int, int], list[Entry]] = {}
        while self._of_everyone:
            (day, everyone, endpoint), lists = self._of_everyone.popitem()
            entries = self._total((day, everyone, endpoint), list(chain.from_iterable(lists)))
            by_day.setdefault((day, everyone), []).extend(entries)
        for (day, everyone), entries in by_day.items():
            self._total((day, everyone, EVERY_ENDPOINT), entries)

    def _total(self, key: RowKey, entries: list[Entry]) -> list[Entry]:
        entries = one_a_quarter_hour(entries)
        entry = entries[0] if len(entries) == 1 else merged(entries)
        self._batch.totals.append(self._row(key, entry, packed_quarter_hours(entries)))
        return entries

    def _row(self, key: RowKey, entry: Entry, quarter_hours: bytes) -> DayRow:
        cells = entry[CELLS]
        if len(cells) == 1 == entry[HITS]:
            distribution = self._distributions.get(cells[0])
            if distribution is None:
                distribution = self._distributions[cells[0]] = packed_distribution(entry)
        else:
            distribution = packed_distribution(entry)
        return _day_row((*key, *plain_of(entry), distribution, quarter_hours))


def _day_row(values: tuple[object, ...]) -> DayRow:
    return tuple.__new__(DayRow, values)  # a third of the time of DayRow(*values)


def _append(rows: dict[RowKey, list[list[Entry]]], key: RowKey, entries: list[Entry]) -> None:
    known = rows.get(key)
    if known is None:
        rows[key] = [entries]
    else:
        known.append(entries)  # the list itself may be another row's, too


def _by_day(entries: list[Entry]) -> Iterable[tuple[int, list[Entry]]]:
    if len(entries) == 1:
        return ((entries[0][NUMBER] // QUARTER_HOURS_PER_DAY, entries),)
    days: dict[int, list[Entry]] = {}
    for entry in entries:
        days.setdefault(entry[NUMBER] // QUARTER_HOURS_PER_DAY, []).append(entry)
    return days.items()


def _see(names: dict[Named, NameSeen], key: Named, last_us: int, name: str) -> None:
    known = names.get(key)
    if known is None or last_us >= known[0]:
        names[key] = max(known or (last_us, ""), (last_us, cut_name(name)))
