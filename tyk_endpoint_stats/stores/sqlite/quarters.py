"""Quarters in SQL: parts that are appended, and read at the edges of a range."""

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any

from msgspec.structs import replace

from tyk_endpoint_stats.core.buckets import QUARTERS_PER_DAY, Span
from tyk_endpoint_stats.core.segments import Quarters, Segment, compacted
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums
from tyk_endpoint_stats.stores.sqlite.parts import PartTable, endpoints_in

__all__ = ["prune_quarters", "read_quarters", "sums_of_quarters", "write_quarters"]

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
    for consumer, endpoints, quarters in _overlapping(connection.execute(sql, parameters), span):
        for index, low, high in quarters.runs(*_inside(span, quarters.day)):
            if by_bucket:
                for at in range(low, high):
                    yield consumer, endpoints[index], quarters.number(at), quarters.state(at, at + 1)
            else:
                yield consumer, endpoints[index], None, quarters.state(low, high)


def sums_of_quarters(connection: Connection, consumer: int, span: Span) -> Iterator[Sums]:
    """A consumer's quarters in a span, added up part by part."""
    days = (span.first // QUARTERS_PER_DAY, -(-span.end // QUARTERS_PER_DAY))
    sql = "SELECT day, consumer, endpoints, columns, NULL FROM quarters WHERE consumer = ? AND day >= ? AND day < ?"
    for _, endpoints, quarters in _overlapping(connection.execute(sql, (consumer, *days)), span):
        sums = Sums.of_quarters(quarters, endpoints, *_inside(span, quarters.day))
        if sums:
            yield sums


def _overlapping(parts: Iterable[Any], span: Span) -> Iterator[tuple[int, list[int], Quarters]]:
    """Of parts, those with quarters in a span: consumer, endpoints, quarters. Unpacking is what costs the most."""
    for day, consumer, encoded, columns, cells in parts:
        endpoints, lengths, first_of_part, last_of_part = endpoints_in(encoded)
        first, end = _inside(span, day)
        if first_of_part < end and last_of_part >= first:
            yield consumer, endpoints, Quarters(day, lengths, columns, cells)


def _inside(span: Span, day: int) -> tuple[int, int]:
    """A span's first quarter and its end, counted from a day's beginning."""
    return span.first - day * QUARTERS_PER_DAY, span.end - day * QUARTERS_PER_DAY


def prune_quarters(connection: Connection, before_day: int) -> int:
    """Delete the quarters of earlier days; how many states went."""
    older = "consumer IN (SELECT number FROM consumers) AND day < ?"
    sql = f"SELECT DISTINCT day, consumer FROM quarters WHERE {older}"
    gone = 0
    for key in connection.execute(sql, (before_day,)).fetchall():
        gone += sum(compacted(_QUARTERS.select(connection, "day = ? AND consumer = ?", *key)).lengths)
    connection.execute(f"DELETE FROM quarters WHERE {older}", (before_day,))
    return gone
