"""Hits over time, piece by piece, kept apart by what one wants: series and charts are made of it."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from tyk_endpoint_stats.core.buckets import bucket_start
from tyk_endpoint_stats.core.instants import day_bounds
from tyk_endpoint_stats.core.selection import Dimension, Group, Readable
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import EVER, Period
from tyk_endpoint_stats.questions.pieces import Piece, piece_numbers, spans_of
from tyk_endpoint_stats.questions.totals import totals

__all__ = ["Grid", "grid", "within_hits"]


class Grid(Struct, frozen=True):
    """States by group and by piece. All of one read, so that every sum of it agrees with every other.

    Attributes:
        pieces: the pieces of time, without gaps.
        cells: by group (``Group()`` where nothing is kept apart), then by the piece's number; none without a hit.
    """

    pieces: Sequence[Piece]
    cells: dict[Group, dict[int, EndpointStats]]

    def by_piece(self) -> list[EndpointStats]:
        """The sum over all groups in each piece, those without a hit too."""
        sums = [EndpointStats() for _ in self.pieces]
        for row in self.cells.values():
            for number, stats in row.items():
                sums[number].merge(stats)
        return sums


def grid(
    store: Readable,
    pieces: Sequence[Piece],
    where: Filter = Filter(),  # noqa: B008 - frozen
    by: Iterable[Dimension] = (),
    *,
    distributions: bool = True,
    max_groups: int | None = None,
) -> Grid:
    """The states of pieces that follow each other, such as ``Pieces(period, Interval.DAY)``. One read.

    Args:
        store: what is asked.
        pieces: one after the other.
        where: which hits.
        by: what is kept apart beside the time.
        distributions: whether status codes and percentiles are wanted.
        max_groups: more stored buckets, or groups times buckets, are refused; ``None``: there is no bound.

    Raises:
        InvalidQuestion: ``where`` chooses rows.
        QuarterHoursPruned: a piece needs quarter hours that were pruned.
        EdgeInsideBucket: a piece begins inside of what the store holds as one number.
        AnswerTooLarge: there are more than ``max_groups``.
        StoreError: the store can't answer.
    """
    where.refuse_choosing_rows("a series")
    selection = where.selection(spans_of(pieces), {*by, Dimension.BUCKET}, distributions, max_groups)
    cells: dict[Group, dict[int, EndpointStats]] = {}
    if selection is None:
        return Grid(pieces, cells)
    number_of = piece_numbers(pieces)
    for group, stats in store.read(selection):
        assert group.bucket is not None
        row = cells.setdefault(structs.replace(group, bucket=None), {})
        number = number_of(bucket_start(group.bucket))
        if number in row:
            row[number].merge(stats)
        else:
            row[number] = stats
    return Grid(pieces, cells)


def within_hits(store: Readable, period: Period, where: Filter) -> Period:
    """A period without a beginning or an end, cut to the local days of the first and of the last hit. One read.

    Any other period is given back as it is. Where there is no hit, the period is empty.
    """
    if period.start > EVER[0] and period.end < EVER[1]:
        return period
    stats = totals(store, period, where, distributions=False).stats
    if stats.first_hit_us is None or stats.last_hit_us is None:
        return Period(0, 0, period.zone)
    first, last = (period.local(instant).date() for instant in (stats.first_hit_us, stats.last_hit_us))
    start, end = day_bounds(first, last, period.zone)
    return Period(max(period.start, start), min(period.end, end), period.zone)
