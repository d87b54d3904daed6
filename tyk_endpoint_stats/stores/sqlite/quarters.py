"""Quarters in SQL: parts that are appended, and read at the edges of a range."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Span
from tyk_endpoint_stats.core.segments import Quarters, Segment, compacted
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.sqlite.parts import PartTable, endpoints_in

__all__ = ["prune_quarters", "read_quarters", "write_quarters"]

_QUARTERS = PartTable("quarters", compacted)


def write_quarters(
    connection: Connection,
    segments: Sequence[Segment],
    consumers: Sequence[int],
    endpoints: Sequence[int],
    pruned_before_day: int | None,
) -> None:
    """Append the quarters of segments; those of pruned days are left out.

    Args:
        connection: inside a transaction.
        segments: of one batch.
        consumers: the number of each segment's consumer.
        endpoints: the numbers of the batch's endpoints.
        pruned_before_day: ``None``: nothing was pruned.
    """
    for segment, consumer in zip(segments, consumers, strict=True):
        if pruned_before_day is None or segment.day >= pruned_before_day:
            part = replace(segment.quarters, endpoints=[endpoints[number] for number in segment.quarters.endpoints])
            _QUARTERS.append(connection, part, segment.day, consumer)


def read_quarters(
    connection: Connection, sql: str, parameters: Sequence[object], span: Span, by_bucket: bool
) -> Iterator[tuple[int, int, int | None, EndpointStats]]:
    """States in a span of quarters: consumer, endpoint, quarter (``None`` where it is not kept apart), state.

    Args:
        connection: inside a transaction.
        sql: what selects day, consumer, endpoints, columns and cells (or NULL) of the segments.
        parameters: of it.
        span: of quarters.
        by_bucket: whether quarters are kept apart; otherwise those of one segment are merged.
    """
    for day, consumer, encoded, columns, cells in connection.execute(sql, parameters):
        numbers, lengths = endpoints_in(encoded)
        quarters = Quarters(day, lengths, columns, cells)
        day_start = day * QUARTERS_PER_DAY
        for index, low, high in quarters.runs(span.first - day_start, span.end - day_start):
            if by_bucket:
                for at in range(low, high):
                    yield consumer, numbers[index], quarters.number(at), quarters.state(at, at + 1)
            else:
                yield consumer, numbers[index], None, quarters.state(low, high)


def prune_quarters(connection: Connection, before_day: int) -> int:
    """Delete the quarters of earlier days; how many states went."""
    older = "consumer IN (SELECT number FROM consumers) AND day < ?"
    sql = f"SELECT DISTINCT day, consumer FROM quarters WHERE {older}"
    gone = 0
    for key in connection.execute(sql, (before_day,)).fetchall():
        gone += sum(compacted(_QUARTERS.select(connection, "day = ? AND consumer = ?", *key)).lengths)
    connection.execute(f"DELETE FROM quarters WHERE {older}", (before_day,))
    return gone
