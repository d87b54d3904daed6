"""Which of Tyk Pump's buckets a question covers. They can't be divided: an edge inside of one is an error.

A bucket of Pump's begins at an hour (or a minute) of *Pump's* zone, so in a zone of half hours at minute 30 of
UTC. Whether a question's edge lies inside of one is therefore asked of each bucket and not of the question.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tyk_endpoint_stats.core.buckets import WIDTH_US, Bucket, Span
from tyk_endpoint_stats.core.instants import Instant, format_rfc3339
from tyk_endpoint_stats.errors import EdgeInsideBucket

__all__ = ["HOUR_US", "TimeRange", "bucket_of", "edge_inside", "is_covered", "time_ranges"]

HOUR_US = 60 * 60 * 1_000_000


class TimeRange(NamedTuple):
    """From one instant to another, the second one excluded."""

    start_us: Instant
    end_us: Instant


def time_ranges(spans: Iterable[Span]) -> tuple[TimeRange, ...]:
    """The ranges that spans make up, in order; spans that touch are one range, without an edge between."""
    ranges: list[TimeRange] = []
    for start_us, end_us in sorted(_bounds(span) for span in spans if span.first < span.end):
        if ranges and ranges[-1].end_us == start_us:
            start_us = ranges.pop().start_us
        ranges.append(TimeRange(start_us, end_us))
    return tuple(ranges)


def is_covered(start_us: Instant, length_us: int, ranges: Iterable[TimeRange]) -> bool:
    """Whether a bucket of Pump's lies in one of the ranges; ``False``: it lies outside of all.

    Args:
        start_us: where the bucket begins.
        length_us: how long it is.
        ranges: of ``time_ranges``.

    Raises:
        EdgeInsideBucket: a part of it lies inside, a part outside.
    """
    end_us = start_us + length_us
    for one in ranges:
        if one.start_us <= start_us and end_us <= one.end_us:
            return True
        if start_us < one.end_us and one.start_us < end_us:
            raise edge_inside(start_us, length_us)
    return False


def bucket_of(start_us: Instant, length_us: int, spans: Iterable[Span]) -> Bucket | None:
    """The bucket of a question that keeps buckets apart in which one of Pump's lies; ``None``: it asks for none.

    Raises:
        EdgeInsideBucket: it lies in several of the question's buckets, or a part of it outside.
    """
    for span in spans:
        start, end = _bounds(span)
        if start_us < end and start < start_us + length_us:
            number = start_us // WIDTH_US[span.width]
            if start_us < start or start_us + length_us > min((number + 1) * WIDTH_US[span.width], end):
                raise edge_inside(start_us, length_us)
            return Bucket(span.width, number)
    return None


def edge_inside(start_us: Instant, length_us: int) -> EdgeInsideBucket:
    """The error for a bucket that a question would have to divide."""
    minutes = length_us // 60_000_000
    return EdgeInsideBucket(
        f"Tyk Pump kept the {minutes} minutes from {format_rfc3339(start_us)} on as one number, and an edge of the "
        "range lies inside of them; ask for days of a time zone whose days begin where Pump's hours do"
    )


def _bounds(span: Span) -> tuple[Instant, Instant]:
    width_us = WIDTH_US[span.width]
    return span.first * width_us, span.end * width_us
