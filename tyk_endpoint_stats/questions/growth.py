"""Which closed months grew, and by how much: whoever has billed them wants to know."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from tyk_endpoint_stats.core.instants import EPOCH, to_datetime
from tyk_endpoint_stats.core.months import Month
from tyk_endpoint_stats.questions.times import rfc3339

__all__ = ["GrownDay", "GrownMonth", "growth_in", "growth_of"]


class GrownDay(Struct, frozen=True):
    """By how many hits a UTC day grew after its month was closed, and when the last of them were merged."""

    day: date
    hits: int
    last: datetime


class GrownMonth(Struct, frozen=True):
    """By how much a UTC month grew after it was closed: see ``core/months.py``.

    Attributes:
        month: its first day.
        hits: of all its days.
        last: when the last of them were merged.
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


@runtime_checkable
class _Remembering(Protocol):
    def months(self) -> Mapping[int, Month]: ...


def growth_of(store: object, zone: tzinfo = UTC) -> list[GrownMonth] | None:
    """The closed months that grew, the latest first; ``None``: the store does not say.

    Args:
        store: any store.
        zone: of the times; days and months are UTC's.

    Raises:
        StoreError: the store can't answer.
    """
    return growth_in(store.months(), zone) if isinstance(store, _Remembering) else None


def growth_in(months: Mapping[int, Month], zone: tzinfo = UTC) -> list[GrownMonth]:
    """Those of these months that grew, the latest first."""
    grown = []
    for first, month in sorted(months.items(), reverse=True):
        days = tuple(
            GrownDay(_date(day), hits, to_datetime(last_us, zone))
            for day, (hits, last_us) in sorted(month.grown.items())
        )
        if days:
            last = max(one.last for one in days)
            grown.append(GrownMonth(_date(first), sum(one.hits for one in days), last, days))
    return grown


def _date(day: int) -> date:
    return EPOCH.date() + timedelta(days=day)
