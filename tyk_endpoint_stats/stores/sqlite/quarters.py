"""Quarters in SQL: parts that are appended, and read at the edges of a range."""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Span
from tyk_endpoint_stats.core.segments import Quarters, Segment, compacted
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums
from tyk_endpoint_stats.stores.sqlite.parts import FULL, Part, PartTable, endpoints_in
from tyk_endpoint_stats.stores.sqlite.queries import Query

__all__ = ["prune_quarters", "read_quarters", "sums_of_quarters", "write_quarters"]

_QUARTERS = PartTable("quarters", compacted, large=2 * FULL)


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
    parts = (
        Part(consumer, one.day, replace(one.quarters, endpoints=[endpoints[at] for at in one.quarters.endpoints]))
        for one, consumer in zip(segments, consumers, strict=True)
        if pruned_before_day is None or one.day >= pruned_before_day
    )
    _QUARTERS.append(connection, parts)


def read_quarters(
    connection: Connection, query: Query, span: Span, by_bucket: bool
) -> Iterator[tuple[int, int, int | None, EndpointStats]]:
    """States in a span of quarters: consumer, endpoint, quarter (``None`` where it is not kept apart), state.

    Args:
        connection: inside a transaction.
        query: ``quarters_query``.
        span: of quarters.
        by_bucket: whether quarters are kept apart; otherwise those of one part are merged.
    """
    for consumer, endpoints, quarters in _overlapping(connection, query, span):
        for index, low, high in quarters.runs(*_inside(span, quarters.day)):
            if by_bucket:
                for at in range(low, high):
                    yield consumer, endpoints[index], quarters.number(at), quarters.state(at, at + 1)
            else:
                yield consumer, endpoints[index], None, quarters.state(low, high)


def sums_of_quarters(connection: Connection, query: Query, span: Span) -> Iterator[tuple[int, Sums]]:
    """The same without codes and histograms, part by part: consumers, in order, and sums."""
    for consumer, endpoints, quarters in _overlapping(connection, query, span):
        yield consumer, Sums.of_quarters(quarters, endpoints, *_inside(span, quarters.day))


def _overlapping(connection: Connection, query: Query, span: Span) -> Iterator[tuple[int, list[int], Quarters]]:
    """Of parts, those with quarters in a span: consumer, endpoints, quarters. Unpacking is what costs the most."""
    for day, consumer, encoded, columns, cells in connection.execute(*query):
        endpoints, lengths, first_of_part, last_of_part = endpoints_in(encoded)
        first, end = _inside(span, day)
        if first_of_part < end and last_of_part >= first:
            yield consumer, endpoints, Quarters(day, lengths, columns, cells)


def _inside(span: Span, day: int) -> tuple[int, int]:
    """A span's first quarter and its end, counted from a day's beginning."""
    return span.first - day * QUARTER_HOURS_PER_DAY, span.end - day * QUARTER_HOURS_PER_DAY


def prune_quarters(connection: Connection, before_day: int) -> int:
    """Delete the quarters of earlier days; how many states went."""
    older = "consumer IN (SELECT number FROM consumers) AND day < ?"
    sql = f"SELECT DISTINCT day, consumer FROM quarters WHERE {older}"
    gone = 0
    for key in connection.execute(sql, (before_day,)):
        parts = _QUARTERS.select(connection, "day = ? AND consumer = ?", *key)
        gone += sum(compacted(part.packed for part in parts).lengths)
    connection.execute(f"DELETE FROM quarters WHERE {older}", (before_day,))
    return gone
