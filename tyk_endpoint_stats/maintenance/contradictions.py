"""What no records can have led to: contradictions inside a state, and inside the counts of a source.

A store that adds, merges and reads as it should never shows one. Damage, a program that wrote to its tables, or
half a batch most often do.
"""

from msgspec.structs import fields

from tyk_endpoint_stats.core import histogram as bins
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import Bucket, bucket_end, bucket_start
from tyk_endpoint_stats.core.fields import FIELDS
from tyk_endpoint_stats.core.packed import is_one_hit
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["contradictions_in_counts", "contradictions_in_state", "differing_fields"]

_TOTALS = (
    ("total_latency_ms", "min_latency_all_ms", "max_latency_ms"),
    ("total_upstream_latency_ms", "min_upstream_latency_all_ms", "max_upstream_latency_ms"),
)
_TIMED = tuple(field.name for field in FIELDS if "latency" in field.name)
_NON_ERROR_MINIMA = (
    ("min_latency_non_error_ms", "min_latency_all_ms", "max_latency_ms"),
    ("min_upstream_latency_non_error_ms", "min_upstream_latency_all_ms", "max_upstream_latency_ms"),
)


def contradictions_in_state(stats: EndpointStats, bucket: Bucket | None = None) -> list[str]:
    """What is impossible about a state with its distributions; nothing, if it is sound.

    Args:
        stats: a state that stands for at least one hit.
        bucket: the bucket whose hits it counts, where it is one bucket's.
    """
    if stats.hits < 1:
        return [f"hits is {stats.hits}"]
    if is_one_hit(stats):  # most are, and it is seen in a tenth of the time
        return _in_instants(stats, bucket)
    optional = {field.name for field in FIELDS if field.optional}
    missing = [
        name
        for name in stats.__struct_fields__
        if getattr(stats, name) is None
        and (name not in optional or (stats.timed_hits and "_non_error_" not in name))
    ]
    if missing:
        return [f"{name} is missing" for name in missing]
    return [*_in_counts(stats), *_in_durations(stats), *_in_instants(stats, bucket)]


def contradictions_in_counts(counts: Counts) -> list[str]:
    """What is impossible about the counts of a source: first of all that records are unaccounted for."""
    found = []
    skipped, malformed = sum(counts.skipped.values()), sum(counts.malformed.values())
    if counts.read != counts.counted + skipped + malformed:
        found.append(
            f"{counts.read:,} records were read, but {counts.counted:,} counted + {skipped:,} skipped + "
            f"{malformed:,} malformed are {counts.counted + skipped + malformed:,}"
        )
    if counts.repaired > counts.counted:
        found.append(f"{counts.repaired:,} records were repaired, but only {counts.counted:,} counted")
    if min(counts.read, counts.counted, counts.repaired, *counts.skipped.values(), *counts.malformed.values()) < 0:
        found.append("a count is negative")
    return found


def differing_fields(one: EndpointStats, other: EndpointStats) -> list[str]:
    """The names of the fields in which two states differ."""
    return [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]


def _in_counts(stats: EndpointStats) -> list[str]:
    found = []
    for name, counts, hits in (
        ("codes", stats.codes, stats.hits),
        ("histogram", stats.histogram, stats.timed_hits),
    ):
        if sum(counts.values()) != hits or min(counts.values(), default=1) < 1:
            found.append(f"{name} counts {sum(counts.values()):,} of {hits:,} hits")
    if not 0 <= stats.timed_hits <= stats.hits:
        found.append(f"timed_hits is {stats.timed_hits:,} of {stats.hits:,} hits")
    success = sum(count for code, count in stats.codes.items() if 200 <= code <= 299)
    if stats.success != success:
        found.append(f"success is {stats.success:,}, by codes {success:,}")
    error = sum(count for code, count in stats.codes.items() if code >= 400)
    if stats.error != error:
        found.append(f"error is {stats.error:,}, by codes {error:,}")
    return found


def _in_durations(stats: EndpointStats) -> list[str]:
    found = []
    if stats.total_request_time_ms < 0:
        found.append(f"total_request_time_ms is {stats.total_request_time_ms}")
    if not stats.timed_hits:
        return [*found, *(f"{name} is there without a timed hit" for name in _TIMED if getattr(stats, name))]
    for total_name, smallest_name, largest_name in _TOTALS:
        total, smallest, largest = (getattr(stats, name) for name in (total_name, smallest_name, largest_name))
        if not 0 <= smallest <= largest:
            found.append(f"{smallest_name} is {smallest}, {largest_name} is {largest}")
        elif (
            not largest + (stats.timed_hits - 1) * smallest <= total <= smallest + (stats.timed_hits - 1) * largest
        ):
            found.append(
                f"{total_name} is {total}, which {stats.timed_hits} hits of {smallest} to {largest} can't sum up to"
            )
    for name, smallest_name, largest_name in _NON_ERROR_MINIMA:
        non_error, smallest, largest = (getattr(stats, each) for each in (name, smallest_name, largest_name))
        if stats.error == stats.hits if non_error is not None else not stats.error:
            found.append(f"{name} is {non_error} with {stats.error} errors in {stats.hits} hits")
        elif non_error is not None and not smallest <= non_error <= largest:
            found.append(f"{name} is {non_error}, outside of {smallest} to {largest}")
        elif stats.error == 0 and non_error != smallest:
            found.append(f"{name} is {non_error}, {smallest_name} is {smallest}, and no hit is an error")
    if stats.histogram:
        edges = bins.bin_of(stats.min_latency_all_ms or 0), bins.bin_of(stats.max_latency_ms or 0)
        if (min(stats.histogram), max(stats.histogram)) != edges:
            found.append("the ends of histogram are not the bins of min_latency_all_ms and max_latency_ms")
    return found


def _in_instants(stats: EndpointStats, bucket: Bucket | None) -> list[str]:
    first, last = stats.first_hit_us, stats.last_hit_us
    assert first is not None
    assert last is not None
    if first > last:
        return [f"first_hit_us {first} is after last_hit_us {last}"]
    if stats.hits == 1 and first != last:
        return [f"first_hit_us is {first}, last_hit_us is {last}, of one hit"]
    if bucket is not None and not (bucket_start(bucket) <= first and last < bucket_end(bucket)):
        return [f"first_hit_us {first} or last_hit_us {last} is outside of its {bucket.width}"]
    return []
