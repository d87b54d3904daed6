"""The fields of a state, in one table: everything that adds, merges, stores or reads a state derives from it.

A new statistic is a line here, a member of ``EndpointStats``, and a line in each of the loops that are unrolled for
speed; ``tests/core/test_fields.py`` holds every such loop, and every store's columns, against this table.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

__all__ = ["FIELDS", "MAXIMA", "MINIMA", "NAMES", "SUMS", "Field", "Merge", "merge_values"]


class Merge(StrEnum):
    """How two values of a field become one."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Field(Struct, frozen=True):
    """One field of a state.

    Attributes:
        name: of the member, the column, and the document's field.
        merge: how two values become one.
        optional: whether a state with hits may lack it (``None``, ``NULL``).
        meaning: one line, for people and for the tables' comments.
    """

    name: str
    merge: Merge
    optional: bool
    meaning: str


FIELDS = (
    Field("hits", Merge.SUM, False, "requests"),
    Field("success", Merge.SUM, False, "of them with a response code of 200 to 299"),
    Field("error", Merge.SUM, False, "of them with a response code of 400 and above"),
    Field("timed_hits", Merge.SUM, False, "of them whose record has a latency"),
    Field("total_request_time_ms", Merge.SUM, False, "sum of request times in milliseconds"),
    Field("total_latency_ms", Merge.SUM, False, "sum of latencies of timed hits in milliseconds"),
    Field("total_upstream_latency_ms", Merge.SUM, False, "sum of the upstream's part of them"),
    Field("max_latency_ms", Merge.MAX, True, "largest latency; missing where no hit is timed"),
    Field("max_upstream_latency_ms", Merge.MAX, True, "largest upstream latency"),
    Field("min_latency_all_ms", Merge.MIN, True, "smallest latency of all timed hits"),
    Field("min_upstream_latency_all_ms", Merge.MIN, True, "smallest upstream latency of all timed hits"),
    Field("min_latency_non_error_ms", Merge.MIN, True, "smallest latency of timed hits below code 400"),
    Field(
        "min_upstream_latency_non_error_ms", Merge.MIN, True, "smallest upstream latency of timed hits below 400"
    ),
    Field("first_hit_us", Merge.MIN, False, "first hit, in microseconds since 1970 UTC"),
    Field("last_hit_us", Merge.MAX, False, "last hit, in microseconds since 1970 UTC"),
)
"""In the order of ``EndpointStats``' members, of a ``DayRow``'s, and of every table's columns."""

NAMES = tuple(field.name for field in FIELDS)
SUMS = tuple(field.name for field in FIELDS if field.merge is Merge.SUM)
MAXIMA = tuple(field.name for field in FIELDS if field.merge is Merge.MAX)
MINIMA = tuple(field.name for field in FIELDS if field.merge is Merge.MIN)


def merge_values(field: Field, values: Sequence[int | None]) -> int | None:
    """The merge of a field's values; ``None``: none of them is known."""
    try:
        return _merge(field.merge, values)  # type: ignore[arg-type]  # where one is not known, see below
    except TypeError:
        return _merge(field.merge, [value for value in values if value is not None])


def _merge(how: Merge, known: Sequence[int]) -> int | None:
    if how is Merge.SUM:
        return sum(known)
    return (max if how is Merge.MAX else min)(known, default=None)
