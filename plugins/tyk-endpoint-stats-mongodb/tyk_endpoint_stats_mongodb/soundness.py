"""All days and quarters looked through, day by day, each in a snapshot of its own: one ends after minutes."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any

from msgspec import Struct
from tyk_endpoint_stats.core.rows import NO_HIT, Row
from tyk_endpoint_stats.core.soundness import day_is_sound

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Width
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats_mongodb.documents import Document
from tyk_endpoint_stats_mongodb.layout import Layout
from tyk_endpoint_stats_mongodb.reading import keys_between

__all__ = ["look_through"]

_EVER = 2**62
_OPTIONAL = tuple(name for name in EndpointStats.__struct_fields__ if "_non_error_" in name)
_BEFORE = EndpointStats.__struct_fields__[: EndpointStats.__struct_fields__.index(_OPTIONAL[0])]
_numbers = itemgetter(*_BEFORE)
_instants = itemgetter("first_hit_us", "last_hit_us")
_series = itemgetter("org_id", "kind", "consumer", "api_id", "path")

Key = tuple[str, ...]


class _Day(Struct):
    """What was found in one day."""

    states: int
    is_pruned: bool
    is_sound: bool


def look_through(layout: Layout, from_one_snapshot: Callable[[Callable[[Any], _Day]], _Day]) -> LookedThrough:
    """Compare each day with its quarters, and look at every state.

    Args:
        layout: the store, whose documents are states (``damage`` found nothing).
        from_one_snapshot: gives what is found in a session.
    """
    found = LookedThrough()
    for day in sorted(_days(layout)):
        looked = from_one_snapshot(partial(_look_at, layout, day))
        found.days[day] = looked.states
        if looked.is_pruned:
            found.pruned.add(day)
        if not looked.is_sound:
            found.suspects.add(day)
    return found


def _days(layout: Layout) -> set[int]:
    def buckets(width: Width) -> Iterator[int]:
        matching: Document = {"$match": {"_id": keys_between(width, -_EVER, _EVER)}}
        for bucket in layout.states.aggregate([matching, {"$group": {"_id": "$_id.bucket"}}]):
            yield int(bucket["_id"])

    return {*buckets(Width.DAY), *(quarter // QUARTER_HOURS_PER_DAY for quarter in buckets(Width.QUARTER_HOUR))}


def _look_at(layout: Layout, day: int, session: Any) -> _Day:
    def documents(width: Width, first: int, end: int) -> Iterator[tuple[Key, Row]]:
        for state in layout.states.find({"_id": keys_between(width, first, end)}, {"ap": 0}, session=session):
            yield _series(state["_id"]), _row(state)

    of_day = dict(documents(Width.DAY, day, day + 1))
    of_quarters: defaultdict[Key, list[Row]] = defaultdict(list)
    for series, row in documents(
        Width.QUARTER_HOUR, day * QUARTER_HOURS_PER_DAY, (day + 1) * QUARTER_HOURS_PER_DAY
    ):
        of_quarters[series].append(row)
    # After the states: pruning says so before it begins, so that without a snapshot, too, nothing is missed.
    pruned_before = layout.pruned_before_day(session)
    if pruned_before is not None and day < pruned_before:
        return _Day(len(of_day), True, all(day_is_sound(row, None) for row in of_day.values()))
    series_of_both = of_day.keys() | of_quarters.keys()
    is_sound = all(day_is_sound(of_day.get(series), of_quarters[series]) for series in series_of_both)
    return _Day(len(of_day), False, is_sound)


def _row(state: Document) -> Row:
    """A document as a row; its bucket and instants count from 1970."""
    return (
        state["_id"]["bucket"],
        *_numbers(state),
        *(_least(state.get(name)) for name in _OPTIONAL),
        *_instants(state),
        (_counts(state["codes"]), _counts(state["histogram"])),
    )


def _least(minimum: int | None) -> int:
    if minimum is None:
        return NO_HIT
    return -1 if minimum == NO_HIT else minimum  # that number is damage, and must not pass for there being none


def _counts(counts: dict[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in counts.items()}
