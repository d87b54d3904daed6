"""All days and quarters looked through in one pass, in the order in which days lie in the file."""

from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection
from typing import Any

from msgspec import json

from tyk_endpoint_stats.core.segments import Quarters
from tyk_endpoint_stats.core.soundness import quarters_come_to, states_of_day_are_sound
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats.stores.sqlite.quarters import endpoints_in
from tyk_endpoint_stats.stores.sqlite.schema import STATE_COLUMNS

__all__ = ["look_through"]

_DAYS = f"SELECT bucket, consumer, 0, endpoint, {', '.join(STATE_COLUMNS)} FROM days ORDER BY bucket, consumer"
_SEGMENTS = "SELECT day, consumer, 1, rowid FROM quarters ORDER BY day, consumer"
_SEGMENT = "SELECT endpoints, columns, cells FROM quarters WHERE rowid = ?"

_decode = json.Decoder(dict[int, int]).decode


def look_through(connection: Connection) -> LookedThrough:
    """Compare each day with its quarters, and look at every state, in the caller's read transaction."""
    (pruned_before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchone()
    found = LookedThrough()
    # Both in the same order, so that no more than one consumer's day is in memory.
    entries: Iterator[Any] = merge(connection.execute(_DAYS), connection.execute(_SEGMENTS))
    for (day, _), group in groupby(entries, itemgetter(0, 1)):
        states: dict[int, EndpointStats] = {}
        segments: list[int] = []
        for _, _, is_segment, number, *columns in group:
            if is_segment:
                segments.append(number)
            else:
                states[number] = _state(columns)
        found.days[day] = found.days.get(day, 0) + len(states)
        if pruned_before is not None and day < pruned_before:
            found.pruned.add(day)
            is_sound = states_of_day_are_sound(day, states.values())
        else:
            is_sound = states == quarters_come_to(day, _parts(connection, day, segments))
        if not is_sound:
            found.suspects.add(day)
    return found


def _state(columns: Sequence[Any]) -> EndpointStats:
    *plain, codes, histogram = columns
    make: Callable[..., EndpointStats] = EndpointStats
    return make(*plain, _decode(codes), _decode(histogram))


def _parts(
    connection: Connection, day: int, segments: Sequence[int]
) -> Iterator[tuple[Sequence[int], Sequence[int], Quarters]]:
    for rowid in segments:
        endpoints, columns, cells = connection.execute(_SEGMENT, (rowid,)).fetchone()
        numbers, lengths = endpoints_in(endpoints)
        yield numbers, lengths, Quarters(day, lengths, columns, cells)
