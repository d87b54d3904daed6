"""Which months grew by late records, and by how much: whoever has billed them wants to know."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import EPOCH, to_datetime
from tyk_endpoint_stats.questions.times import rfc3339

__all__ = ["GrownDay", "GrownMonth", "months_of"]


class GrownDay(Struct, frozen=True):
    """By how much a UTC day grew.

    Attributes:
        day: of UTC, whatever the zone of ``last``.
        hits: late ones, as everyone's: each counts once.
        last: when the last of them were merged, in the zone that was asked for.
    """

    day: date
    hits: int
    last: datetime


class GrownMonth(Struct, frozen=True):
    """By how much days of a UTC month grew: see ``ingest/growth.py``.

    Attributes:
        month: its first day.
        hits: late ones of all its days.
        last: when the last of them were merged, in the zone that was asked for.
        days: those that grew, the earliest first.
    """

    month: date
    hits: int
    last: datetime
    days: tuple[GrownDay, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON; the month as ``2026-09``."""
        days = [{"day": f"{one.day}", "hits": one.hits, "last": rfc3339(one.last)} for one in self.days]
        return {"month": f"{self.month}"[:7], "hits": self.hits, "last": rfc3339(self.last), "days": days}


def months_of(growth: Mapping[int, Grown], zone: tzinfo = UTC) -> list[GrownMonth]:
    """The months of days that grew, the latest first.

    Args:
        growth: by days since 1970-01-01, as ``Copyable.growth`` gives it.
        zone: of the instants; days and months are UTC's.
    """
    days = [
        GrownDay(EPOCH.date() + timedelta(days=day), hits, to_datetime(last_us, zone))
        for day, (hits, last_us) in sorted(growth.items())
    ]
    months = []
    for month, found in groupby(days, key=lambda one: one.day.replace(day=1)):
        of_month = tuple(found)
        last = max(one.last for one in of_month)
        months.append(GrownMonth(month, sum(one.hits for one in of_month), last, of_month))
    return months[::-1]
