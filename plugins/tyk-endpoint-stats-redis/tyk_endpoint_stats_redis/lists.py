"""Tyk's lists in Redis: how they are called, and which serializer wrote what is in them.

docs/tyk.md, "Lists in Redis".
"""

from enum import StrEnum

__all__ = ["DEFAULT_PREFIX", "Serializer", "base_name", "list_names", "serializer_of"]

DEFAULT_PREFIX = "analytics-"
"""What the gateway writes; Tyk Pump calls it ``redis_key_prefix``."""

_BASE = "tyk-system-analytics"
_SHARDS = 10
_PROTOBUF_SUFFIX = "_protobuf"


class Serializer(StrEnum):
    """The gateway's ``analytics_config.serializer_type``."""

    MSGPACK = "msgpack"
    PROTOBUF = "protobuf"


def base_name(prefix: str) -> str:
    """What all names of lists begin with."""
    return prefix + _BASE


def list_names(prefix: str = DEFAULT_PREFIX) -> tuple[str, ...]:
    """All 22 lists that a gateway may write to, in the order in which Tyk Pump pops them."""
    shards = ("", *(f"_{shard}" for shard in range(_SHARDS)))
    return tuple(base_name(prefix) + shard + suffix for shard in shards for suffix in ("", _PROTOBUF_SUFFIX))


def serializer_of(list_name: str) -> Serializer:
    """The serializer that a list's name tells."""
    return Serializer.PROTOBUF if list_name.endswith(_PROTOBUF_SUFFIX) else Serializer.MSGPACK
