"""MongoDB for tyk-endpoint-stats. What is introduced here is imported when it is first opened."""

from collections.abc import Iterable

from tyk_endpoint_stats.hookspecs import SourceType, StoreType, hookimpl

__all__ = ["provide_sources", "provide_stores"]

_SCHEMES = ("mongodb", "mongodb+srv")


@hookimpl
def provide_stores() -> Iterable[StoreType]:
    """The store, and Tyk Pump's aggregates, each under both schemes of MongoDB's URLs."""
    pump = [
        StoreType(
            f"tyk-pump+{scheme}",
            "tyk_endpoint_stats_mongodb.pump_aggregates:open_pump",
            "Tyk Pump's own aggregates in MongoDB, read where they are",
            f"tyk-pump+{scheme}://localhost/tyk_analytics",
        )
        for scheme in _SCHEMES
    ]
    return pump + [
        StoreType(
            scheme,
            "tyk_endpoint_stats_mongodb.store:open_mongodb",
            "MongoDB, one server or a replica set",
            f"{scheme}://localhost/stats",
            "tyk_endpoint_stats_mongodb.store:open_existing_mongodb",
        )
        for scheme in _SCHEMES
    ]


@hookimpl
def provide_sources() -> Iterable[SourceType]:
    """The records that Tyk Pump keeps in MongoDB."""
    return [
        SourceType(
            f"tyk-raw+{scheme}",
            "tyk_endpoint_stats_mongodb.raw_source:open_raw",
            "records that Tyk Pump keeps in MongoDB",
            f"tyk-raw+{scheme}://localhost/tyk_analytics",
        )
        for scheme in _SCHEMES
    ]
