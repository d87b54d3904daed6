"""Hits over time: one row a piece of time, those without a hit too."""

from datetime import datetime
from itertools import zip_longest
from typing import ClassVar

from tyk_endpoint_stats.core.selection import Dimension, Group, Readable
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.grid import grid, within_hits
from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval, Pieces
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["DEFAULT_TOP", "GroupedSeriesRow", "SeriesRow", "series", "series_by"]

DEFAULT_TOP = 5
"""How many groups are shown each by itself."""


class SeriesRow(Measures, frozen=True, kw_only=True):
    """One piece of time; its numbers are those of ``Measures``.

    Attributes:
        start: when it begins, in the period's zone.
        end: when it has just ended.
    """

    IDS: ClassVar[tuple[str, ...]] = ("start", "end")

    start: datetime
    end: datetime


class GroupedSeriesRow(SeriesRow, frozen=True, kw_only=True):
    """One piece of time of one group.

    Attributes:
        group: the group's ids by name; ``None``: all the others together.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("group",)

    group: dict[str, str] | None


def series(
    store: Readable,
    period: Period,
    interval: Interval = Interval.DAY,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    before: Period | None = None,
    distributions: bool = True,
    max_rows: int | None = None,
) -> Rows[SeriesRow]:
    """One row a piece of the period, in order, also for pieces without a hit. One read.

    A period without a beginning or an end is cut to the days that have hits, which is one more read.

    Args:
        store: what is asked.
        period: when.
        interval: how long a piece is; the first and the last are cut at the period's edges.
        where: which hits.
        before: a period to compare with, piece by piece from its beginning.
        distributions: whether status codes and percentiles are wanted.
        max_rows: an answer may not have more; ``None``: it may have any number.

    Raises:
        InvalidQuestion: ``where`` chooses rows.
        QuarterHoursPruned: a piece needs quarter hours that were pruned.
        EdgeInsideBucket: a piece begins inside of what the store holds as one number.
        AnswerTooLarge: there are more than ``max_rows``.
        StoreError: the store can't answer.
    """
    found = _plain(store, period, interval, where, distributions, max_rows)
    if before is None:
        return Rows(found, SeriesRow)
    earlier = _plain(store, before, interval, where, distributions, max_rows)
    rows = [
        SeriesRow(start=row.start, end=row.end, stats=row.stats, zone=row.zone, before=old)
        for row, old in zip_longest(found, earlier[: len(found)])
    ]
    return Rows(rows, SeriesRow, compared=True)


def series_by(
    store: Readable,
    period: Period,
    by: str,
    interval: Interval = Interval.DAY,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    top: int = DEFAULT_TOP,
    distributions: bool = True,
    max_rows: int | None = None,
) -> Rows[GroupedSeriesRow]:
    """The series of the busiest groups, and of all the others together: piece by piece, busiest first.

    Args:
        store: what is asked.
        period: when.
        by: ``endpoint``, ``consumer`` or ``api``.
        interval: how long a piece is.
        where: which hits.
        top: how many groups are shown each by itself.
        distributions: whether status codes and percentiles are wanted.
        max_rows: an answer may not have more; ``None``: it may have any number.

    Raises:
        InvalidQuestion, QuarterHoursPruned, EdgeInsideBucket, AnswerTooLarge, StoreError: as in ``series``.
    """
    where.refuse_choosing_rows("a series")
    pieces = _pieces(store, period, interval, where, max_rows)
    dimension = Dimension.CONSUMER if by == "consumer" else Dimension.ENDPOINT
    found = grid(store, pieces, where, (dimension,), distributions=distributions)
    cells: dict[tuple[tuple[str, str], ...], dict[int, EndpointStats]] = {}
    for group, row in found.cells.items():
        into = cells.setdefault(_ids(group, by), {})
        for number, stats in row.items():
            into.setdefault(number, EndpointStats()).merge(stats)
    hits = {ids: sum(stats.hits for stats in row.values()) for ids, row in cells.items()}
    busiest = sorted(cells, key=lambda ids: (-hits[ids], ids))
    shown = busiest[:top]
    if max_rows is not None and len(pieces) * (len(shown) + 1) > max_rows:
        raise AnswerTooLarge(f"{max_rows:,} rows")
    rest: dict[int, EndpointStats] = {}
    for ids in busiest[top:]:
        for number, stats in cells[ids].items():
            rest.setdefault(number, EndpointStats()).merge(stats)
    named = [(dict(ids), cells[ids]) for ids in shown]
    rows = [
        GroupedSeriesRow(
            start=period.local(start),
            end=period.local(end),
            stats=row.get(number) or EndpointStats(),
            zone=period.zone,
            group=names,
        )
        for number, (start, end) in enumerate(pieces)
        for names, row in ([*named, (None, rest)] if len(busiest) > top else named)
    ]
    return Rows(rows, GroupedSeriesRow)


def _plain(
    store: Readable,
    period: Period,
    interval: Interval,
    where: Filter,
    distributions: bool,
    max_rows: int | None,
) -> list[SeriesRow]:
    where.refuse_choosing_rows("a series")
    pieces = _pieces(store, period, interval, where, max_rows)
    states = grid(store, pieces, where, distributions=distributions).by_piece()
    return [
        SeriesRow(start=period.local(start), end=period.local(end), stats=stats, zone=period.zone)
        for (start, end), stats in zip(pieces, states, strict=True)
    ]


def _pieces(
    store: Readable, period: Period, interval: Interval, where: Filter, max_rows: int | None
) -> list[tuple[int, int]]:
    pieces = Pieces(within_hits(store, period, where), interval)
    if max_rows is not None and len(pieces) > max_rows:
        raise AnswerTooLarge(f"{max_rows:,} rows")
    return list(pieces[:])


def _ids(group: Group, by: str) -> tuple[tuple[str, str], ...]:
    if by == "consumer":
        assert group.consumer is not None
        return (("kind", group.consumer.kind), ("id", group.consumer.id))
    assert group.endpoint is not None
    if by == "api":
        return (("api_id", group.endpoint.api_id),)
    return (("api_id", group.endpoint.api_id), ("path", group.endpoint.path))
