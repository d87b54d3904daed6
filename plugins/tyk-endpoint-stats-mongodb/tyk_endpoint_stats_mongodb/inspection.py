"""What the collections say of themselves: their size, their documents, and damage below the answers.

Nothing here needs a snapshot, and none is taken, since one ends after minutes: lanes only grow, so whatever is
compared with them is read before them. Quarter hours older than what was pruned are no damage: a writer that prunes
and one that merges may leave some, they are in no answer, and the next pruning takes them.
"""

from collections.abc import Iterator
from typing import Any

from bson.int64 import Int64
from pymongo.errors import OperationFailure

from tyk_endpoint_stats.core.batch import EVERYONE, Kind
from tyk_endpoint_stats.core.fields import FIELDS, SUMS
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.contract import StoreFacts
from tyk_endpoint_stats_mongodb.documents import KEY_FIELDS, PACKED, Document
from tyk_endpoint_stats_mongodb.lanes import DONE, INTENT
from tyk_endpoint_stats_mongodb.layout import LANES, Documents, Layout, keys_between
from tyk_endpoint_stats_mongodb.sources import progress_of

__all__ = ["damage", "facts"]

_UNAUTHORIZED = 13
_ANY = 2**62
_INTEGERS = ["int", "long"]
_INTEGER_TYPES = {int, Int64}


def facts(layout: Layout) -> StoreFacts:
    """Its size with indexes, its schema, its documents."""
    schema = layout.meta.find_one({"_id": "schema"}) or {}
    before_day = layout.pruned_before_day()
    rows = {of: layout.day_rows.count_documents({"_id": keys_between(of, -_ANY, _ANY)}) for of in RowKind}
    return StoreFacts(
        schema=str(schema.get("version")),
        size_bytes=sum(map(_size, layout.collections())),
        consumers=_distinct(layout.day_rows, RowKind.CONSUMER, "org_id", "kind", "consumer"),
        endpoints=_distinct(layout.day_rows, RowKind.ENDPOINT, "api_id", "path"),
        day_rows=rows.pop(RowKind.ENDPOINT_OF_CONSUMER),
        total_rows=sum(rows.values()),
        pruned_before=None if before_day is None else before_day * DAY_US,
    )


def _size(collection: Documents) -> int:
    stats = collection.aggregate([{"$collStats": {"storageStats": {}}}])  # one for each shard
    return sum(int(shard["storageStats"]["totalSize"]) for shard in stats)


def _distinct(rows: Documents, of: RowKind, *names: str) -> int:
    of_kind: Document = {"$match": {"_id": keys_between(of, -_ANY, _ANY)}}
    by: Document = {"$group": {"_id": {name: f"$_id.{name}" for name in names}}}
    found = list(rows.aggregate([of_kind, by, {"$count": "count"}], allowDiskUse=True))
    return int(found[0]["count"]) if found else 0


def damage(layout: Layout) -> list[str]:
    """What is wrong with collections, documents and lanes."""
    found = [text for collection in layout.collections() for text in _invalid(collection)]
    for collection, indexes in layout.indexes():
        there = collection.index_information()
        names = [index.document["name"] for index in indexes]
        found += [f"index {collection.name}.{name} does not exist" for name in names if name not in there]
    if found:
        return found  # what else is asked by way of them may be wrong
    counted = _counted(layout.day_rows, _ROWS)
    found += _texts(counted, _ROWS)
    found += _texts(_counted(layout.names, _NAMES), _NAMES)
    found += _sources(layout.sources)
    found += _lanes(layout, counted)
    return found


def _invalid(collection: Documents) -> Iterator[str]:
    """What the server finds in a collection's files; nothing where this user may not ask (``dbAdmin`` may)."""
    try:
        answer = collection.database.command("validate", collection.name, background=True)
    except OperationFailure as problem:
        if problem.code != _UNAUTHORIZED:
            raise
        return
    shards = answer.get("raw", {collection.name: answer}).values()
    for shard in shards:
        if not shard["valid"]:
            yield f"collection {collection.name} is damaged: {'; '.join(map(str, shard['errors'])) or 'not valid'}"


# --- documents that none of our writes makes, and that no answer would show or could be made from


def _fields_of(value: str) -> Document:
    fields: Document = {"$map": {"input": {"$objectToArray": value}, "as": "field", "in": "$$field.k"}}
    return {"$cond": [{"$eq": [{"$type": value}, "object"]}, fields, []]}


def _is_no_integer(value: str, *allowed: str) -> Document:
    return {"$not": {"$in": [{"$type": value}, [*_INTEGERS, *allowed]]}}


def _are_no_pieces(value: str) -> Document:
    types: Document = {"$map": {"input": value, "as": "piece", "in": {"$type": "$$piece"}}}
    return {"$cond": [{"$isArray": value}, {"$not": {"$setIsSubset": [types, ["binData"]]}}, True]}


