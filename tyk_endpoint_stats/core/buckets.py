"""Buckets and the span planner: how a range of time is covered by stored buckets, exactly.

A bucket is UTC and a quarter of an hour or a day wide. Since 1980 the offset of every zone has been a multiple
of 15 minutes, so a local day of any zone is exactly a union of quarters: hours, which Tyk uses, are wrong for
India. A question is covered by whole UTC days inside and by quarters at its two edges.
"""

from enum import StrEnum
from typing import NamedTuple

from tyk_endpoint_stats.core.instants import DAY_US, QUARTER_HOUR_US, Instant

__all__ = [
    "ALL_DAYS",
    "QUARTER_HOURS_PER_DAY",
    "Bucket",
    "Span",
    "Width",
    "bucket_end",
    "bucket_start",
    "plan_spans",
]

QUARTER_HOURS_PER_DAY = DAY_US // QUARTER_HOUR_US


class Width(StrEnum):
    """How wide a bucket is."""

    QUARTER_HOUR = "quarter_hour"
    DAY = "day"


WIDTH_US = {Width.QUARTER_HOUR: QUARTER_HOUR_US, Width.DAY: DAY_US}


class Bucket(NamedTuple):
    """One quarter or day, numbered from 1970-01-01T00:00Z (earlier ones are negative)."""

    width: Width
    number: int


class Span(NamedTuple):
    """The buckets of one width from ``first`` on, without ``end``."""

    width: Width
    first: int
    end: int


ALL_DAYS: tuple[Span, ...] = (Span(Width.DAY, -719_162, 2_932_897),)
"""Every day of the years 1 … 9999: a question without dates."""


def bucket_start(bucket: Bucket) -> Instant:
    """The instant at which a bucket begins."""
    return bucket.number * WIDTH_US[bucket.width]


def bucket_end(bucket: Bucket) -> Instant:
    """The instant at which a bucket has just ended: the start of the next one."""
    return (bucket.number + 1) * WIDTH_US[bucket.width]


def plan_spans(start: Instant, end: Instant) -> tuple[Span, ...]:
    """The fewest buckets that cover ``[start, end)``: whole days inside, at most 95 quarters at each edge.

    Edges that are no quarter boundary (local midnights before 1980 in a few zones) are taken back to the
    quarter they lie in, both of them alike, so that neighbouring ranges still neither overlap nor leave a gap.
    """
    first_quarter, end_quarter = start // QUARTER_HOUR_US, end // QUARTER_HOUR_US
    first_day, end_day = -(-first_quarter // QUARTER_HOURS_PER_DAY), end_quarter // QUARTER_HOURS_PER_DAY
    if first_day >= end_day:
        spans: tuple[Span, ...] = (Span(Width.QUARTER_HOUR, first_quarter, end_quarter),)
    else:
        spans = (
            Span(Width.QUARTER_HOUR, first_quarter, first_day * QUARTER_HOURS_PER_DAY),
            Span(Width.DAY, first_day, end_day),
            Span(Width.QUARTER_HOUR, end_day * QUARTER_HOURS_PER_DAY, end_quarter),
        )
    return tuple(span for span in spans if span.first < span.end)
