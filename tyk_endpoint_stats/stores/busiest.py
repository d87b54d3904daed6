"""The busiest groups of an answer and the total of all, without making everything of every group.

A list that is cut at ten rows needs the codes and percentiles of ten groups; of the others only how busy they are.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Ranking", "answer_busiest", "rank_states"]

_GROUPS_A_READ = 20
"""A group by itself costs about as much as so many of an answer."""

Answered = Sequence[tuple[Group, EndpointStats]]


class Ranking(Struct, frozen=True):
    """How busy the groups of a selection are.

    Attributes:
        groups: how many there are.
        total: their sum, without codes and histogram.
        busiest: ``(hits, last hit, group)`` of those with the most hits, in no order; one that has as many hits, as
            late, as the last that is wanted may not be missing.
    """

    groups: int
    total: EndpointStats
    busiest: Sequence[tuple[int, Instant, Group]]


def rank_states(states: Iterable[tuple[Group, EndpointStats]]) -> Ranking:
    """The ranking of groups that are all there."""
    total = EndpointStats()
    ranked = []
    for group, stats in states:
        total.merge(stats)
        ranked.append((stats.hits, stats.last_hit_us or 0, group))
    return Ranking(len(ranked), total, ranked)


def answer_busiest(
    selection: Selection,
    read: Callable[[Selection], Answered],
    rank: Callable[[Selection], Ranking] | None = None,
) -> Answered:
    """The answer to a selection with ``busiest``.

    Args:
        selection: that is not split by time.
        read: the store's answer to a selection without ``busiest``, always of the same snapshot.
        rank: the ranking of such a selection, where the store has a shorter way than to read it.
    """
    assert selection.busiest is not None
    whole = replace(selection, busiest=None)
    plain = replace(whole, distributions=False, max_groups=None)
    ranking = rank_states(read(plain)) if rank is None else rank(plain)
    fits = selection.max_groups is None or ranking.groups <= selection.max_groups
    if fits and ranking.groups <= _GROUPS_A_READ * selection.busiest:
        return read(whole)
    total = ranking.total
    if selection.distributions and Dimension.CONSUMER not in selection.group_by:
        # Each hit is in one group, so the total is a row of its own.
        total = next((stats for _, stats in read(replace(whole, group_by=frozenset()))), total)
    answer = [(Group(groups=ranking.groups), total)]
    for _, _, group in sorted(ranking.busiest, key=_order)[: selection.busiest]:
        answer += read(whole.of(group))
    return answer


def _order(ranked: tuple[int, Instant, Group]) -> tuple[int | str, ...]:
    hits, last_hit_us, group = ranked
    ids: tuple[str, ...] = ()
    if group.consumer is not None:
        ids += (group.consumer.kind, group.consumer.id)
    if group.endpoint is not None:
        ids += (group.endpoint.api_id, group.endpoint.path)
    return (-hits, -last_hit_us, *ids)
