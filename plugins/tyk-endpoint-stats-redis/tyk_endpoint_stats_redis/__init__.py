"""Tyk Gateway's records straight out of Redis: a source for tyk-endpoint-stats, in the place of Tyk Pump.

Importing this loads no driver.
"""

from collections.abc import Iterable

from tyk_endpoint_stats.hookspecs import SourceType, hookimpl

__all__ = ["provide_sources"]

_OPEN = "tyk_endpoint_stats_redis.source:open_redis"


@hookimpl
def provide_sources() -> Iterable[SourceType]:
    """One source, over TCP, TLS or a socket."""
    summary = "records taken out of Tyk Gateway's Redis lists, in the place of Tyk Pump"
    return [
        SourceType("redis", _OPEN, summary, "redis://:PASSWORD@localhost:6379/0"),
        SourceType("rediss", _OPEN, f"{summary}, over TLS", "rediss://:PASSWORD@redis.example.com:6379/0"),
        SourceType("unix", _OPEN, f"{summary}, over a socket", "unix:///run/redis/redis.sock?db=0"),
    ]
