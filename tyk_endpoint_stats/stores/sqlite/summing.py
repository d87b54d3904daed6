"""Answers without codes and histograms: stretches, and the quarters at the edges, added up in columns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from sqlite3 import Connection
from typing import TypeAlias

from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums, added
from tyk_endpoint_stats.stores.sqlite.quarters import sums_of_quarters
from tyk_endpoint_stats.stores.sqlite.queries import consumers_where, endpoints_where
from tyk_endpoint_stats.stores.sqlite.stretches import ranges_of, some_together, summed_before, sums_of_stretches

__all__ = ["NumberedGroup", "summed", "wanted_endpoints"]

NumberedGroup: TypeAlias = tuple[int | None, int | None, Bucket | None]
"""Consumer, endpoint, bucket; ``None`` where it is not kept apart."""

Check: TypeAlias = Callable[[int], None]


def summed(connection: Connection, selection: Selection) -> Iterator[tuple[NumberedGroup, EndpointStats]]:
    """The states of a selection that keeps no buckets apart.

    Raises:
        AnswerTooLarge: there are more groups than are wanted.
    """
    wanted = wanted_endpoints(connection, selection)
    by_endpoint = Dimension.ENDPOINT in selection.group_by
    check: Check = selection.check_groups if by_endpoint and wanted is None else lambda groups: None
    before_day = summed_before(connection)
    whose, parameters = consumers_where(selection)
    for (number,) in connection.execute(f"SELECT number FROM consumers{whose}", parameters):
        sums = _all_together(_parts(connection, number, selection, before_day, check), check)
        if sums is None:
            continue
        consumer = number if Dimension.CONSUMER in selection.group_by else None
        if not by_endpoint and wanted is None:
            yield (consumer, None, None), sums.total()
            continue
        for endpoint, state in sums.states():
            if wanted is None or endpoint in wanted:
                yield (consumer, endpoint if by_endpoint else None, None), state


def _parts(
    connection: Connection, consumer: int, selection: Selection, before_day: Mapping[int, int], check: Check
) -> Iterator[Sums]:
    for span in selection.spans:
        if span.width is Width.QUARTER:
            yield from sums_of_quarters(connection, consumer, span)
        else:
            for length, first, end in ranges_of(span.first, span.end, before_day):
                yield from sums_of_stretches(connection, length, consumer, first, end, check)


def _all_together(parts: Iterable[Sums], check: Check) -> Sums | None:
    sums: list[Sums] = []
    for more in some_together(parts):
        sums.append(more)
        if sum(map(len, sums)) >= 2 * len(sums[0]):  # so that each is added a few times at most
            sums = [added(sums)]
            check(len(sums[0]))
    return added(sums) if sums else None


def wanted_endpoints(connection: Connection, selection: Selection) -> set[int] | None:
    """The numbers of the endpoints that are selected; ``None``: all of them."""
    which, parameters = endpoints_where(selection)
    if not which:
        return None
    return {number for (number,) in connection.execute(f"SELECT number FROM endpoints{which}", parameters)}
