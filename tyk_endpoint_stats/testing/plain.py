"""The plain twin of the aggregator and of every store: it keeps the hits and counts them when asked.

Slow and obvious. It shares no arithmetic with ``core``: instants are worked out from the digits, bins by whole
powers, sums by ``sum`` and minima by ``min`` over a list, so an error there can't hide behind the same error here.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from hashlib import sha256

from msgspec import Struct

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.batch import EVERYONE, Consumer, Counts, Endpoint, Kind
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = [
    "Hit",
    "plain_answer",
    "plain_bin",
    "plain_counts",
    "plain_hits",
    "plain_instant_us",
    "plain_state",
    "wanted_hits",
]

_SECONDS = {Width.QUARTER_HOUR: 900, Width.DAY: 86_400}
_DAYS_TO_1970 = date(1970, 1, 1).toordinal()
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))"
)
_YEARS_US = (
    (1 - _DAYS_TO_1970) * 86_400_000_000,
    (date.max.toordinal() + 1 - _DAYS_TO_1970) * 86_400_000_000,
)


class Hit(Struct, frozen=True):
    """One request of one consumer, everyone among them: a record with a key and a client is three."""

    org_id: str
    kind: str
    consumer_id: str
    api_id: str
    path: str
    at_us: int
    code: int
    request_time_ms: int
    latency_ms: int | None
    upstream_latency_ms: int | None
    alias: str
    api_name: str

    @property
    def series(self) -> tuple[str, str, str, str, str]:
        """What a state of this hit is kept under, but for the bucket."""
        return self.org_id, self.kind, self.consumer_id, self.api_id, self.path

    def bucket(self, width: Width) -> Bucket:
        """The bucket of that width that the hit lies in."""
        return Bucket(width, self.at_us // 1_000_000 // _SECONDS[width])


def plain_instant_us(text: str) -> int | None:
    """The instant that RFC 3339 text means, ``None`` if it means none."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[number]) for number in range(1, 7))
    try:
        days = date(year, month, day).toordinal() - _DAYS_TO_1970
    except ValueError:
        return None
    offset_hours, offset_minutes = int(found[9] or 0), int(found[10] or 0)
    if hour > 23 or minute > 59 or second > 60 or offset_hours > 23 or offset_minutes > 59:
        return None
    micros = int(f"{found[7] or ''}000000"[:6])
    if second == 60:
        second, micros = 59, 999_999
    offset = (offset_hours * 60 + offset_minutes) * (-1 if found[8] == "-" else 1)
    at_us = (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1_000_000 + micros
    return at_us if _YEARS_US[0] <= at_us < _YEARS_US[1] else None


def plain_outcome(record: Record, rules: Rules = Rules()) -> tuple[str, str]:  # noqa: B008 - frozen
    """What becomes of a record: ``counted``, ``skipped`` or ``malformed``, and why."""
    at_us = plain_instant_us(record.timestamp)
    if record.timestamp == "" or at_us == _YEARS_US[0]:
        return "malformed", "no timestamp"
    if at_us is None:
        return "malformed", "timestamp"
    if record.response_code == -1:
        return "skipped", "tcp"
    if record.graphql_stats.is_graphql and "graphql" not in rules.include:
        return "skipped", "graphql"
    if record.mcp_stats.is_mcp and "mcp" not in rules.include:
        return "skipped", "mcp"
    if rules.tracked_only and not record.track_path:
        return "skipped", "untracked"
    for name in ("api_key", "oauth_id", "api_id", "org_id"):
        if len(getattr(record, name).encode()) > 512:
            return "malformed", f"{name} over 512 bytes"
    return "counted", ""


def plain_hits(records: Iterable[Record], rules: Rules = Rules()) -> list[Hit]:  # noqa: B008 - frozen
    """The hits of the records that count: one of everyone each, and one of each consumer that a record has."""
    hits = []
    for record in records:
        if plain_outcome(record, rules)[0] == "counted":
            hits.append(_hit(record, EVERYONE, ""))
            for kind, consumer_id in ((Kind.KEY, record.api_key), (Kind.OAUTH, record.oauth_id)):
                if consumer_id:
                    hits.append(_hit(record, kind, consumer_id))
    return hits


def _hit(record: Record, kind: str, consumer_id: str) -> Hit:
    at_us = plain_instant_us(record.timestamp)
    assert at_us is not None
    return Hit(
        record.org_id,
        kind,
        consumer_id,
        record.api_id,
        _short_path(record.path),
        at_us,
        record.response_code,
        record.request_time,
        None if record.latency is None else record.latency.total,
        None if record.latency is None else record.latency.upstream,
        _whole_characters(record.alias, 256),
        _whole_characters(record.api_name, 256),
    )


def _short_path(path: str) -> str:
    if len(path.encode()) <= 2048:
        return path
    return _whole_characters(path, 2048) + "~" + sha256(path.encode()).hexdigest()[:16]


def _whole_characters(text: str, limit_bytes: int) -> str:
    while len(text.encode()) > limit_bytes:
        text = text[:-1]
    return text


def plain_counts(records: Iterable[Record], rules: Rules = Rules()) -> Counts:  # noqa: B008 - frozen
    """What becomes of the records, by reason."""
    outcomes = Counter(plain_outcome(record, rules) for record in records)
    return Counts(
        read=outcomes.total(),
        counted=outcomes["counted", ""],
        skipped={reason: count for (what, reason), count in outcomes.items() if what == "skipped"},
        malformed={reason: count for (what, reason), count in outcomes.items() if what == "malformed"},
    )


def plain_bin(latency_ms: int) -> int:
    """The least ``n >= 1`` with ``latency_ms <= 2**((n - 1) / 32)``, in whole numbers; 0 of 0."""
    return (latency_ms**32 - 1).bit_length() + 1 if latency_ms else 0


def plain_state(hits: list[Hit]) -> EndpointStats:
    """The state of some hits (at least one), each field from its definition."""
    timed = [hit for hit in hits if hit.latency_ms is not None]
    latencies = [hit.latency_ms for hit in timed if hit.latency_ms is not None]
    upstreams = [hit.upstream_latency_ms for hit in timed if hit.upstream_latency_ms is not None]
    good = [hit.latency_ms for hit in timed if hit.latency_ms is not None and hit.code < 400]
    good_upstream = [
        hit.upstream_latency_ms for hit in timed if hit.upstream_latency_ms is not None and hit.code < 400
    ]
    return EndpointStats(
        hits=len(hits),
        success=sum(200 <= hit.code <= 299 for hit in hits),
        error=sum(hit.code >= 400 for hit in hits),
        timed_hits=len(timed),
        total_request_time_ms=sum(hit.request_time_ms for hit in hits),
        total_latency_ms=sum(latencies),
        total_upstream_latency_ms=sum(upstreams),
        max_latency_ms=max(latencies, default=None),
        max_upstream_latency_ms=max(upstreams, default=None),
        min_latency_all_ms=min(latencies, default=None),
        min_upstream_latency_all_ms=min(upstreams, default=None),
        min_latency_non_error_ms=min(good, default=None),
        min_upstream_latency_non_error_ms=min(good_upstream, default=None),
        first_hit_us=min(hit.at_us for hit in hits),
        last_hit_us=max(hit.at_us for hit in hits),
        codes=dict(Counter(hit.code for hit in hits)),
        histogram=dict(Counter(map(plain_bin, latencies))),
    )


def plain_answer(hits: Iterable[Hit], selection: Selection) -> dict[Group, EndpointStats]:
    """What a store that was given these hits has to answer."""
    hits = [hit for hit in hits if selection.org_id in (None, hit.org_id)]
    grouped: dict[tuple[Consumer | None, Endpoint | None, Bucket | None], list[Hit]] = defaultdict(list)
    by = selection.group_by
    for hit in wanted_hits(hits, selection):
        for span in selection.spans:
            bucket = hit.bucket(span.width)
            if span.first <= bucket.number < span.end:
                consumer = Consumer(Kind(hit.kind), hit.consumer_id) if Dimension.CONSUMER in by else None
                endpoint = Endpoint(hit.api_id, hit.path) if Dimension.ENDPOINT in by else None
                grouped[consumer, endpoint, bucket if Dimension.BUCKET in by else None].append(hit)
    aliases: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    names: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for hit in hits:
        if hit.alias:
            aliases[hit.kind, hit.consumer_id].append((hit.at_us, hit.alias))
        if hit.api_name:
            names[hit.api_id].append((hit.at_us, hit.api_name))
    answer = {}
    for (consumer, endpoint, kept_bucket), own in grouped.items():
        alias = _newest(aliases.get((consumer.kind, consumer.id))) if consumer else ""
        api_name = _newest(names.get(endpoint.api_id)) if endpoint else ""
        state = plain_state(own)
        if not selection.distributions:
            state.codes, state.histogram = {}, {}
        answer[Group(consumer, endpoint, kept_bucket, alias, api_name)] = state
    return answer


def _newest(seen: list[tuple[int, str]] | None) -> str:
    return max(seen)[1] if seen else ""


def wanted_hits(hits: Iterable[Hit], selection: Selection) -> list[Hit]:
    """The hits that a selection asks for, whenever they were."""
    asks_consumers = (
        Dimension.CONSUMER in selection.group_by or selection.kind is not None or selection.consumer_id is not None
    )
    return [
        hit
        for hit in hits
        if (hit.kind != EVERYONE) == asks_consumers
        and selection.org_id in (None, hit.org_id)
        and selection.kind in (None, hit.kind)
        and selection.consumer_id in (None, hit.consumer_id)
        and selection.api_id in (None, hit.api_id)
        and selection.path in (None, hit.path)
    ]
