"""One question as one aggregation: plain sums are made in the server, codes and histograms merged here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind, NameSeen
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Span, Width
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import Dimension, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import QuarterHoursPruned
from tyk_endpoint_stats.stores.contract import Outline
from tyk_endpoint_stats_mongodb.documents import MAXIMA, MINIMA, SUMS, Document, stats_of
from tyk_endpoint_stats_mongodb.layout import Layout

__all__ = ["answer", "keys_between", "outline", "pipeline_of"]

_KEYS = {
    Dimension.CONSUMER: ("kind", "consumer"),
    Dimension.ENDPOINT: ("api_id", "path"),
    Dimension.BUCKET: ("width", "bucket"),
}
_AGGREGATES: Document = {
    **{name: {"$sum": f"${name}"} for name in SUMS},
    **{name: {"$max": f"${name}"} for name in MAXIMA},
    **{name: {"$min": f"${name}"} for name in MINIMA},
}
_NAMES_AT_ONCE = 1000


def keys_between(width: Width, first: int, end: int) -> Document:
    """A condition for ``_id``: the states of these buckets. ``_id`` begins with the time, so it is one range."""
    return {"$gte": {"width": width.value, "bucket": first}, "$lt": {"width": width.value, "bucket": end}}


def pipeline_of(selection: Selection) -> list[Document]:
    """The aggregation of a selection with at least one span.

    Sums, maxima and minima are grouped in the server. Where codes and histograms are wanted, the states come as
    they are and are merged here: gathered in the server they may pass the 16 MB of a document, at which a server
    of MongoDB 6.0 does not answer at all, and unwound they take as long.
    """
    keys = [name for dimension in Dimension if dimension in selection.group_by for name in _KEYS[dimension]]
    matching: Document = {"$match": _match(selection)}
    if selection.distributions:
        return [matching, {"$project": {"ap": 0}}]
    grouping: Document = {"$group": {"_id": {name: f"$_id.{name}" for name in keys}, **_AGGREGATES}}
    # One group more than are wanted is enough to know that there are too many.
    return [matching, grouping, *([] if selection.max_groups is None else [{"$limit": selection.max_groups + 1}])]


def _match(selection: Selection) -> Document:
    # Values are wrapped, so that none is ever taken for an operator.
    given = {
        "_id.consumer": selection.consumer_id,
        "_id.kind": selection.kind and selection.kind.value,
        "_id.api_id": selection.api_id,
        "_id.path": selection.path,
        "_id.org_id": selection.org_id,
    }
    filters: Document = {name: {"$eq": value} for name, value in given.items() if value is not None}
    if selection.consumer_id is not None and selection.kind is None:
        filters["_id.kind"] = {"$in": [kind.value for kind in Kind]}  # so that the index can seek by time
    by_index = selection.consumer_id is not None or selection.api_id is not None
    # The spans are the outermost $or, each with all conditions: then each is a seek of its own.
    branches = [{**filters, **_within(span, by_index)} for span in selection.spans]
    return branches[0] if len(branches) == 1 else {"$or": branches}


def _within(span: Span, by_index: bool) -> Document:
    if by_index:
        return {"_id.width": {"$eq": span.width.value}, "_id.bucket": {"$gte": span.first, "$lt": span.end}}
    return {"_id": keys_between(*span)}


def answer(layout: Layout, selection: Selection, session: Any) -> Sequence[tuple[Group, EndpointStats]]:
    """The groups and states of a selection.

    Args:
        layout: the store.
        selection: what is asked.
        session: in which all of it is read; ``None`` where there are no snapshots.

    Raises:
        QuarterHoursPruned: a span needs quarters of a day that has states but whose quarters were pruned.
        AnswerTooLarge: there are more groups than are wanted.
    """
    if not selection.spans:
        return []
    by = selection.group_by
    merged: dict[tuple[Any, ...], EndpointStats] = {}
    with layout.states.aggregate(pipeline_of(selection), allowDiskUse=True, session=session) as states:
        for state in states:
            key = tuple(state["_id"].get(name) for dimension in by for name in _KEYS[dimension])
            stats = stats_of(state)
            if key in merged:
                merged[key].merge(stats)
            else:
                merged[key] = stats
            selection.check_groups(len(merged))
    # After the states: pruning says so before it begins, so that without a snapshot, too, nothing is missed.
    _refuse_pruned(layout, selection.spans, session)
    answered = []
    for key, stats in merged.items():
        values = dict(zip((name for dimension in by for name in _KEYS[dimension]), key, strict=True))
        consumer = Consumer(Kind(values["kind"]), values["consumer"]) if Dimension.CONSUMER in by else None
        endpoint = Endpoint(values["api_id"], values["path"]) if Dimension.ENDPOINT in by else None
        bucket = Bucket(Width(values["width"]), int(values["bucket"])) if Dimension.BUCKET in by else None
        answered.append((consumer, endpoint, bucket, stats))
    aliases = _newest(layout, "consumer", (one.id for one, *_ in answered if one), selection.org_id, session)
    api_names = _newest(layout, "api", (one.api_id for _, one, *_ in answered if one), selection.org_id, session)
    return [
        (
            Group(
                consumer,
                endpoint,
                bucket,
                aliases.get((consumer.kind.value, consumer.id), _UNSEEN)[1] if consumer else "",
                api_names.get(("", endpoint.api_id), _UNSEEN)[1] if endpoint else "",
            ),
            stats,
        )
        for consumer, endpoint, bucket, stats in answered
    ]


def outline(layout: Layout, session: Any) -> Outline:
    """What a copy needs to know beyond answers."""
    api_names: dict[tuple[str, str], NameSeen] = {}
    aliases: dict[tuple[str, str, str], NameSeen] = {}
    for found in layout.names.find(session=session):
        key, (seen_us, name) = found["_id"], found["seen"]
        if key["of"] == "api":
            api_names[key["org_id"], key["id"]] = (int(seen_us), name)
        else:
            aliases[key["org_id"], key["kind"], key["id"]] = (int(seen_us), name)
    organisations = layout.states.aggregate([{"$group": {"_id": "$_id.org_id"}}], session=session)
    before = layout.pruned_before_day(session)
    return Outline(
        sorted(found["_id"] for found in organisations),
        api_names,
        aliases,
        None if before is None else before * DAY_US,
    )


_UNSEEN: NameSeen = (0, "")


def _refuse_pruned(layout: Layout, spans: Iterable[Span], session: Any) -> None:
    spans = [span for span in spans if span.width is Width.QUARTER_HOUR]
    before = layout.pruned_before_day(session) if spans else None
    if before is None:
        return
    for span in spans:
        first, end = span.first // QUARTER_HOURS_PER_DAY, min(-(-span.end // QUARTER_HOURS_PER_DAY), before)
        if layout.states.find_one({"_id": keys_between(Width.DAY, first, end)}, {"_id": 1}, session=session):
            raise QuarterHoursPruned(
                "the range has an edge inside a UTC day whose quarter hours were pruned; "
                "ask for whole UTC days of that time"
            )


def _newest(
    layout: Layout, of: str, ids: Iterable[str], org_id: str | None, session: Any
) -> dict[tuple[str, str], NameSeen]:
    """The newest name of each of these, by kind and id."""
    newest: dict[tuple[str, str], NameSeen] = {}
    for some in _chunks(sorted(set(ids))):
        condition: Document = {"_id.of": {"$eq": of}, "_id.id": {"$in": some}}
        if org_id is not None:
            condition["_id.org_id"] = {"$eq": org_id}
        for found in layout.names.find(condition, session=session):
            key, (seen_us, name) = found["_id"], found["seen"]
            place, seen = (key["kind"], key["id"]), (int(seen_us), name)
            newest[place] = max(seen, newest.get(place, seen))
    return newest


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), _NAMES_AT_ONCE):
        yield ids[first : first + _NAMES_AT_ONCE]
