"""What a store holds: its sources and how far they are, days, instants, size. Two questions over any store."""

from datetime import UTC, date, datetime, tzinfo

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import ALL_DAYS, bucket_start
from tyk_endpoint_stats.core.instants import find_zone, to_datetime
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.questions.growth import GrownMonth, months_of
from tyk_endpoint_stats.stores.base import ReadableStore, Store
from tyk_endpoint_stats.stores.contract import Copyable, Inspectable, SourceProgress, StoreFacts

__all__ = ["StoreStatus", "status_of"]


class StoreStatus(Struct, frozen=True, kw_only=True):
    """What a store holds.

    Attributes:
        hits: of all consumers; a request with a key and an OAuth client is a hit of both.
        days: UTC days that have a hit.
        first_day, last_day: the ends of them.
        first_hit, last_hit: in the zone asked for.
        counts: what became of the records of all sources; records given without a source are not in it.
        sources: how far each is; ``None``: the store only reads what others write.
        grown: the months that grew by late records, the latest first; ``None``: the store does not say.
        facts: what the store says of itself; ``None``: it says nothing.
    """

    hits: int
    days: int
    first_day: date | None
    last_day: date | None
    first_hit: datetime | None
    last_hit: datetime | None
    counts: Counts
    sources: tuple[SourceProgress, ...] | None
    grown: list[GrownMonth] | None
    facts: StoreFacts | None


def status_of(store: ReadableStore, zone: str | tzinfo = UTC) -> StoreStatus:
    """What a store holds.

    Args:
        store: any store.
        zone: an IANA name or a ``tzinfo``, for the times. Days are UTC's.

    Raises:
        InvalidQuestion: there is no such zone.
        StoreError: the store can't answer.
    """
    zone = find_zone(zone) if isinstance(zone, str) else zone
    sources = tuple(store.sources()) if isinstance(store, Store) else None
    counts = Counts()
    for source in sources or ():
        counts.merge(source.counts)
    total = EndpointStats()
    days = []
    for group, stats in store.read(Selection(ALL_DAYS, frozenset({Dimension.BUCKET}), distributions=False)):
        assert group.bucket is not None
        days.append(to_datetime(bucket_start(group.bucket)).date())
        total.merge(stats)
    return StoreStatus(
        hits=total.hits,
        days=len(days),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        first_hit=None if total.first_hit_us is None else to_datetime(total.first_hit_us, zone),
        last_hit=None if total.last_hit_us is None else to_datetime(total.last_hit_us, zone),
        counts=counts,
        sources=sources,
        grown=months_of(store.growth(), zone) if isinstance(store, Copyable) else None,
        facts=store.facts() if isinstance(store, Inspectable) else None,
    )
