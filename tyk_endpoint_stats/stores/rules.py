"""What every store must do alike, once: take a batch or refuse it, refuse what was pruned, put an answer together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tyk_endpoint_stats.core.batch import (
    EVERYONE,
    Batch,
    Consumer,
    ConsumerKey,
    Endpoint,
    EndpointKey,
    Kind,
    NameSeen,
)
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.day_row import DayRow, state_of_row
from tyk_endpoint_stats.core.packed import unpack_quarter_hours
from tyk_endpoint_stats.core.selection import Dimension, Group, RowKind, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import PositionConflict, QuarterHoursPruned, StoreError

__all__ = [
    "MAX_PIECES",
    "MAX_SUM",
    "Answer",
    "days_of",
    "is_wanted",
    "kind_of",
    "newest_names",
    "quarter_hours_in",
    "refuse_pruned",
    "see_names",
    "states_of",
    "take_batch",
    "without_pruned",
]

MAX_SUM = 2**63 - 1
"""Sums are exact up to here; a batch that would pass it is refused whole."""

MAX_PIECES = 32
"""A packed value of more pieces is written back in one."""

Key = TypeVar("Key")
Days = tuple[int, int]


def take_batch(batch: Batch, stored: str | None) -> bool:
    """Whether to merge a batch, by the position that is stored for its source.

    Args:
        batch: with or without a source.
        stored: where its source stands, ``None`` if it was never met (or the batch has none).

    Returns:
        ``False``: it was merged before.

    Raises:
        PositionConflict: the source stands elsewhere.
    """
    if batch.source is None or stored == batch.begins:
        return True
    if stored == batch.ends:
        return False
    raise PositionConflict(batch.source, batch.begins, stored)


def days_of(span: Span) -> Days:
    """The UTC days that a span touches: the first, and the first behind them."""
    if span.width is Width.DAY:
        return span.first, span.end
    return span.first // QUARTER_HOURS_PER_DAY, -(-span.end // QUARTER_HOURS_PER_DAY)


def refuse_pruned(spans: Iterable[Span], before_day: int | None, has_rows: Callable[[int, int], bool]) -> None:
    """Make sure that the quarter hours of spans are there.

    Args:
        spans: of a selection.
        before_day: quarter hours of earlier days were pruned; ``None``: of none.
        has_rows: whether the store has a row from a day on and before another.

    Raises:
        QuarterHoursPruned: a span needs quarter hours of a day that has rows, but whose quarter hours are gone.
    """
    if before_day is None:
        return
    for span in spans:
        if span.width is Width.QUARTER_HOUR:
            first, end = days_of(span)
            if first < min(end, before_day) and has_rows(first, min(end, before_day)):
                raise QuarterHoursPruned


def without_pruned(rows: Iterable[DayRow], before_day: int | None) -> Iterator[DayRow]:
    """Rows as a store keeps them: without quarter hours on days whose quarter hours were pruned."""
    for row in rows:
        yield row if before_day is None or row.day >= before_day else row._replace(quarter_hours=b"")


def see_names(known: dict[Key, NameSeen], seen: dict[Key, NameSeen]) -> None:
    """Take names into others: the newest wins, on a tie the greater text."""
    for key, name in seen.items():
        known[key] = max(name, known.get(key, name))


def newest_names(names: Iterable[tuple[Key, NameSeen]]) -> dict[Key, str]:
    """The newest name of each key that several organisations may have named."""
    newest: dict[Key, NameSeen] = {}
    for key, seen in names:
        newest[key] = max(seen, newest.get(key, seen))
    return {key: name for key, (_, name) in newest.items()}


def kind_of(consumer: ConsumerKey, *, of_every_endpoint: bool) -> RowKind:
    """Of which kind a row of that consumer is."""
    if consumer[1] == EVERYONE:
        return RowKind.EVERYTHING if of_every_endpoint else RowKind.ENDPOINT
    return RowKind.CONSUMER if of_every_endpoint else RowKind.ENDPOINT_OF_CONSUMER


def is_wanted(selection: Selection, consumer: ConsumerKey, endpoint: EndpointKey | None) -> bool:
    """Whether a row passes a selection's filters; its kind is looked at elsewhere."""
    org_id, kind, consumer_id = consumer
    return (
        selection.org_id in (None, org_id)
        and selection.kind in (None, kind)
        and selection.consumer_id in (None, consumer_id)
        and (
            endpoint is None or (selection.api_id in (None, endpoint[0]) and selection.path in (None, endpoint[1]))
        )
    )


def states_of(row: DayRow, span: Span, distributions: bool = True) -> Iterator[tuple[Bucket, EndpointStats]]:
    """What a row has in a span that touches its day: the day's state, or those of the quarter hours in it.

    Raises:
        StoreError: a packed value of the row can't be read.
    """
    try:
        if span.width is Width.DAY:
            yield Bucket(Width.DAY, row.day), state_of_row(row, distributions)
            return
        yield from quarter_hours_in(row.quarter_hours, row.day, span, distributions)
    except ValueError as problem:
        raise StoreError(f"a row of day {row.day} is damaged: {problem}; run verify") from problem


def quarter_hours_in(
    packed: bytes, day: int, span: Span, distributions: bool = True
) -> Iterator[tuple[Bucket, EndpointStats]]:
    """The states of a day's packed quarter hours that lie in a span of quarter hours.

    Raises:
        PackedError: the value can't be read.
    """
    start = day * QUARTER_HOURS_PER_DAY
    first, end = max(0, span.first - start), min(QUARTER_HOURS_PER_DAY, span.end - start)
    for number, stats in unpack_quarter_hours(packed, day, first, end).items():
        if not distributions:
            stats.codes, stats.histogram = {}, {}
        yield Bucket(Width.QUARTER_HOUR, start + number), stats


class Answer:
    """The groups of an answer while they come together.

    Args:
        selection: what is asked.
    """

    def __init__(self, selection: Selection) -> None:
        by = selection.group_by
        self._selection = selection
        self._by_consumer = Dimension.CONSUMER in by
        self._by_endpoint = Dimension.ENDPOINT in by
        self._by_bucket = Dimension.BUCKET in by
        self._states: dict[tuple[tuple[str, str] | None, EndpointKey | None, Bucket | None], EndpointStats] = {}

    def add(
        self, consumer: ConsumerKey, endpoint: EndpointKey | None, bucket: Bucket, stats: EndpointStats
    ) -> None:
        """Take a state into its group; the state becomes the answer's.

        Raises:
            AnswerTooLarge: it is one group too many.
        """
        group = (
            consumer[1:] if self._by_consumer else None,
            endpoint if self._by_endpoint else None,
            bucket if self._by_bucket else None,
        )
        known = self._states.get(group)
        if known is None:
            self._states[group] = stats
            self._selection.check_groups(len(self._states))
        else:
            known.merge(stats)

    def groups(
        self, aliases: dict[tuple[str, str], str], api_names: dict[str, str]
    ) -> list[tuple[Group, EndpointStats]]:
        """The answer.

        Args:
            aliases: the newest by ``(kind, id)``, in the selected organisations.
            api_names: the newest by ``api_id``, likewise.
        """
        return [
            (
                Group(
                    Consumer(Kind(consumer[0]), consumer[1]) if consumer else None,
                    Endpoint(*endpoint) if endpoint else None,
                    bucket,
                    aliases.get(consumer, "") if consumer else "",
                    api_names.get(endpoint[0], "") if endpoint else "",
                ),
                stats,
            )
            for (consumer, endpoint, bucket), stats in self._states.items()
        ]
