"""What to say where nothing was found: one sentence on what there is instead."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from shlex import quote
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.core.batch import Consumer, Kind

if TYPE_CHECKING:
    from tyk_endpoint_stats.core.stats import EndpointStats
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.period import Period
    from tyk_endpoint_stats.stores.base import ReadableStore

__all__ = ["hint", "nearest_consumers", "option_for", "period_text"]

_NEAREST = 3
_MAX_COMPARED = 5_000
_LIKE = 0.6
_MADE_BY_THE_GATEWAY = re.compile("[0-9a-f]{24}([0-9a-f]{32}|[0-9a-f-]{36})")
"""An organisation's id and a UUID: a key itself, where hashes have 8, 16, 32 or 64 digits."""


def hint(store: "ReadableStore", period: "Period", where: "Filter") -> str:
    """Why there may be no hits in a period, and what to try; one sentence.

    Args:
        store: what was asked.
        period: when.
        where: which hits were asked for.

    Raises:
        StoreError: the store can't answer.
    """
    if period.start >= period.end:
        return "The period is empty: it ends before it begins."
    if seen := _seen(store, where):
        first, last = _moment(seen.first_hit_us, period), _moment(seen.last_hit_us, period)
        return f"Seen from {first} to {last}: ask for that time."
    if not _seen(store, replace(where, consumer=None, kind=None, api_id=None, path=None, org_id=None)):
        return "The store has no hits at all yet: tyk-endpoint-stats ingest FILE brings some."
    if where.org_id is not None and _seen(store, replace(where, org_id=None)):
        return "Seen in another organisation than --org-id names."
    if where.api_id is not None and _seen(store, replace(where, api_id=None)):
        return "Seen in another API than --api-id names: leave that out."
    if where.consumer is not None:
        return _consumer_hint(store, where, where.consumer)
    if where.path is not None:
        near = _nearest_paths(store, where)
        return _did_you_mean(f"--path {quote(printable(path, keep_newlines=False))}" for path in near) or (
            "No path that was called is like it: tyk-endpoint-stats endpoints shows those of a consumer."
        )
    return "Nothing was seen of what was asked for."


def _consumer_hint(store: "ReadableStore", where: "Filter", consumer: Consumer) -> str:
    from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, hash_token, members_of

    is_key = consumer.kind is Kind.KEY
    other = Consumer(Kind.OAUTH if is_key else Kind.KEY, consumer.id)
    if _seen(store, replace(where, consumer=other)):
        return f"It is {'an OAuth client' if is_key else 'a key'} here: {option_for(other)}"
    if is_key and any(
        _seen(store, replace(where, consumer=Consumer.key(hash_token(consumer.id, each)))) for each in ALGORITHMS
    ):
        return "It is the key itself, which is recorded by its hash: add --raw-key."
    if is_key and (_MADE_BY_THE_GATEWAY.fullmatch(consumer.id) or members_of(consumer.id)):
        return "It looks like a key itself; records have its hash (--raw-key), which was not seen either."
    near = nearest_consumers(store, consumer.id, where.org_id)
    return _did_you_mean(near) or "It was never seen: tyk-endpoint-stats consumers lists those that were."


def nearest_consumers(store: "ReadableStore", text: str, org_id: str | None) -> list[str]:
    """The options that name the three consumers whose id or alias is most like a text; those that begin with it first.

    Raises:
        StoreError: the store can't answer.
    """
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.filters import Filter
    from tyk_endpoint_stats.questions.group_rows import ConsumerRow
    from tyk_endpoint_stats.questions.period import EVER, Period

    rows = answer(
        store, ConsumerRow, Period(*EVER), Filter(org_id=org_id), limit=_MAX_COMPARED, distributions=False
    )
    likeness = [(max(_likeness(text, row.id), _likeness(text, row.alias)), row) for row in rows]
    best = sorted(likeness, key=lambda item: -item[0])[:_NEAREST]
    return [
        option_for(Consumer(row.kind, row.id))
        + (f" ({printable(row.alias, keep_newlines=False)})" if row.alias else "")
        for like, row in best
        if like > _LIKE
    ]


def option_for(consumer: Consumer) -> str:
    """How a consumer is asked for."""
    option = "--key" if consumer.kind is Kind.KEY else "--oauth-client"
    return f"{option} {quote(printable(consumer.id, keep_newlines=False))}"


def period_text(period: "Period") -> str:
    """``from 2026-10-02 to 2026-10-31 (UTC)``: both included, where these are days."""
    from tyk_endpoint_stats.questions.period import EVER

    zone = period.zone
    if period.start <= EVER[0]:
        return "since ever" if period.end >= EVER[1] else f"up to {period.last_day} ({zone})"
    if period.is_whole_days or period.start >= period.end:
        return f"from {period.first_day} to {period.last_day} ({zone})"
    return f"from {_moment(period.start, period)} to {_moment(period.end, period)} ({zone})"


def _nearest_paths(store: "ReadableStore", where: "Filter") -> list[str]:
    from tyk_endpoint_stats.questions.answer import answer
    from tyk_endpoint_stats.questions.group_rows import EndpointRow
    from tyk_endpoint_stats.questions.period import EVER, Period

    wanted = where.path or ""
    rows = answer(
        store, EndpointRow, Period(*EVER), replace(where, path=None), limit=_MAX_COMPARED, distributions=False
    )
    best = sorted({row.path for row in rows}, key=lambda path: (-_likeness(wanted, path), path))[:_NEAREST]
    return [path for path in best if _likeness(wanted, path) > _LIKE]


def _likeness(text: str, name: str) -> float:
    text, name = text.casefold(), name.casefold()
    return SequenceMatcher(None, text, name).ratio() + (1 if text and name.startswith(text) else 0)


def _did_you_mean(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"Never seen; the nearest: {listed}" if listed else ""


def _seen(store: "ReadableStore", where: "Filter") -> "EndpointStats | None":
    from tyk_endpoint_stats.questions.period import EVER, Period
    from tyk_endpoint_stats.questions.totals import totals

    stats = totals(store, Period(*EVER), where, distributions=False).stats
    return stats if stats.hits else None


def _moment(instant: int | None, period: "Period") -> str:
    return "?" if instant is None else f"{period.local(instant):%Y-%m-%d %H:%M}"