_ENDPOINTLESS = [RowKind.CONSUMER.value, RowKind.EVERYTHING.value]
_OF_EVERYONE = [RowKind.ENDPOINT.value, RowKind.EVERYTHING.value]
_KEY_OF: Document = {
    "$cond": [{"$in": ["$_id.of", _ENDPOINTLESS]}, list(KEY_FIELDS[: KEY_FIELDS.index("api_id")]), list(KEY_FIELDS)]
}
_ROWS: dict[str, tuple[Document, str]] = {
    "keys": (
        {
            "$or": [
                {"$not": {"$in": ["$_id.of", [of.value for of in RowKind]]}},
                {"$ne": [_fields_of("$_id"), _KEY_OF]},
                _is_no_integer("$_id.day"),
            ]
        },
        "{:,} documents of day_rows have not the key of a row",
    ),
    "kinds": (
        {
            "$cond": [
                {"$in": ["$_id.of", _OF_EVERYONE]},
                {"$ne": [["$_id.kind", "$_id.consumer"], [EVERYONE, ""]]},
                {"$not": {"$in": ["$_id.kind", [kind.value for kind in Kind]]}},
            ]
        },
        "{:,} documents of day_rows are of consumers of no kind",
    ),
    "numbers": (
        {"$or": [_is_no_integer(f"${field.name}", *(["missing"] * field.optional)) for field in FIELDS]},
        "{:,} documents of day_rows lack a number, or have one that is no whole number of 63 bits",
    ),
    **{
        name: (_are_no_pieces(f"${name}"), f"{{:,}} documents of day_rows have no pieces in {name}")
        for name in PACKED
    },
}
_NAMES: dict[str, tuple[Document, str]] = {
    "keys": (
        {
            "$or": [
                {"$ne": [_fields_of("$_id"), ["of", "id", "kind", "org_id"]]},
                {"$not": {"$in": ["$_id.of", ["api", "consumer"]]}},
            ]
        },
        "{:,} documents of names have not the key of a name",
    ),
    "seen": (
        {
            "$not": {
                "$and": [
                    {"$isArray": "$seen"},
                    {"$in": [{"$type": {"$arrayElemAt": [{"$ifNull": ["$seen", []]}, 0]}}, _INTEGERS]},
                    {"$eq": [{"$type": {"$arrayElemAt": [{"$ifNull": ["$seen", []]}, 1]}}, "string"]},
                ]
            }
        },
        "{:,} documents of names have no name, or not when it was seen",
    ),
}


def _counted(collection: Documents, checks: dict[str, tuple[Document, str]]) -> Document:
    """How many documents are damaged in each way, in one pass; of rows also the largest sum and marks."""
    group: Document = {name: {"$sum": {"$cond": [is_damaged, 1, 0]}} for name, (is_damaged, _) in checks.items()}
    group["most"] = {"$max": {"$max": [f"${name}" for name in SUMS]}}
    group |= {f"mark_{lane}": {"$max": f"$ap.{lane}"} for lane in range(LANES)}
    found = list(collection.aggregate([{"$group": {"_id": None, **group}}]))
    return found[0] if found else {}


def _texts(counted: Document, checks: dict[str, tuple[Document, str]]) -> Iterator[str]:
    for name, (_, text) in checks.items():
        if counted.get(name):
            yield text.format(counted[name])


def _sources(sources: Documents) -> Iterator[str]:
    wrong = 0
    for source in sources.find():
        try:
            progress_of(source)
        except (StoreError, KeyError, TypeError):
            wrong += 1
    if wrong:
        yield f"{wrong:,} documents of sources have no counts"


def _lanes(layout: Layout, rows: Document) -> Iterator[str]:
    """Lanes that are behind what was merged or written down by way of them."""
    in_journal: dict[Any, int] = {
        found["_id"]: found["seq"]
        for found in layout.journal.aggregate([{"$group": {"_id": "$_id.lane", "seq": {"$max": "$_id.seq"}}}])
    }
    lanes = {lane["_id"]: lane for lane in layout.lanes.find()}
    for number in sorted(set(range(LANES)) - lanes.keys()):
        yield f"lane {number} does not exist"
    for number, lane in lanes.items():
        if (
            lane.get("state") not in (DONE, INTENT)
            or {type(lane.get("seq")), type(lane.get("most"))} - _INTEGER_TYPES
        ):
            yield f"lane {number} is in no state that it can be in"
            continue
        if in_journal.pop(number, 0) > lane["seq"] + 1:
            yield f"the journal has a batch that lane {number} has not come to"
        if (rows.get(f"mark_{number}") or 0) > lane["seq"]:
            yield f"a row has the mark of a batch that lane {number} has not come to"
    if in_journal:
        yield f"the journal has batches of lanes that do not exist: {sorted(map(repr, in_journal))}"
    most = sum(lane["most"] for lane in lanes.values() if type(lane.get("most")) in _INTEGER_TYPES)
    if isinstance(found := rows.get("most"), int) and found > most:
        yield f"a sum is {found:,}, by the lanes none is over {most:,}"
