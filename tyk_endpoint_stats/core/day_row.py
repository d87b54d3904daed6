"""The day row, the unit of everything: one consumer, one endpoint, one UTC day, its quarter hours inside.

A row holds plain integers (``core/fields.py``) for whoever sums and compares, and two packed values
(``core/packed.py``) that are read only when they are asked for.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tyk_endpoint_stats.core.fields import FIELDS, merge_values
from tyk_endpoint_stats.core.packed import (
    compact_distribution,
    compact_quarter_hours,
    pack_distribution,
    pack_quarter_hours,
    unpack_distribution,
)
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["EVERY_ENDPOINT", "DayRow", "compacted_row", "merged_rows", "plain_of", "row_of_state", "state_of_row"]

EVERY_ENDPOINT = 0
"""The number of *every endpoint*: a row with it is the total of the endpoints of its consumer and day."""

_PLAIN = slice(3, 3 + len(FIELDS))


class DayRow(NamedTuple):
    """One consumer, one endpoint, one UTC day.

    Attributes:
        day: days since 1970-01-01.
        consumer: its number, whatever gave it out: its place in ``Batch.consumers``, a table's key.
        endpoint: its number; ``EVERY_ENDPOINT``: the total of all of them.
        hits … last_hit_us: as in ``core/fields.py``.
        distribution: hits by response code and by latency bin, packed.
        quarter_hours: the row's split into the quarter hours of its day, packed; empty where they were pruned, and in
            the totals of a consumer, which nothing finer than a day is asked of.
    """

    day: int
    consumer: int
    endpoint: int
    hits: int
    success: int
    error: int
    timed_hits: int
    total_request_time_ms: int
    total_latency_ms: int
    total_upstream_latency_ms: int
    max_latency_ms: int | None
    max_upstream_latency_ms: int | None
    min_latency_all_ms: int | None
    min_upstream_latency_all_ms: int | None
    min_latency_non_error_ms: int | None
    min_upstream_latency_non_error_ms: int | None
    first_hit_us: int
    last_hit_us: int
    distribution: bytes
    quarter_hours: bytes


def state_of_row(row: DayRow, distributions: bool = True) -> EndpointStats:
    """The state that a row stands for.

    Args:
        row: of any consumer and endpoint.
        distributions: whether codes and histogram are wanted.

    Raises:
        PackedError: the row's distribution can't be read.
    """
    stats = EndpointStats(*plain_of(row))  # type: ignore[arg-type]
    if distributions:
        stats.codes, stats.histogram = unpack_distribution(row.distribution)
    return stats


def row_of_state(
    day: int, consumer: int, endpoint: int, stats: EndpointStats, quarter_hours: dict[int, EndpointStats]
) -> DayRow:
    """The row of a state with at least one hit, and of its split into quarter hours (by their number in the day)."""
    plain = [getattr(stats, field.name) for field in FIELDS]
    distribution = pack_distribution(stats.codes, stats.histogram)
    return DayRow._make((day, consumer, endpoint, *plain, distribution, pack_quarter_hours(quarter_hours)))


def plain_of(row: DayRow) -> tuple[int, ...]:
    """The row's plain members, in the order of ``core/fields.py``; what is missing is ``None``."""
    return row[_PLAIN]  # type: ignore[return-value]


def merged_rows(rows: Iterable[DayRow]) -> DayRow:
    """The merge of at least one row, under the first one's numbers: driven by the table of fields, slow and short."""
    rows = list(rows)
    columns = zip(*map(plain_of, rows), strict=True)
    plain = [merge_values(field, values) for field, values in zip(FIELDS, columns, strict=True)]
    distribution = b"".join([row.distribution for row in rows])
    quarter_hours = b"".join([row.quarter_hours for row in rows])
    return DayRow._make((*rows[0][:3], *plain, distribution, quarter_hours))


def compacted_row(row: DayRow) -> DayRow:
    """The same row with each of its packed values in one piece; a row of one hit has no more."""
    if row.hits == 1:
        return row
    return row._replace(
        distribution=compact_distribution(row.distribution), quarter_hours=compact_quarter_hours(row.quarter_hours)
    )
