"""Answers without codes and histograms: stretches, and the quarters at the edges, added up in columns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from heapq import merge
from itertools import chain, groupby
from operator import itemgetter
from sqlite3 import Connection
from typing import TypeAlias

from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums, added, total
from tyk_endpoint_stats.stores.sqlite.quarters import sums_of_quarters
from tyk_endpoint_stats.stores.sqlite.queries import consumers_where, endpoints_where, quarters_query
from tyk_endpoint_stats.stores.sqlite.stretches import ranges_of, some_at_a_time, summed_before, sums_of_stretches

__all__ = ["NumberedGroup", "summed", "wanted_endpoints"]

NumberedGroup: TypeAlias = tuple[int | None, int | None, Bucket | None]
"""Consumer, endpoint, bucket; ``None`` where it is not kept apart."""

Check: TypeAlias = Callable[[int], None]
_CONSUMER = itemgetter(0)


def summed(connection: Connection, selection: Selection) -> Iterator[tuple[NumberedGroup, EndpointStats]]:
    """The states of a selection that keeps no buckets apart.

    Raises:
        AnswerTooLarge: there are more groups than are wanted.
    """
    by_consumer = Dimension.CONSUMER in selection.group_by
    by_endpoint = Dimension.ENDPOINT in selection.group_by
    wanted = wanted_endpoints(connection, selection)
    check: Check = selection.check_groups if by_endpoint and wanted is None else lambda groups: None
    ranges = [_of_wanted(parts, wanted) for parts in _parts(connection, selection, check)]
    groups: Iterable[tuple[int | None, Iterable[tuple[int, Sums]]]] = [(None, chain.from_iterable(ranges))]
    if by_consumer:
        groups = groupby(merge(*ranges, key=_CONSUMER), _CONSUMER)
    for consumer, parts in groups:
        for sums in _all_together((sums for _, sums in parts), added if by_endpoint else total, check):
            for endpoint, state in sums.states():
                yield (consumer, endpoint if by_endpoint else None, None), state


def _parts(connection: Connection, selection: Selection, check: Check) -> Iterator[Iterator[tuple[int, Sums]]]:
    """For each range the parts that lie in it, in order of consumers."""
    before_day = summed_before(connection)
    for span in selection.spans:
        if span.width is Width.QUARTER_HOUR:
            yield sums_of_quarters(connection, quarters_query(selection, span), span)
        else:
            for each in ranges_of(span.first, span.end, before_day):
                yield sums_of_stretches(connection, consumers_where(selection), *each, check)


def _of_wanted(parts: Iterable[tuple[int, Sums]], wanted: AbstractSet[int] | None) -> Iterator[tuple[int, Sums]]:
    for consumer, sums in parts:
        its = sums if wanted is None else sums.only(wanted)
        if its:
            yield consumer, its


def _all_together(
    parts: Iterable[Sums], together: Callable[[Sequence[Sums]], Sums], check: Check
) -> Sequence[Sums]:
    """One, or none where there are no parts."""
    sums: list[Sums] = []
    for several in some_at_a_time(parts):
        sums.append(together(several))
        if sum(map(len, sums)) >= 2 * len(sums[0]):  # so that each is added a few times at most
            sums = [together(sums)]
            check(len(sums[0]))
    return [together(sums)] if len(sums) > 1 else sums


def wanted_endpoints(connection: Connection, selection: Selection) -> set[int] | None:
    """The numbers of the endpoints that are selected; ``None``: all of them."""
    which, parameters = endpoints_where(selection)
    if not which:
        return None
    return {number for (number,) in connection.execute(f"SELECT number FROM endpoints{which}", parameters)}
