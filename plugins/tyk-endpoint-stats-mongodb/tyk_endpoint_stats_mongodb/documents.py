"""States as documents: one document a state, so that none grows; ids, paths and names are values, never fields."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from bson.int64 import Int64
from msgspec.structs import astuple
from pymongo import UpdateOne

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.buckets import QUARTER_HOURS_PER_DAY, Bucket, Width
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import StoreError

__all__ = [
    "KEY_FIELDS",
    "MAXIMA",
    "MINIMA",
    "MOST",
    "SUMS",
    "Document",
    "counts_of",
    "documents_of",
    "fields_of_counts",
    "integer",
    "key_of",
    "largest_sum",
    "name_upsert",
    "names_of",
    "series_of",
    "stats_of",
    "update_of",
]

Document: TypeAlias = dict[str, Any]

MOST = 2**63 - 1
"""The largest integer that BSON has."""

SUMS = ("hits", "success", "error", "total_request_time_ms", "total_latency_ms", "total_upstream_latency_ms")
MAXIMA = ("max_latency_ms", "max_upstream_latency_ms", "last_hit_us")
MINIMA = (
    "min_latency_all_ms",
    "min_upstream_latency_all_ms",
    "min_latency_non_error_ms",
    "min_upstream_latency_non_error_ms",
    "first_hit_us",
)
KEY_FIELDS = ("width", "bucket", "org_id", "kind", "consumer", "api_id", "path")
"""The fields of a state's ``_id``. Their order is part of it: time first, so that writing appends."""

_FIELDS = EndpointStats.__struct_fields__
_PLAIN = _FIELDS[:-2]
_COUNTS = _FIELDS[-2:]


def key_of(bucket: Bucket, series: Series) -> Document:
    """A state's ``_id``."""
    org_id, kind, *rest = series
    return dict(zip(KEY_FIELDS, (bucket.width.value, bucket.number, org_id, str(kind), *rest), strict=True))


def series_of(key: Document) -> tuple[Bucket, Series]:
    """What ``key_of`` made a key of."""
    width, number, *series = key.values()
    org_id, kind, consumer, api_id, path = series
    return Bucket(Width(width), int(number)), (org_id, kind, consumer, api_id, path)


def documents_of(batch: Batch, pruned_before_day: int | None) -> Iterator[Document]:
    """A batch's states in the order of their keys; quarters of pruned days are left out.

    Raises:
        StoreError: a sum that BSON can't hold.
    """
    for bucket in sorted(batch.states, key=lambda bucket: (bucket.width.value, bucket.number)):
        if (
            pruned_before_day is not None
            and bucket.width is Width.QUARTER_HOUR
            and bucket.number < pruned_before_day * QUARTER_HOURS_PER_DAY
        ):
            continue
        for series, stats in sorted(batch.states[bucket].items()):
            document: Document = {"_id": key_of(bucket, series)}
            # A field that is not there is a minimum over no hit; null would be the least of all.
            document |= (
                (name, value) for name, value in zip(_FIELDS, astuple(stats), strict=True) if value is not None
            )
            for name in _COUNTS:
                document[name] = {str(key): count for key, count in document[name].items()}
            if largest_sum(document) > MOST:
                # Without the consumer: where keys are not hashed, its id is a secret.
                raise StoreError(f"a sum of {series[3:]!r} passes 63 bits; the batch was not merged")
            yield document


def largest_sum(state: Mapping[str, int]) -> int:
    """The largest of a state's sums."""
    return max(state[name] for name in SUMS)


def update_of(state: Document) -> Document:
    """The update that merges a state's document into the one that is stored, or makes it."""
    increments = {name: state[name] for name in SUMS}
    for name in _COUNTS:
        increments |= {f"{name}.{key}": count for key, count in state[name].items()}
    return {
        "$inc": increments,
        "$max": {name: state[name] for name in MAXIMA},
        "$min": {name: state[name] for name in MINIMA if name in state},
    }


def stats_of(state: Document) -> EndpointStats:
    """The state in a document; its codes and histogram are empty where they were not asked for."""
    plain = (None if (value := state.get(name)) is None else integer(value) for name in _PLAIN)
    counts = ({int(key): integer(count) for key, count in state.get(name, {}).items()} for name in _COUNTS)
    return EndpointStats(*plain, *counts)  # type: ignore[arg-type]


def integer(value: Any) -> int:
    """An integer as MongoDB gave it.

    Raises:
        StoreError: it is none: a sum beyond 63 bits turns into a float without a word.
    """
    if type(value) is not int and type(value) is not Int64:
        raise StoreError(f"a sum passes what MongoDB adds up exactly (63 bits): {value!r}; ask for a shorter range")
    return int(value)


def names_of(batch: Batch) -> Iterator[tuple[Document, list[Any]]]:
    """The names a batch has seen: the ``_id`` of each, and when it was seen with what.

    The pair is one array, because arrays compare field by field: ``$max`` keeps the newest name, and of two
    that were seen at once the greater text.
    """
    for (org_id, api_id), seen in batch.api_names.items():
        yield {"of": "api", "id": api_id, "kind": "", "org_id": org_id}, list(seen)
    for (org_id, kind, consumer), seen in batch.aliases.items():
        yield {"of": "consumer", "id": consumer, "kind": str(kind), "org_id": org_id}, list(seen)


def name_upsert(key: Document, seen: list[Any]) -> UpdateOne:
    """The write that keeps the newest of a name; doing it again changes nothing."""
    return UpdateOne({"_id": {"$eq": key}}, {"$max": {"seen": seen}}, upsert=True)


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
