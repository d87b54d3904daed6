"""What can be asked for: from when to when, how finely, of which organisations; which months grew."""

from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.core.instants import Instant, find_zone, to_datetime
from tyk_endpoint_stats.core.selection import Readable
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.growth import GrownMonth, months_of
from tyk_endpoint_stats.questions.period import EVER, Period
from tyk_endpoint_stats.questions.times import plain_value
from tyk_endpoint_stats.questions.totals import totals
from tyk_endpoint_stats.stores.contract import Copyable

__all__ = ["Meta", "meta"]


class Meta(Struct, frozen=True, kw_only=True):
    """What a store can be asked for.

    Attributes:
        first_hit: the earliest hit; ``None``: there is no hit.
        counted_to: the latest hit: how far its records have been counted.
        pruned_before: edges of earlier days can only be whole UTC days; ``None``: any edge can be asked for, or the
            store does not say.
        organisations: those that named an API or a consumer; ``None``: the store does not say.
        grown: the months that grew by late records, the latest first; ``None``: the store does not say, or one
            organisation was asked for: what is kept of it is of all of them.
        zone: in which the times are.
        grain: the shortest piece of time that is kept apart.
    """

    first_hit: datetime | None
    counted_to: datetime | None
    pruned_before: datetime | None
    organisations: list[str] | None
    grown: list[GrownMonth] | None
    zone: str
    grain: str = "15m"

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, ready for JSON."""
        values = {name: plain_value(getattr(self, name)) for name in self.__struct_fields__}
        return values | {"grown": None if self.grown is None else [month.to_dict() for month in self.grown]}


def meta(store: Readable, *, zone: str | tzinfo = UTC, org_id: str | None = None) -> Meta:
    """What a store can be asked for.

    Args:
        store: what is asked.
        zone: an IANA name or a ``tzinfo``, for the times.
        org_id: only of that organisation; ``None``: all.

    Raises:
        InvalidQuestion: there is no such zone.
        StoreError: the store can't answer.
    """
    zone = find_zone(zone) if isinstance(zone, str) else zone
    stats = totals(store, Period(*EVER, zone), Filter(org_id=org_id), distributions=False).stats
    outline = store.outline() if isinstance(store, Copyable) else None

    def moment(instant: Instant | None) -> datetime | None:
        return None if instant is None else to_datetime(instant, zone)

    organisations = None
    if outline is not None:
        organisations = sorted({org for org, *_ in (*outline.api_names, *outline.aliases)})
    return Meta(
        first_hit=moment(stats.first_hit_us),
        counted_to=moment(stats.last_hit_us),
        pruned_before=moment(outline.pruned_before if outline else None),
        organisations=organisations if org_id is None else [org_id],
        grown=months_of(store.growth(), zone) if isinstance(store, Copyable) and org_id is None else None,
        zone=str(zone),
    )
