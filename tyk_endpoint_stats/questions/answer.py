"""From what is asked to rows: one read of the store, one more where a period before is compared with."""

from collections.abc import Hashable
from operator import attrgetter
from typing import TypeVar

from tyk_endpoint_stats.core.selection import Group, Readable, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.group_rows import GroupRow
from tyk_endpoint_stats.questions.measures import DISTRIBUTED
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Order, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["answer"]

_IN_A_GROUP = {
    "kind": "consumer.kind",
    "id": "consumer.id",
    "alias": "alias",
    "api_id": "endpoint.api_id",
    "path": "endpoint.path",
    "api_name": "api_name",
}
"""Where the ids and names of rows stand in what a store answers."""


Row = TypeVar("Row", bound=GroupRow)


def answer(
    store: Readable,
    row_type: type[Row],
    period: Period,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    before: Period | None = None,
    sort: str = DEFAULT_ORDER,
    limit: int | None = None,
    after: Position | None = None,
    distributions: bool = True,
    max_rows: int | None = None,
) -> Rows[Row]:
    """The rows of a type: which endpoints were called, who called them, and so on. Busiest first, unless sorted.

    Args:
        store: what is asked.
        row_type: what a row stands for.
        period: when.
        where: which hits, and which rows.
        before: a period to compare with: rows that were only there have no hits, and are ``gone``.
        sort: a member's name, ``-`` before it for the largest first.
        limit: so many rows at most; ``None``: all.
        after: only rows behind this position.
        distributions: whether status codes and percentiles are wanted; without them it is faster.
        max_rows: an answer without a limit may not have more; ``None``: it may have any number.

    Raises:
        InvalidQuestion: there is no such member to sort by, or ``after`` is no position.
        QuarterHoursPruned: an edge of a period needs quarter hours that were pruned.
        EdgeInsideBucket: an edge lies inside of what the store holds as one number.
        AnswerTooLarge: there are more than ``max_rows``.
        StoreError: the store can't answer.
    """
    order = Order.parse(sort, row_type)
    distributions = distributions or where.status is not None or order.member in DISTRIBUTED
    bound = max_rows if limit is None else None
    max_groups = None if where.chooses_rows or row_type.IS_SUM else bound
    how = row_type.GROUP_BY, distributions, max_groups
    earlier: dict[Hashable, Row] = {}
    if before is not None:
        earlier, _ = _rows(store, row_type, before, where.selection(before.spans, *how), {})
    # What comes first in any other order, or behind a position, only all rows together tell.
    is_top = sort == DEFAULT_ORDER and after is None and before is None
    busiest = limit if is_top and not where.chooses_rows and not row_type.IS_SUM else None
    found, total_of = _rows(store, row_type, period, where.selection(period.spans, *how, busiest), earlier)
    rows = list(found.values())
    for ids, row in earlier.items():
        if ids not in found:
            rows.append(_gone(row, period))
    if where.chooses_rows:
        rows = list(filter(where.wanted(), rows))
    if bound is not None and len(rows) > bound:
        raise AnswerTooLarge(f"{bound:,} rows")
    tail = order.arranged(rows, after)
    page = tail if limit is None else tail[:limit]
    has_more = len(page) < (len(tail) if total_of is None else total_of[0])
    return Rows(page, row_type, all_rows=rows, total_of=total_of, has_more=has_more, compared=before is not None)


def _rows(
    store: Readable,
    row_type: type[Row],
    period: Period,
    selection: Selection | None,
    earlier: dict[Hashable, Row],
) -> tuple[dict[Hashable, Row], tuple[int, EndpointStats] | None]:
    """The rows by what tells them apart; how many there are and their sum, where these are only the busiest."""
    if selection is None:
        return {}, None
    total_of = None
    # What tells rows apart: groups with the same are one row.
    ids_of = attrgetter(*(_IN_A_GROUP[name] for name in row_type.IDS))
    merged: dict[Hashable, tuple[Group, EndpointStats, int]] = {}
    for group, stats in store.read(selection):
        if group.groups is not None:
            total_of = group.groups, stats
            continue
        ids = ids_of(group)
        if ids in merged:
            first, state, groups = merged[ids]
            state.merge(stats)
            merged[ids] = first, state, groups + 1
        else:
            merged[ids] = group, stats, 1
    names = [name for name in (*row_type.IDS, *row_type.NAMES) if name in _IN_A_GROUP]
    named = attrgetter(*(_IN_A_GROUP[name] for name in names))
    rows: dict[Hashable, Row] = {}
    for key, (group, stats, groups) in merged.items():
        values = dict(zip(names, named(group), strict=True))
        if row_type.IS_SUM:
            values["endpoints"] = groups
        rows[key] = row_type(**values, stats=stats, zone=period.zone, before=earlier.get(key))
    return rows, total_of


def _gone(row: Row, period: Period) -> Row:
    kept = {name: getattr(row, name) for name in (*row.IDS, *row.NAMES)}
    return type(row)(**kept, stats=EndpointStats(), zone=period.zone, before=row)
