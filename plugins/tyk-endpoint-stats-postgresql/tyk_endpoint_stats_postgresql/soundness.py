"""All days and quarters looked through, day by day; the server brings together what is of one series."""

from types import GenericAlias
from typing import Any

from msgspec import DecodeError, json
from tyk_endpoint_stats.core.rows import NO_HIT
from tyk_endpoint_stats.core.soundness import day_is_sound

from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats_postgresql.connections import Connection
from tyk_endpoint_stats_postgresql.schema import STATE_COLUMNS

__all__ = ["look_through"]

_SERIES_AT_ONCE = 1_000
_NUMBERS = STATE_COLUMNS[:-2]


def _number(column: str) -> str:
    if "_non_error_" not in column:
        return column
    # That number itself is damage, and must not pass for there being none.
    return f"CASE {column} WHEN {NO_HIT} THEN -1 ELSE coalesce({column}, {NO_HIT}) END"


# Rows as the core knows them, with buckets and instants that count from 1970. As JSON, which takes less time on its
# way here than 18 columns, and two of them are JSON in any case.
_ROW = (
    f"concat('[', concat_ws(',', bucket, {', '.join(map(_number, _NUMBERS))}), ',[', codes, ',', histogram, ']]')"
)
_DAYS = f"SELECT consumer, endpoint, {_ROW} AS row FROM days WHERE bucket = %s"
_DAYS_ALONE = f"SELECT d.row, NULL FROM ({_DAYS}) AS d"
_DAYS_AND_QUARTERS = (
    f"SELECT d.row, concat('[', q.rows, ']') FROM ({_DAYS}) AS d FULL JOIN"
    f" (SELECT consumer, endpoint, string_agg({_ROW}, ',') AS rows"
    " FROM quarters WHERE bucket >= %s AND bucket < %s GROUP BY consumer, endpoint)"
    " AS q USING (consumer, endpoint)"
)

_Row: Any = GenericAlias(tuple, (int, *[int] * len(_NUMBERS), tuple[dict[int, int], dict[int, int]]))
_decode_row = json.Decoder(_Row).decode
_decode_rows = json.Decoder(list[_Row]).decode


def look_through(connection: Connection) -> LookedThrough:
    """Compare each day with its quarters, and look at every state, in the caller's read transaction."""
    (pruned_before,) = connection.execute("SELECT max(before_day) FROM pruned").fetchall()[0]
    days = {day for (day,) in connection.execute("SELECT DISTINCT bucket FROM days")}
    quarters = connection.execute("SELECT DISTINCT bucket FROM quarters")
    days |= {quarter // QUARTER_HOURS_PER_DAY for (quarter,) in quarters}
    found = LookedThrough()
    unreadable = 0
    for day in sorted(days):
        query, parameters = (
            _DAYS_AND_QUARTERS,
            [day, day * QUARTER_HOURS_PER_DAY, (day + 1) * QUARTER_HOURS_PER_DAY],
        )
        if pruned_before is not None and day < pruned_before:
            found.pruned.add(day)
            query, parameters = _DAYS_ALONE, [day]
        states, is_sound = 0, True
        with connection.cursor(name="look") as cursor:  # in the server, so that not all of a day is in memory
            cursor.itersize = _SERIES_AT_ONCE
            for of_day, of_quarters in cursor.execute(query, parameters):
                states += of_day is not None
                try:
                    is_sound &= day_is_sound(
                        None if of_day is None else _decode_row(of_day),
                        None if of_quarters is None else _decode_rows(of_quarters),
                    )
                except DecodeError:
                    unreadable += 1
        found.days[day] = states
        if not is_sound:
            found.suspects.add(day)
    if unreadable:
        found.damage.append(f"{unreadable:,} series have states in a day that can't be read")
    return found
