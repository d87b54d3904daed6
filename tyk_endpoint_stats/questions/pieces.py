"""The pieces of a period: quarter hours, hours, local days, weeks or months, in order and without gaps."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import overload

from tyk_endpoint_stats.core.buckets import Span, plan_spans
from tyk_endpoint_stats.core.instants import QUARTER_HOUR_US, Instant, day_bounds
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.period import Period

__all__ = ["Interval", "Piece", "Pieces", "piece_numbers", "spans_of"]

Piece = tuple[Instant, Instant]
"""From an instant to just before another."""


class Interval(StrEnum):
    """How long a piece is."""

    QUARTER_HOUR = "15m"
    HOUR = "1h"
    DAY = "1d"
    WEEK = "1w"
    MONTH = "1mo"

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """The interval of that name.

        Raises:
            InvalidQuestion: there is none.
        """
        try:
            return cls(text)
        except ValueError:
            raise InvalidQuestion(f"interval must be 15m, 1h, 1d, 1w or 1mo, not {text!r}") from None


_CLOCK_US = {Interval.QUARTER_HOUR: QUARTER_HOUR_US, Interval.HOUR: 4 * QUARTER_HOUR_US}


class Pieces(Sequence[Piece]):
    """The pieces of a period, worked out when they are looked at: there may be millions, and a page wants ten.

    Days, weeks (from Monday) and months are the zone's. Hours are counted on from the full local hour that the
    period begins in. The first and the last piece are cut at the period's edges: together they are the period.

    Args:
        period: what is cut.
        interval: how long a piece is.
    """

    def __init__(self, period: Period, interval: Interval) -> None:
        self.period = period
        self.interval = interval
        self._step_us = _CLOCK_US.get(interval)
        if period.start >= period.end:
            self._length = 0
        elif self._step_us is None:
            self._first = period.first_day
            self._length = self._number(period.last_day) + 1
        else:
            local = period.local(period.start)
            into_hour_us = (local.minute * 60 + local.second) * 1_000_000 + local.microsecond
            self._origin = period.start - into_hour_us % self._step_us
            self._length = -((self._origin - period.end) // self._step_us)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Piece]: ...
    def __getitem__(self, index: int | slice) -> Piece | Sequence[Piece]:
        if isinstance(index, slice):
            edges = [self._edge(number) for number in _closed(range(*index.indices(self._length)))]
            return list(pairwise(edges))
        if not -self._length <= index < self._length:
            raise IndexError(index)
        index %= self._length
        return self._edge(index), self._edge(index + 1)

    def _edge(self, number: int) -> Instant:
        """The start of piece ``number``, which is the end of the one before it."""
        if number <= 0:
            return self.period.start
        if number >= self._length:
            return self.period.end
        if self._step_us is not None:
            return self._origin + number * self._step_us
        day = self._day(number)
        return max(self.period.start, day_bounds(day, day, self.period.zone)[0])

    def _day(self, number: int) -> date:
        """The day that piece ``number`` begins with."""
        first = self._first
        if self.interval is Interval.MONTH:
            months = first.year * 12 + first.month - 1 + number
            return date(months // 12, months % 12 + 1, 1)
        if self.interval is Interval.WEEK:
            return first + timedelta(days=7 * number - first.weekday())
        return first + timedelta(days=number)

    def _number(self, day: date) -> int:
        """The number of the piece that a day lies in."""
        first = self._first
        if self.interval is Interval.MONTH:
            return (day.year - first.year) * 12 + day.month - first.month
        if self.interval is Interval.WEEK:
            return ((day - first).days + first.weekday()) // 7
        return (day - first).days


def _closed(numbers: range) -> range:
    if numbers.step != 1:
        raise ValueError("pieces are taken one after the other")
    return range(numbers.start, numbers.stop + 1) if numbers else range(0)


def spans_of(pieces: Sequence[Piece]) -> tuple[Span, ...]:
    """The buckets of pieces that follow each other, so that each bucket lies within one of them."""
    spans: list[Span] = []
    for start, end in pieces:
        for span in plan_spans(start, end) if start < end else ():
            if spans and spans[-1].width is span.width and spans[-1].end == span.first:
                spans[-1] = Span(span.width, spans[-1].first, span.end)
            else:
                spans.append(span)
    return tuple(spans)


def piece_numbers(pieces: Sequence[Piece]) -> Callable[[Instant], int]:
    """What says which of the pieces an instant lies in."""
    # As the spans have them: an edge that is no quarter hour is taken back to the one it lies in.
    starts = [start // QUARTER_HOUR_US * QUARTER_HOUR_US for start, _ in pieces]
    return lambda instant: bisect_right(starts, instant) - 1
