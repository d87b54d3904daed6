"""Day rows, names and counts as documents; ids, paths and names are values, never names of fields.

A row's plain members are fields, so that ``$inc``, ``$max`` and ``$min`` merge them. A packed value is an array of
pieces: ``$push`` appends to it without reading, and the pieces one behind the other are the packed value.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from bson.int64 import Int64
from pymongo import UpdateOne

from tyk_endpoint_stats.core.batch import Batch, ConsumerKey, Counts, EndpointKey
from tyk_endpoint_stats.core.day_row import DayRow, plain_of
from tyk_endpoint_stats.core.fields import FIELDS, MAXIMA, MINIMA, NAMES, SUMS, Field, Merge
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.rules import MAX_SUM, kind_of, without_pruned

__all__ = [
    "KEY_FIELDS",
    "PACKED",
    "Document",
    "counts_of",
    "endpoint_of",
    "fields_of_counts",
    "growth_of",
    "growth_update",
    "integer",
    "joined",
    "key_of",
    "largest_sum",
    "name_upsert",
    "names_of",
    "plain_in",
    "row_of",
    "rows_of",
    "update_of",
]

Document: TypeAlias = dict[str, Any]

KEY_FIELDS = ("of", "day", "org_id", "kind", "consumer", "api_id", "path")
"""The fields of a row's ``_id``: which of the four kinds of rows, the day, whose, and of which endpoint. A total of
every endpoint ends at the consumer. Their order is part of it: the time in front, so that writing appends."""

PACKED = ("distribution", "quarter_hours")


def key_of(day: int, consumer: ConsumerKey, endpoint: EndpointKey | None) -> Document:
    """A row's ``_id``."""
    of = kind_of(consumer, of_every_endpoint=endpoint is None)
    org_id, kind, consumer_id = consumer
    return dict(zip(KEY_FIELDS, (of.value, day, org_id, str(kind), consumer_id, *(endpoint or ())), strict=False))


def endpoint_of(key: Document) -> EndpointKey | None:
    """The endpoint in a row's ``_id``; ``None``: every endpoint."""
    return (key["api_id"], key["path"]) if "path" in key else None


def rows_of(batch: Batch, pruned_before_day: int | None) -> list[Document]:
    """A batch's rows and totals in the order of their keys; quarter hours of pruned days are left out.

    Raises:
        StoreError: a sum that BSON can't hold.
    """
    endpoints = (None, *batch.endpoints)
    documents = []
    for row in without_pruned((*batch.rows, *batch.totals), pruned_before_day):
        document: Document = {"_id": key_of(row.day, batch.consumers[row.consumer], endpoints[row.endpoint])}
        # A field that is not there is a minimum over no hit; null would be the least of all.
        document |= {name: value for name, value in zip(NAMES, plain_of(row), strict=True) if value is not None}
        if largest_sum(document) > MAX_SUM:
            # Without the consumer: where keys are not hashed, its id is a secret.
            raise StoreError(f"a sum of {endpoint_of(document['_id'])!r} passes 63 bits; the batch was not merged")
        document |= {name: [value] if (value := getattr(row, name)) else [] for name in PACKED}
        documents.append(document)
    return sorted(documents, key=lambda document: tuple(document["_id"].values()))


def largest_sum(row: Mapping[str, int]) -> int:
    """The largest of a row's sums."""
    return max(row[name] for name in SUMS)


def update_of(row: Document) -> Document:
    """The update that merges a row's document into the one that is stored, or makes it."""
    return {
        "$inc": {name: row[name] for name in SUMS},
        "$max": {name: row[name] for name in MAXIMA if name in row},
        "$min": {name: row[name] for name in MINIMA if name in row},
        "$push": {name: {"$each": row[name]} for name in PACKED},
    }


def row_of(document: Document, consumer: int = 0, endpoint: int = 0) -> DayRow:
    """The row in a document. What was not asked for of its packed values is empty.

    Args:
        document: of a row.
        consumer: the number that it gets.
        endpoint: likewise.
    """
    packed = (joined(document.get(name, ())) for name in PACKED)
    return DayRow._make((integer(document["_id"]["day"]), consumer, endpoint, *plain_in(document), *packed))


def plain_in(document: Document) -> list[int | None]:
    """The plain members of a row or of a group of rows, in the order of ``core/fields.py``.

    A row that is older than a sum has none of it.
    """
    return [_plain(field, document.get(field.name)) for field in FIELDS]


def _plain(field: Field, value: Any) -> int | None:
    if value is None:
        return 0 if field.merge is Merge.SUM else None
    return integer(value)


def joined(pieces: Any) -> bytes:
    """The packed value that an array holds the pieces of.

    Raises:
        StoreError: it is no such array.
    """
    try:
        return b"".join(pieces)
    except TypeError as problem:
        raise StoreError("a packed value of a row is no array of binary values; run verify") from problem


def integer(value: Any) -> int:
    """An integer as MongoDB gave it.

    Raises:
        StoreError: it is none: a sum beyond 63 bits turns into a float without a word.
    """
    if type(value) is not int and type(value) is not Int64:
        raise StoreError(f"a sum passes what MongoDB adds up exactly (63 bits): {value!r}; ask for a shorter range")
    return int(value)


def names_of(batch: Batch) -> Iterator[Document]:
    """The names a batch has seen: the ``_id`` of each, and when it was ``seen`` with what.

    The pair is one array, because arrays compare member by member: ``$max`` keeps the newest name, and of two
    that were seen at once the greater text.
    """
    for (org_id, api_id), seen in batch.api_names.items():
        yield {"_id": {"of": "api", "id": api_id, "kind": "", "org_id": org_id}, "seen": list(seen)}
    for (org_id, kind, consumer), seen in batch.aliases.items():
        key = {"of": "consumer", "id": consumer, "kind": str(kind), "org_id": org_id}
        yield {"_id": key, "seen": list(seen)}


def name_upsert(name: Document) -> UpdateOne:
    """The write that keeps the newest of a name; doing it again changes nothing."""
    return UpdateOne({"_id": {"$eq": name["_id"]}}, {"$max": {"seen": name["seen"]}}, upsert=True)


def growth_of(batch: Batch) -> list[Document]:
    """By how much a batch makes days grow: a document a day."""
    return [{"_id": day, "hits": hits, "last_us": last_us} for day, (hits, last_us) in batch.growth.items()]


def growth_update(day: Document) -> Document:
    """The update that adds a day's growth to what is stored, or makes it."""
    return {"$inc": {"hits": day["hits"]}, "$max": {"last_us": day["last_us"]}}


def fields_of_counts(counts: Counts) -> Document:
    """The counts of a source as fields of its document. Reasons may be any text, so they are values."""
    return {
        "read": counts.read,
        "counted": counts.counted,
        "repaired": counts.repaired,
        "skipped": [{"reason": reason, "count": count} for reason, count in counts.skipped.items()],
        "malformed": [{"reason": reason, "count": count} for reason, count in counts.malformed.items()],
    }


def counts_of(source: Document) -> Counts:
    """The counts in a source's document."""
    return Counts(
        integer(source["read"]),
        integer(source["counted"]),
        integer(source["repaired"]),
        {entry["reason"]: integer(entry["count"]) for entry in source["skipped"]},
        {entry["reason"]: integer(entry["count"]) for entry in source["malformed"]},
    )
