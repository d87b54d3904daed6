"""Questions: the plain members of days are summed in the server, packed values are merged here."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tyk_endpoint_stats.core.batch import Batch, ConsumerKey, EndpointKey, NameSeen
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, DayRow, compacted_row
from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.packed import PackedError
from tyk_endpoint_stats.core.selection import Dimension, Group, RowKind, Selection, row_kind
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.busiest import answer_busiest
from tyk_endpoint_stats.stores.contract import Outline
from tyk_endpoint_stats.stores.rules import Answer, days_of, newest_names, refuse_pruned, states_of, without_pruned
from tyk_endpoint_stats_mongodb.documents import Document, endpoint_of, integer, plain_in, row_of
from tyk_endpoint_stats_mongodb.layout import Layout, keys_between

__all__ = ["answer", "day", "growth", "outline", "pipeline_of", "stored_days"]

_KEPT_BY = {
    Dimension.CONSUMER: ("kind", "consumer"),
    Dimension.ENDPOINT: ("api_id", "path"),
    Dimension.BUCKET: ("day",),
}
_SUMMED: Document = {field.name: {f"${field.merge.value}": f"${field.name}"} for field in FIELDS}
_NAMES_AT_ONCE = 1000


def answer(layout: Layout, selection: Selection, session: Any) -> Sequence[tuple[Group, EndpointStats]]:
    """The groups and states of a selection.

    Args:
        layout: the store.
        selection: what is asked.
        session: in which all of it is read; ``None`` where there are no snapshots.

    Raises:
        QuarterHoursPruned, AnswerTooLarge: as the contract says.
        StoreError: a row can't be read.
    """
    if selection.busiest is not None:
        return answer_busiest(selection, lambda one: answer(layout, one, session))
    groups = Answer(selection)
    for width in Width:
        spans = [span for span in selection.spans if span.width is width]
        if spans:
            pipeline = pipeline_of(selection, spans)
            with layout.day_rows.aggregate(pipeline, allowDiskUse=True, session=session) as documents:
                for consumer, endpoint, bucket, stats in _states_in(documents, selection, spans):
                    groups.add(consumer, endpoint, bucket, stats)
    # After the rows: pruning says so before it begins, so that without a snapshot, too, nothing is missed.
    refuse_pruned(
        selection.spans,
        layout.pruned_before_day(session),
        lambda first, end: _has_rows(layout, first, end, session),
    )
    found = groups.groups({}, {})
    aliases = _names(layout, "consumer", (one.consumer.id for one, _ in found if one.consumer), selection, session)
    apis = _names(layout, "api", (one.endpoint.api_id for one, _ in found if one.endpoint), selection, session)
    return groups.groups(
        newest_names(((key["kind"], key["id"]), seen) for key, seen in aliases),
        newest_names((key["id"], seen) for key, seen in apis),
    )


def pipeline_of(selection: Selection, spans: Sequence[Span]) -> list[Document]:
    """The aggregation of a selection for its spans of one width, of which there is at least one.

    The rows of whole days are grouped in the server, unless codes and histograms are wanted: gathered in the server
    they may pass the 16 MB of a document, at which a server of MongoDB 6.0 does not answer at all. So they come as
    they are, like the rows of which quarter hours are wanted.
    """
    of = row_kind(selection, spans[0].width)
    # The spans are the outermost $or, each with all conditions: then each is a seek of its own.
    branches = [_match(selection, of, *days_of(span)) for span in spans]
    matching: Document = {"$match": branches[0] if len(branches) == 1 else {"$or": branches}}
    if not _is_grouped(selection, spans[0].width):
        unwanted = "quarter_hours" if spans[0].width is Width.DAY else "distribution"
        return [matching, {"$project": {"ap": 0, unwanted: 0}}]
    kept = [name for dimension in Dimension if dimension in selection.group_by for name in _KEPT_BY[dimension]]
    grouping: Document = {"$group": {"_id": {name: f"$_id.{name}" for name in kept}, **_SUMMED}}
    # One group more than are wanted is enough to know that there are too many.
    limit = [] if selection.max_groups is None else [{"$limit": selection.max_groups + 1}]
    return [matching, grouping, *limit]


def _is_grouped(selection: Selection, width: Width) -> bool:
    return width is Width.DAY and not selection.distributions


def _match(selection: Selection, of: RowKind, first: int, end: int) -> Document:
    # Values are wrapped, so that none is ever taken for an operator.
    given = {
        "_id.consumer": selection.consumer_id,
        "_id.kind": selection.kind and selection.kind.value,
        "_id.api_id": selection.api_id,
        "_id.path": selection.path,
        "_id.org_id": selection.org_id,
    }
    filters: Document = {name: {"$eq": value} for name, value in given.items() if value is not None}
    if selection.consumer_id is None and selection.api_id is None:
        return {"_id": keys_between(of, first, end), **filters}
    # By an index: the kind of rows in front of the time, as it stands there.
    return {"_id.of": {"$eq": of.value}, "_id.day": {"$gte": first, "$lt": end}, **filters}


def _states_in(
    documents: Iterable[Document], selection: Selection, spans: Sequence[Span]
) -> Iterator[tuple[ConsumerKey, EndpointKey | None, Bucket, EndpointStats]]:
    for document in documents:
        key = document["_id"]
        consumer = ("", key.get("kind", ""), key.get("consumer", ""))
        endpoint = endpoint_of(key)
        if _is_grouped(selection, spans[0].width):
            bucket = Bucket(Width.DAY, key.get("day", 0))
            yield consumer, endpoint, bucket, EndpointStats(*plain_in(document))  # type: ignore[arg-type]
            continue
        row = row_of(document)
        for span in spans:
            first, end = days_of(span)
            if first <= row.day < end:
                for bucket, stats in states_of(row, span, selection.distributions):
                    yield consumer, endpoint, bucket, stats


def _has_rows(layout: Layout, first: int, end: int, session: Any) -> bool:
    return any(
        layout.day_rows.find_one({"_id": keys_between(of, first, end)}, {"_id": 1}, session=session)
        for of in (RowKind.EVERYTHING, RowKind.ENDPOINT_OF_CONSUMER)
    )


def _names(
    layout: Layout, of: str, ids: Iterable[str], selection: Selection, session: Any
) -> Iterator[tuple[Document, NameSeen]]:
    """The names of these, each with its key and when it was seen."""
    wanted = sorted(set(ids))
    for first in range(0, len(wanted), _NAMES_AT_ONCE):
        which: Document = {"_id.of": {"$eq": of}, "_id.id": {"$in": wanted[first : first + _NAMES_AT_ONCE]}}
        if selection.org_id is not None:
            which["_id.org_id"] = {"$eq": selection.org_id}
        for found in layout.names.find(which, session=session):
            seen_us, name = found["seen"]
            yield found["_id"], (int(seen_us), name)


def stored_days(layout: Layout, session: Any = None) -> list[int]:
    """The days that have a row."""
    found = layout.day_rows.aggregate([{"$group": {"_id": "$_id.day"}}], session=session)
    return sorted(int(one["_id"]) for one in found)


def outline(layout: Layout, session: Any) -> Outline:
    """What a copy needs to know beyond rows."""
    api_names: dict[tuple[str, str], NameSeen] = {}
    aliases: dict[ConsumerKey, NameSeen] = {}
    for found in layout.names.find(session=session):
        key, (seen_us, name) = found["_id"], found["seen"]
        if key["of"] == "api":
            api_names[key["org_id"], key["id"]] = (int(seen_us), name)
        else:
            aliases[key["org_id"], key["kind"], key["id"]] = (int(seen_us), name)
    before = layout.pruned_before_day(session)
    days = stored_days(layout, session)
    return Outline(days, api_names, aliases, None if before is None else before * DAY_US)


def day(layout: Layout, number: int, session: Any) -> Batch:
    """All rows and totals of a day, each packed value in one piece.

    Raises:
        StoreError: a row can't be read.
    """
    consumers: dict[ConsumerKey, int] = {}
    endpoints: dict[EndpointKey, int] = {}
    rows: list[DayRow] = []
    before = layout.pruned_before_day(session)
    which: Document = {"$or": [{"_id": keys_between(of, number, number + 1)} for of in RowKind]}
    for document in layout.day_rows.find(which, {"ap": 0}, session=session):
        key = document["_id"]
        consumer, endpoint = (key["org_id"], key["kind"], key["consumer"]), endpoint_of(key)
        place = EVERY_ENDPOINT if endpoint is None else endpoints.setdefault(endpoint, len(endpoints) + 1)
        row = row_of(document, consumers.setdefault(consumer, len(consumers)), place)
        try:
            rows.append(compacted_row(row))
        except PackedError as problem:
            raise StoreError(f"a row of day {number} is damaged: {problem}") from problem
    batch = Batch(list(consumers), list(endpoints))
    # A writer that prunes and one that merges may leave quarter hours that are in no answer.
    for row in without_pruned(rows, before):
        batch.add_row(row)
    return batch


def growth(layout: Layout, session: Any) -> dict[int, Grown]:
    """By how much days grew."""
    return {
        integer(one["_id"]): Grown(integer(one["hits"]), integer(one["last_us"]))
        for one in layout.growth.find(session=session)
    }
