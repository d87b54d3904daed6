"""MongoDB for tyk-endpoint-stats. What is introduced here is imported when it is first opened."""

from collections.abc import Iterable

from tyk_endpoint_stats.hookspecs import StoreType, hookimpl

__all__ = ["provide_stores"]


@hookimpl
def provide_stores() -> Iterable[StoreType]:
    """The store, under both schemes of MongoDB's URLs."""
    return [
        StoreType(
            scheme,
            "tyk_endpoint_stats_mongodb.store:open_mongodb",
            "MongoDB, one server or a replica set",
            f"{scheme}://localhost/stats",
            "tyk_endpoint_stats_mongodb.store:open_existing_mongodb",
        )
        for scheme in ("mongodb", "mongodb+srv")
    ]
