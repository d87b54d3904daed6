"""Questions people ask, over any store: rows, their order, their pages. Pure but for the store's one read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.buckets import ALL_DAYS, plan_spans
from tyk_endpoint_stats.core.instants import day_bounds, find_zone, to_datetime
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

if TYPE_CHECKING:
    from tyk_endpoint_stats.stores.contract import ReadableStore

__all__ = ["ConsumerRow", "EndpointRow", "consumers", "endpoints", "page_of"]

Row = TypeVar("Row")

_ORDER = itemgetter(0, 1, 2, 3)


class EndpointRow(Struct, frozen=True, kw_only=True):
    """One endpoint that a consumer called, over the whole range asked for. Durations are milliseconds.

    Attributes:
        request_time, latency, upstream_latency: means over all hits; ``int`` where whole.
        min_latency, min_upstream_latency: over the non-error hits, where there is one.
        max_upstream_latency, min_upstream_latency, max_latency, min_latency: 0 where the store can't tell, which
            only others' data does; it is ``None`` in ``stats`` then.
        last_hit: the latest hit, in the zone asked for.
        stats: the merged state itself: status codes, percentiles, both minima, the first hit.
    """

    api_id: str
    path: str
    api_name: str
    hits: int
    success: int
    error: int
    last_hit: datetime
    request_time: int | float
    latency: int | float
    upstream_latency: int | float
    max_upstream_latency: int
    min_upstream_latency: int
    max_latency: int
    min_latency: int
    stats: EndpointStats


class ConsumerRow(Struct, frozen=True, kw_only=True):
    """One consumer that was seen in the range asked for."""

    kind: Kind
    id: str
    alias: str
    hits: int
    success: int
    error: int
    last_hit: datetime
    stats: EndpointStats


def endpoints(
    store: "ReadableStore",
    consumer: Consumer,
    first: date,
    last: date,
    *,
    zone: str | tzinfo = UTC,
    org_id: str | None = None,
    api_id: str | None = None,
    distributions: bool = True,
    max_rows: int | None = None,
) -> list[EndpointRow]:
    """Which endpoints a consumer called from ``first`` to ``last``, both days inclusive, in ``zone``.

    Args:
        store: any store that can be read.
        consumer: who.
        first: the first local day.
        last: the last local day; before ``first`` the range is empty.
        zone: an IANA name or a ``tzinfo``; days are midnight to midnight in it, by its real rules.
        org_id: only that organisation; ``None``: all of them.
        api_id: only that API; ``""`` is the API whose id is empty.
        distributions: whether status codes and percentiles are wanted; without them it is faster.
        max_rows: more of them are an error, before they are all in memory; ``None``: as many as there are.

    Returns:
        Rows by hits descending, then ``last_hit`` descending, then ``api_id`` and ``path`` by code point.

    Raises:
        InvalidQuestion: there is no such zone.
        QuarterHoursPruned: an edge of the range needs quarter states that were pruned.
        EdgeInsideBucket: an edge lies inside of what the store holds as one number.
        AnswerTooLarge: there are more than ``max_rows``.
        StoreError: the store can't answer.
    """
    zone = find_zone(zone) if isinstance(zone, str) else zone
    spans = plan_spans(*day_bounds(first, last, zone)) if first <= last else ()
    if not spans:
        return []
    selection = Selection(
        spans,
        frozenset({Dimension.ENDPOINT}),
        org_id=org_id,
        kind=consumer.kind,
        consumer_id=consumer.id,
        api_id=api_id,
        distributions=distributions,
        max_groups=max_rows,
    )
    answer = []
    for group, stats in store.read(selection):
        assert group.endpoint is not None
        answer.append(
            (-stats.hits, -_last(stats), group.endpoint.api_id, group.endpoint.path, group.api_name, stats)
        )
    answer.sort(key=_ORDER)
    return [_endpoint_row(api_id, path, name, stats, zone) for _, _, api_id, path, name, stats in answer]


def consumers(
    store: "ReadableStore",
    *,
    kind: Kind | None = None,
    first: date | None = None,
    last: date | None = None,
    zone: str | tzinfo = UTC,
    org_id: str | None = None,
    distributions: bool = False,
) -> list[ConsumerRow]:
    """The consumers seen, by hits descending, then ``last_hit`` descending, then kind and id.

    Args:
        store: any store that can be read.
        kind: only keys, or only OAuth clients.
        first: the first local day; ``None``: since ever.
        last: the last local day, inclusive; ``None``: until now and beyond.
        zone: an IANA name or a ``tzinfo``.
        org_id: only that organisation; ``None``: all of them.
        distributions: whether status codes and percentiles are wanted.

    Raises:
        InvalidQuestion: there is no such zone.
        QuarterHoursPruned: an edge of the range needs quarter states that were pruned.
        EdgeInsideBucket: an edge lies inside of what the store holds as one number.
        StoreError: the store can't answer.
    """
    zone = find_zone(zone) if isinstance(zone, str) else zone
    if first is None and last is None:
        spans = ALL_DAYS
    else:
        first, last = first or date.min, last or date.max
        spans = plan_spans(*day_bounds(first, last, zone)) if first <= last else ()
    if not spans:
        return []
    selection = Selection(
        spans, frozenset({Dimension.CONSUMER}), org_id=org_id, kind=kind, distributions=distributions
    )
    rows = []
    for group, stats in store.read(selection):
        assert group.consumer is not None
        rows.append(
            ConsumerRow(
                kind=group.consumer.kind,
                id=group.consumer.id,
                alias=group.alias,
                hits=stats.hits,
                success=stats.success,
                error=stats.error,
                last_hit=to_datetime(_last(stats), zone),
                stats=stats,
            )
        )
    rows.sort(key=lambda row: (-row.hits, -_last(row.stats), row.kind, row.id))
    return rows


def page_of(rows: Sequence[Row], number: int | None, size: int) -> tuple[Sequence[Row], int]:
    """One page of the rows and the number of pages, by Tyk's rule.

    ``None``: all rows, 1 page. 1 and above: that page of ``size`` rows (none past the end), and how many
    pages there are, at least 1. 0 and below: all rows, 0 pages.
    """
    if number is None:
        return rows, 1
    if number <= 0:
        return rows, 0
    return rows[(number - 1) * size : number * size], max(1, -(-len(rows) // size))


def _last(stats: EndpointStats) -> int:
    assert stats.last_hit_us is not None, "a store answers no group without a hit"
    return stats.last_hit_us


def _endpoint_row(api_id: str, path: str, api_name: str, stats: EndpointStats, zone: tzinfo) -> EndpointRow:
    return EndpointRow(
        api_id=api_id,
        path=path,
        api_name=api_name,
        hits=stats.hits,
        success=stats.success,
        error=stats.error,
        last_hit=to_datetime(_last(stats), zone),
        request_time=stats.request_time_ms or 0,
        latency=stats.latency_ms or 0,
        upstream_latency=stats.upstream_latency_ms or 0,
        max_upstream_latency=stats.max_upstream_latency_ms or 0,
        min_upstream_latency=stats.min_upstream_latency_ms or 0,
        max_latency=stats.max_latency_ms or 0,
        min_latency=stats.min_latency_ms or 0,
        stats=stats,
    )
