"""PostgreSQL for tyk-endpoint-stats. What is introduced here is imported when it is first opened."""

from collections.abc import Iterable

from tyk_endpoint_stats.hookspecs import SourceType, StoreType, hookimpl

__all__ = ["provide_sources", "provide_stores"]


@hookimpl
def provide_stores() -> Iterable[StoreType]:
    """A store of our own, and answers from Tyk Pump's."""
    return [
        StoreType(
            "postgresql",
            "tyk_endpoint_stats_postgresql.store:open_postgresql",
            "PostgreSQL, in a schema of its own",
            "postgresql://user@localhost/stats",
            "tyk_endpoint_stats_postgresql.store:open_existing_postgresql",
        ),
        StoreType(
            "tyk-pump+postgresql",
            "tyk_endpoint_stats_postgresql.pump:open_pump",
            "Tyk Pump's own aggregates in PostgreSQL, read where they are",
            "tyk-pump+postgresql://user@localhost/tyk_analytics",
        ),
    ]


@hookimpl
def provide_sources() -> Iterable[SourceType]:
    """The records that Tyk Pump keeps in PostgreSQL."""
    return [
        SourceType(
            "tyk-raw+postgresql",
            "tyk_endpoint_stats_postgresql.raw:open_raw",
            "records that Tyk Pump keeps in PostgreSQL",
            "tyk-raw+postgresql://user@localhost/tyk_analytics",
        ),
    ]
