"""All days and quarters looked through in one pass, in the order in which days lie in the file."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection
from typing import Any

from msgspec import DecodeError, json

from tyk_endpoint_stats.core.segments import Quarters
from tyk_endpoint_stats.core.soundness import quarters_come_to, states_of_day_are_sound
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums, added
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats.stores.sqlite.parts import MAX_HITS, endpoints_in
from tyk_endpoint_stats.stores.sqlite.schema import AGGREGATES, PLAIN_COLUMNS, STATE_COLUMNS, table_of
from tyk_endpoint_stats.stores.sqlite.stretches import written_before

__all__ = ["look_through"]

_DAYS = f"SELECT bucket, consumer, 0, endpoint, {', '.join(STATE_COLUMNS)} FROM days ORDER BY bucket, consumer"
_PARTS = "SELECT day, consumer, 1, rowid FROM quarters ORDER BY day, consumer"
_ONE_PART = "SELECT states, hits, endpoints, columns, cells FROM quarters WHERE rowid = ?"

_decode = json.Decoder(dict[int, int]).decode

_Part = tuple[Sequence[int], Sequence[int], Quarters, int, int]
"""Endpoints, how many states each has, and those; the first and the last quarter that it says they are in."""


class _Unreadable(Exception):
    """What none of our statements writes; its text says which."""


def look_through(connection: Connection) -> LookedThrough:
    """Compare each day with its quarters, and look at every state, in the caller's read transaction."""
    (pruned_before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchone()
    known = {number for (number,) in connection.execute("SELECT number FROM endpoints")}
    found = LookedThrough()
    unreadable: Counter[str] = Counter()
    # Both in the same order, so that no more than one consumer's day is in memory.
    entries: Iterator[Any] = merge(connection.execute(_DAYS), connection.execute(_PARTS))
    for (day, _), group in groupby(entries, itemgetter(0, 1)):
        states: dict[int, EndpointStats] = {}
        parts: list[_Part] = []
        for _, _, is_part, number, *columns in group:
            try:
                if is_part:
                    parts.append(_part(connection, day, number, known))
                else:
                    states[number] = _state(columns)
            except _Unreadable as problem:
                unreadable[str(problem)] += 1
        found.days[day] = found.days.get(day, 0) + len(states)
        if pruned_before is not None and day < pruned_before:
            found.pruned.add(day)
            is_sound = states_of_day_are_sound(day, states.values())
        else:
            is_sound = states == quarters_come_to(day, (part[:3] for part in parts))
            is_sound = is_sound and all(map(_lies_within, parts))
        if not is_sound:
            found.suspects.add(day)
    found.damage += (f"{count:,} {what}" for what, count in unreadable.items())
    if count := _damaged_stretches(connection):
        found.beside.append(f"{count:,} stretches are not what their days come to")
    return found


def _lies_within(part: _Part) -> bool:
    _, _, quarters, first, last = part
    its: Sequence[int] = quarters.columns[0]
    return first <= min(its) and max(its) <= last


def _state(columns: Sequence[Any]) -> EndpointStats:
    *plain, codes, histogram = columns
    make: Callable[..., EndpointStats] = EndpointStats
    return make(*plain, _counts("codes", codes), _counts("histogram", histogram))


def _counts(column: str, encoded: str) -> dict[int, int]:
    try:
        return _decode(encoded)
    except DecodeError:
        raise _Unreadable(f"rows of days have no counts in {column}") from None


def _part(connection: Connection, day: int, rowid: int, known: set[int]) -> _Part:
    states, hits, encoded, columns, cells = connection.execute(_ONE_PART, (rowid,)).fetchone()
    try:
        endpoints, lengths, first, last = endpoints_in(encoded)
        quarters = Quarters(day, lengths, columns, cells)
    except DecodeError:
        raise _Unreadable("parts of quarters can't be unpacked") from None
    table = quarters.columns
    if len(table) != len(STATE_COLUMNS):
        raise _Unreadable("parts of quarters have not the columns of states")
    sizes = {sum(lengths), *map(len, table)}
    if sizes != {states} or len(endpoints) != len(lengths) or min(sum(table[1]), MAX_HITS) != hits or not states:
        raise _Unreadable("parts of quarters have not the states and hits that they say")
    if not known.issuperset(endpoints):
        raise _Unreadable("parts of quarters refer to endpoints that do not exist")
    return endpoints, lengths, quarters, first, last


_DAYS_OF_STRETCHES = f"""
SELECT consumer, bucket - (bucket % {{length}} + {{length}}) % {{length}} AS day, 0, endpoint,
    {", ".join(AGGREGATES[column] for column in PLAIN_COLUMNS)}
FROM days WHERE bucket < ? GROUP BY consumer, day, endpoint ORDER BY consumer, day"""
_STRETCHES = "SELECT consumer, day, 1, endpoints, columns FROM {table} ORDER BY consumer, day"


def _damaged_stretches(connection: Connection) -> int:
    """How many of them are not what their days come to; those of several consumers are several."""
    damaged = 0
    for length, before_day in written_before(connection).items():
        days = connection.execute(_DAYS_OF_STRETCHES.format(length=length), (before_day,))
        stretches = connection.execute(_STRETCHES.format(table=table_of(length)))
        entries: Iterator[Any] = merge(days, stretches, key=itemgetter(0, 1))
        for _, group in groupby(entries, itemgetter(0, 1)):
            states: dict[int, EndpointStats] = {}
            parts: list[Any] = []
            for _, _, is_stretch, *columns in group:
                if is_stretch:
                    parts.append(columns)
                else:
                    states[columns[0]] = EndpointStats(*columns[1:])
            damaged += not _come_to(parts, states)
    return damaged


def _come_to(parts: Sequence[tuple[bytes, bytes]], states: dict[int, EndpointStats]) -> bool:
    try:
        sums = [Sums.unpacked(endpoints_in(endpoints)[0], columns) for endpoints, columns in parts]
        return bool(sums) and dict(added(sums).states()) == states
    except (DecodeError, ValueError, IndexError):
        return False
