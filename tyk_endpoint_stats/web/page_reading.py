"""What pages ask of the store: as few reads as there are kinds of lines, and all numbers of a table of one."""

from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from msgspec import Struct, structs

from tyk_endpoint_stats.core.batch import Consumer, Endpoint
from tyk_endpoint_stats.core.buckets import ALL_DAYS, Span
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge, EdgeInsideBucket, QuarterHoursPruned
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.pieces import spans_of
from tyk_endpoint_stats.questions.totals import totals
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.views.lines import Folded, add_pieces, fold, fold_two
from tyk_endpoint_stats.views.timeline import Timeline, make_timeline
from tyk_endpoint_stats.web.page_query import PageQuery, consumer_ref
from tyk_endpoint_stats.web.settings import Settings

__all__ = [
    "MAX_CELLS",
    "Asked",
    "alias_of",
    "busiest_of",
    "callers_of",
    "counted_to",
    "ever",
    "everything",
    "find_consumer",
    "gather",
    "gather_lines",
    "last_seen",
    "lines_of",
]

Key = TypeVar("Key", Consumer, Endpoint)
KeyOf = Callable[[Group], tuple[Key, str]]
Gathered = tuple[Folded[Key], Timeline, list[str]]
"""What was read, its timeline, and what a reader must be told of it."""

MAX_CELLS = 20_000
"""Lines times columns; of more than these no sparklines are drawn."""

_FRESH_DAYS = 3


class Asked(Struct, frozen=True):
    """A question of a page: by whom, about what, and whom to ask.

    Attributes:
        org_id: the organisation that the reader may see; ``None``: all of them.
    """

    store: ReadableStore
    settings: Settings
    org_id: str | None
    query: PageQuery

    def where(self, **chosen: object) -> Filter:
        """A filter that the reader's organisation is part of."""
        return structs.replace(Filter(org_id=self.org_id), **chosen)


def gather(asked: Asked, where: Filter, by: Set[Dimension], key_of: KeyOf[Key]) -> Gathered[Key]:
    """Lines, columns and totals of the period and of the time before: of one read, so they add up.

    Where quarter hours were pruned, or the store holds hours, whole days are read in place of what was asked.

    Args:
        asked: by whom, and about what.
        where: which hits.
        by: what a line is; empty: there is one, of everything.
        key_of: says it of a group.

    Raises:
        AnswerTooLarge: there are more lines than the server gives.
        StoreError: the store can't answer.
    """

    def read(timeline: Timeline) -> Folded[Key]:
        try:
            return fold(_read(asked, where, timeline.spans, {*by, Dimension.BUCKET}, MAX_CELLS), timeline, key_of)
        except AnswerTooLarge:
            folded = lines_of(asked, where, by, key_of, timeline)
            total = fold(_read(asked, where, timeline.spans, {Dimension.BUCKET}), timeline, everything)
            folded.parts, folded.parts_under = total.parts, total.parts_under
            return folded

    return _in_whole_days_at_worst(asked, read)


def gather_lines(asked: Asked, where: Filter, by: Set[Dimension], key_of: KeyOf[Key]) -> Gathered[Key]:
    """Lines with sparklines, and no columns: for a list.

    Raises:
        AnswerTooLarge, StoreError: as in ``gather``.
    """
    return _in_whole_days_at_worst(
        asked, lambda timeline: lines_of(asked, where, by, key_of, timeline, sparks=True)
    )


def _in_whole_days_at_worst(asked: Asked, read: Callable[[Timeline], Folded[Key]]) -> Gathered[Key]:
    query = asked.query
    timeline = make_timeline(query.period, query.compared)
    try:
        return read(timeline), timeline, []
    except (QuarterHoursPruned, EdgeInsideBucket):
        timeline = make_timeline(query.period, query.compared, whole_days=True)
        told = (
            "Of this time only whole UTC days are kept: what you see is "
            f"{timeline.period.first_day.isoformat()} to {timeline.period.last_day.isoformat()}, days of UTC."
        )
        return read(timeline), timeline, [told]


def lines_of(
    asked: Asked,
    where: Filter,
    by: Set[Dimension],
    key_of: KeyOf[Key],
    timeline: Timeline,
    *,
    sparks: bool = False,
) -> Folded[Key]:
    """Lines that the store adds up itself: a read of each of the two periods, and one for sparklines.

    For many lines: a line then comes as two states, and not as one for each day.

    Raises:
        AnswerTooLarge, StoreError: as in ``gather``.
    """
    limit = asked.settings.max_rows
    now = _read(asked, where, timeline.period.spans, by, limit)
    before = _read(asked, where, timeline.compared.period.spans, by, limit) if timeline.compared else ()
    folded = fold_two(now, before, key_of)
    if sparks:
        by, spans = {*by, Dimension.BUCKET}, spans_of(timeline.columns)
        with suppress(AnswerTooLarge):
            cells = _read(asked, where, spans, by, MAX_CELLS, distributions=False)
            add_pieces(folded, cells, timeline, key_of)
    return folded


