"""Which stored buckets a page reads, and which of its columns, and of the time before, each belongs to."""

from datetime import UTC, timedelta

from msgspec import Struct

from tyk_endpoint_stats.core.buckets import Bucket, Span, bucket_start
from tyk_endpoint_stats.core.instants import DAY_US, Instant
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import Interval, Piece, Pieces, piece_numbers, spans_of
from tyk_endpoint_stats.views.periods import Compared

__all__ = ["Place", "Timeline", "finest_interval", "make_timeline"]


class Place(Struct, frozen=True):
    """Where a bucket belongs.

    Attributes:
        now, before: whether it lies in the period, and in the one that it is compared with.
        column: the column of the chart; ``None``: it is in none.
        under: the column under which it is drawn as the time before; ``None``: it is not.
    """

    now: bool
    before: bool
    column: int | None
    under: int | None


class Timeline:
    """The columns of a period, each with the time that is drawn under it.

    Args:
        period: what the columns are of.
        compared: the time before, if any.
        interval: how long a column is.
    """

    def __init__(self, period: Period, compared: Compared | None, interval: Interval) -> None:
        self.period = period
        self.compared = compared
        self.interval = interval
        self.columns: list[Piece] = list(Pieces(period, interval))
        self._column = piece_numbers(self.columns)
        self._before = compared.period if compared else None
        self._under: list[Piece] = []
        if compared is not None:
            first = compared.period.start
            self._under = [
                (max(first, start), end)
                for start, end in (self._moved(piece, compared.shift_days) for piece in self.columns)
                if end > first
            ]
            self._skipped = len(self.columns) - len(self._under)
            self._under_number = piece_numbers(self._under)
        self._edges = self._cuts()

    @property
    def spans(self) -> tuple[Span, ...]:
        """The buckets to read: each lies in one column, and in one of the two periods, or in neither."""
        pieces = zip(self._edges, self._edges[1:], strict=False)
        return spans_of([(start, end) for start, end in pieces if self._is_wanted(start)])

    def _is_wanted(self, at: Instant) -> bool:
        place = self._place_of(at)
        return place.now or place.before or place.under is not None

    def place(self, bucket: Bucket) -> Place:
        """Where a bucket that was read belongs."""
        return self._place_of(bucket_start(bucket))

    def _place_of(self, at: Instant) -> Place:
        now = self.period.start <= at < self.period.end
        before = self._before is not None and self._before.start <= at < self._before.end
        under = None
        if self._under and self._under[0][0] <= at < self._under[-1][1]:
            under = self._under_number(at) + self._skipped
        return Place(now, before, self._column(at) if now else None, under)

    def _moved(self, piece: Piece, days: int | None) -> Piece:
        if days is None:
            assert self._before is not None
            by = self.period.start - self._before.start
            return piece[0] - by, piece[1] - by
        start, end = (self._days_before(edge, days) for edge in piece)
        return start, max(start, end)

    def _days_before(self, edge: Instant, days: int) -> Instant:
        """The same time of the wall clock so many days before: an hour's step of summer time is no shift."""
        local = self.period.local(edge)
        moved = (local - timedelta(days=days)).replace(fold=local.fold)
        offset = (local.utcoffset() or timedelta()) - (moved.utcoffset() or timedelta())
        return edge - days * DAY_US + offset // timedelta(microseconds=1)

    def _cuts(self) -> list[Instant]:
        """Every edge, in order: no bucket may lie across one."""
        edges = {edge for piece in self.columns for edge in piece}
        edges |= {edge for piece in self._under for edge in piece}
        if self._before is not None:
            edges |= {self._before.start, self._before.end}
        return sorted(edges)


def finest_interval(period: Period) -> Interval:
    """How long a column is, so that there are at most 200: quarter hours of two days, hours of eight, then days."""
    days = (period.end - period.start) / DAY_US
    if days <= 2.05:
        return Interval.QUARTER_HOUR
    if days <= 8.05:
        return Interval.HOUR
    if days <= 200:
        return Interval.DAY
    return Interval.WEEK if days <= 1_400 else Interval.MONTH


def make_timeline(period: Period, compared: Compared | None, *, whole_days: bool = False) -> Timeline:
    """The timeline of a period by the finest interval that its length allows.

    Args:
        period: what is drawn.
        compared: what it is compared with.
        whole_days: where finer pieces were pruned: whole UTC days, and what is compared is whole days too.
    """
    interval = finest_interval(period)
    if not whole_days:
        return Timeline(period, compared, interval)
    period = _whole_days(period)
    if compared is not None:
        before = _whole_days(compared.period)
        before = Period(before.start, min(before.end, period.start), before.zone)
        compared = Compared(before, compared.name, compared.shift_days)
    coarse = Interval.DAY if interval in (Interval.QUARTER_HOUR, Interval.HOUR) else interval
    return Timeline(period, compared, coarse)


def _whole_days(period: Period) -> Period:
    start = period.start // DAY_US * DAY_US
    end = -(-period.end // DAY_US) * DAY_US
    return Period(start, end, UTC)
