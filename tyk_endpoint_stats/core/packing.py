"""States packed into segments, and back: for whoever keeps the one form and is given the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Width
from tyk_endpoint_stats.core.rows import Row, row_of, state_of
from tyk_endpoint_stats.core.segments import Segment, packed
from tyk_endpoint_stats.core.stats import EndpointStats

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.selection import Series

__all__ = ["States", "pack", "unpack"]

States: TypeAlias = "dict[Bucket, dict[Series, EndpointStats]]"


def unpack(segments: Sequence[Segment], endpoints: Sequence[tuple[str, str]]) -> States:
    """The states of segments, by bucket and series."""
    states: States = {}
    for segment in segments:
        for width, part in ((Width.DAY, segment.days), (Width.QUARTER_HOUR, segment.quarters)):
            for endpoint, rows in part.rows():
                series = (*segment.consumer, *endpoints[endpoint])
                for row in rows:
                    number = segment.day if width is Width.DAY else segment.day * QUARTER_HOURS_PER_DAY + row[0]
                    states.setdefault(Bucket(width, number), {})[series] = state_of(segment.day, row)
    return states


def pack(states: States) -> tuple[list[Segment], list[tuple[str, str]]]:
    """States in segments, and the endpoints whose indices are their numbers."""
    endpoints: dict[tuple[str, str], int] = {}
    found: dict[tuple[tuple[str, str, str], int], dict[Width, dict[int, list[Row]]]] = {}
    for bucket in sorted(states):
        day, quarter = (
            (bucket.number, 0) if bucket.width is Width.DAY else divmod(bucket.number, QUARTER_HOURS_PER_DAY)
        )
        for (org_id, kind, consumer_id, api_id, path), stats in states[bucket].items():
            endpoint = endpoints.setdefault((api_id, path), len(endpoints))
            widths = found.setdefault(((org_id, kind, consumer_id), day), {width: {} for width in Width})
            widths[bucket.width].setdefault(endpoint, []).append(row_of(day, quarter, stats))
    segments = [
        Segment(consumer, day, packed(widths[Width.QUARTER_HOUR]), packed(widths[Width.DAY]))
        for (consumer, day), widths in found.items()
    ]
    return segments, list(endpoints)
