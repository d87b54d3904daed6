"""What comes with the package, introduced by the same hooks as everybody else's plugins."""

from collections.abc import Iterable

from tyk_endpoint_stats.hookspecs import SourceType, StoreType, hookimpl

__all__ = ["provide_sources", "provide_stores"]


@hookimpl
def provide_stores() -> Iterable[StoreType]:
    """The stores that need no server."""
    return [
        StoreType(
            "sqlite",
            "tyk_endpoint_stats.stores.sqlite:open_sqlite",
            "one SQLite file; the default",
            "sqlite:///tyk-endpoint-stats.db",
            "tyk_endpoint_stats.stores.sqlite:open_existing_sqlite",
        ),
        StoreType(
            "memory",
            "tyk_endpoint_stats.stores.memory:open_memory",
            "in memory, gone at exit",
            "memory://",
        ),
    ]


@hookimpl
def provide_sources() -> Iterable[SourceType]:
    """Files of JSON lines and of CSV."""
    return [
        SourceType(
            "file",
            "tyk_endpoint_stats.sources.files:open_files",
            "JSON or CSV of records in whatever wrapper, plain or compressed; globs, - for stdin",
            "file:///var/log/tyk/analytics*.jsonl",
        )
    ]
