"""What a store over Tyk Pump's aggregates has to answer, worked out from the hits.

For ``expected`` of ``ReadableStoreConformance``. It takes a pump that writes each record in a flush of its own and
in the order of time, so that its known faults show least: a hit is in its hour, the last one is the last hit.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.buckets import Width
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.testing.plain import Hit, plain_answer, wanted_hits

__all__ = ["HOUR_US", "in_pumps_order", "pump_answer"]

HOUR_US = 3_600_000_000
_WIDTHS_US = {Width.QUARTER_HOUR: HOUR_US // 4, Width.DAY: HOUR_US * 24}


def in_pumps_order(hits: Iterable[Hit]) -> list[Hit]:
    """The hits that Pump keeps, in the order of time: it drops an empty organisation, and no latency is 0 to it."""
    kept = (
        replace(hit, latency_ms=hit.latency_ms or 0, upstream_latency_ms=hit.upstream_latency_ms or 0)
        for hit in hits
        if hit.org_id
    )
    return sorted(kept, key=lambda hit: (hit.at_us, hit.alias, hit.api_name))


def pump_answer(hits: Sequence[Hit], selection: Selection) -> dict[Group, EndpointStats] | None:
    """The answer from aggregates by the hour; ``None``: an hour would have to be divided.

    There is no first hit and no histogram in it. Codes, both minima and the fraction of a second are as the hits
    have them: what a store keeps of those is its own.
    """
    hits = in_pumps_order(hits)
    hours = {_hour_us(hit) for hit in wanted_hits(hits, selection)}
    if any(len(set(_places(hour_us, selection))) > 1 for hour_us in hours):
        return None
    # Names are in the hours that begin in the time asked for, whoever's hits are there.
    named = [
        hit
        for hit in hits
        if selection.org_id in (None, hit.org_id) and _place(_hour_us(hit), selection) is not None
    ]
    answer = {}
    for group, stats in plain_answer(hits, selection).items():
        aliases = [(hit, hit.alias) for hit in named if _is_key_of(hit, group.consumer)]
        # Pump counts no API without an id, so it has no name of one.
        api_id = group.endpoint.api_id if group.endpoint else ""
        names = [(hit, hit.api_name) for hit in named if api_id and hit.api_id == api_id]
        stats.first_hit_us, stats.histogram = None, {}
        answer[Group(group.consumer, group.endpoint, group.bucket, _newest(aliases), _newest(names))] = stats
    return answer


def _hour_us(hit: Hit) -> int:
    return hit.at_us // HOUR_US * HOUR_US


def _places(hour_us: int, selection: Selection) -> list[object]:
    """Where the question puts each quarter of an hour."""
    return [_place(hour_us + quarter * HOUR_US // 4, selection) for quarter in range(4)]


def _place(at_us: int, selection: Selection) -> object:
    """The span or bucket in which the question puts an instant, ``None`` if it does not ask for it."""
    for span in selection.spans:
        number = at_us // _WIDTHS_US[span.width]
        if span.first <= number < span.end:
            return (span.width, number) if Dimension.BUCKET in selection.group_by else "asked"
    return None


def _is_key_of(hit: Hit, consumer: Consumer | None) -> bool:
    """Pump keeps aliases of keys alone."""
    return consumer is not None and hit.kind is Kind.KEY and consumer == Consumer.key(hit.consumer_id)


def _newest(named: Sequence[tuple[Hit, str]]) -> str:
    """Of an organisation's hour the name written last, of all hours the newest; on a tie the greater text."""
    last = {(hit.org_id, _hour_us(hit)): name for hit, name in named if name}
    return max(((hour_us, name) for (_, hour_us), name in last.items()), default=(0, ""))[1]