def busiest_of(
    asked: Asked, where: Filter, by: Set[Dimension], key_of: KeyOf[Key], timeline: Timeline, wanted: int
) -> Folded[Key]:
    """As ``lines_of``; of more lines than the server gives only the busiest, and how many there are.

    Raises:
        AnswerTooLarge, StoreError: as in ``gather``; the former where the store can't cut an answer.
    """
    try:
        return lines_of(asked, where, by, key_of, timeline)
    except AnswerTooLarge:
        limit = asked.settings.max_rows
        selection = where.selection(timeline.period.spans, by, True, limit, wanted)
        if limit is None or limit < wanted or selection is None:
            raise
    answer = asked.store.read(selection)
    now = [(group, stats) for group, stats in answer if group.groups is None]
    before: list[tuple[Group, EndpointStats]] = []
    if timeline.compared is not None:
        earlier = structs.replace(selection, spans=timeline.compared.period.spans, busiest=None)
        for group, _ in now:
            before += asked.store.read(earlier.of(group))
    folded = fold_two(now, before, key_of)
    for group, stats in answer:
        if group.groups is not None:
            folded.counted, folded.now = group.groups, stats
    return folded


def everything(group: Group) -> tuple[Endpoint, str]:
    """For ``gather``: there is one line."""
    return Endpoint("", ""), ""


def _read(
    asked: Asked,
    where: Filter,
    spans: tuple[Span, ...],
    by: Iterable[Dimension],
    limit: int | None = None,
    *,
    distributions: bool = True,
) -> Sequence[tuple[Group, EndpointStats]]:
    selection = where.selection(spans, by, distributions, limit)
    return asked.store.read(selection) if selection is not None else ()


def callers_of(asked: Asked, period: Period) -> dict[Endpoint, int] | None:
    """How many consumers called each endpoint; ``None``: there are too many pairs to count them."""
    by = frozenset({Dimension.CONSUMER, Dimension.ENDPOINT})
    selection = Selection(period.spans, by, org_id=asked.org_id, distributions=False, max_groups=MAX_CELLS)
    counts: dict[Endpoint, int] = {}
    try:
        for group, _ in asked.store.read(selection):
            assert group.endpoint is not None
            counts[group.endpoint] = counts.get(group.endpoint, 0) + 1
    except (AnswerTooLarge, QuarterHoursPruned, EdgeInsideBucket):
        return None
    return counts


def ever(asked: Asked, where: Filter, *by: Dimension) -> Sequence[tuple[Group, EndpointStats]]:
    """Whatever was seen in all time, without codes and latencies.

    Raises:
        StoreError: the store can't answer.
    """
    return _read(asked, where, ALL_DAYS, by, distributions=False)


def last_seen(asked: Asked, where: Filter) -> Instant | None:
    """The latest hit of all time; ``None``: there never was one."""
    return max((stats.last_hit_us or 0 for _, stats in ever(asked, where)), default=None)


def alias_of(asked: Asked, consumer: Consumer) -> str:
    """The newest alias of a consumer that has no request in the period; empty: it has none."""
    found = ever(asked, asked.where(consumer=consumer), Dimension.CONSUMER)
    return next((group.alias for group, _ in found), "")


def counted_to(asked: Asked) -> Instant | None:
    """The latest hit of the last days: how far records have been counted; ``None``: there is none in those."""
    today = asked.query.today
    period = Period.of(today - timedelta(days=_FRESH_DAYS), today + timedelta(days=1))
    return totals(asked.store, period, asked.where(), distributions=False).stats.last_hit_us


def find_consumer(asked: Asked) -> Consumer | None:
    """The consumer that an address names by kind and id, or by ``ref``; ``None``: it names none that is known."""
    given = asked.query.given
    if "ref" in given:
        known = (group.consumer for group, _ in ever(asked, asked.where(), Dimension.CONSUMER))
        return next((one for one in known if one is not None and consumer_ref(one) == given["ref"]), None)
    if not given.get("id"):
        return None
    make = Consumer.oauth_client if given.get("kind") == "oauth" else Consumer.key
    return make(given["id"])
