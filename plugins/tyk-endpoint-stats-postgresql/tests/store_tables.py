"""Batches that sums tell apart, and a store's tables looked at with nothing of ours."""

from postgres_servers import PostgresServer
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.buckets import Bucket, Width
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Schema", "batch"]

SIZE = 20


def batch(number: int, source: str = "s", size: int = SIZE) -> Batch:
    """Batch ``number`` of a source. All touch the same states, so sums say how many were merged."""
    made = Batch(counts=Counts(read=size, counted=size), source=source)
    made.begins = str(number) if number else None
    made.ends = str(number + 1)
    states = {}
    for index in range(size):
        stats = EndpointStats()
        stats.add(200, 5, 5, 4, number * 1_000_000)
        states["org", "key", f"k{index % 5}", "api", f"/{index}"] = stats
    made.states = {Bucket(Width.QUARTER_HOUR, 0): states, Bucket(Width.DAY, 0): states}
    return made


class Schema:
    """A store's tables, looked at with nothing of ours."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        self.url = f"{server.url}?schema={name}"
        server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        PostgreSQLStore(self.url).close()

    def is_whole(self) -> bool:
        """Hits in quarters, in days, in codes and by position are the same."""
        return len(set(self.sums())) == 1

    def sums(self) -> tuple[int, int, int, int, int]:
        (found,) = self.server.execute(
            f"SELECT (SELECT coalesce(sum(hits), 0)::int FROM {self.name}.quarters),"
            f" (SELECT coalesce(sum(hits), 0)::int FROM {self.name}.days),"
            f" (SELECT coalesce(sum((codes->>'200')::int), 0)::int FROM {self.name}.days),"
            f" (SELECT coalesce(sum(position::int), 0)::int * {SIZE} FROM {self.name}.sources),"
            f" (SELECT coalesce(sum((counts::json->>'counted')::int), 0)::int FROM {self.name}.sources)"
        )
        return tuple(found)
