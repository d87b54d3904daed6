"""The gateway's own records, told from all else by what only they have together."""

from msgspec import DecodeError, json

from tyk_endpoint_stats.core.record import NO_LATENCY, Record

__all__ = ["is_whole", "native_record"]

_decode = json.Decoder(Record).decode


def is_whole(record: Record) -> bool:
    """Whether what was decoded as a record of the gateway's is one without doubt.

    A log line, an envelope or a record in other names, decoded as one, lacks a time, a code or a latency.
    """
    return bool(record.timestamp and record.response_code and record.latency is not NO_LATENCY and record.latency)


def native_record(data: bytes) -> Record | None:
    """The record that an object is; ``None``: it is none, or there is something odd in it."""
    try:
        record = _decode(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if is_whole(record) else None
