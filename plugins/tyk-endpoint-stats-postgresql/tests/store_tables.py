"""Batches that sums tell apart, and a store's tables looked at with SQL of our own."""

from postgres_servers import PostgresServer
from tyk_endpoint_stats_postgresql.store import PostgreSQLStore

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.packed import unpack_distribution, unpack_quarter_hours
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.testing.generators import numbered_batch
from tyk_endpoint_stats.testing.growing import late_batch

__all__ = ["Schema", "batch"]

SIZE = 20


def batch(number: int, source: str = "s", size: int = SIZE) -> Batch:
    """Batch ``number`` of a source. All touch the same rows, so sums say how many were merged; all come late."""
    records = [hit(0, number, api_key=f"k{index % 5}", path=f"/{index}") for index in range(size)]
    return late_batch(numbered_batch(records, source, number))


class Schema:
    """A store's tables, looked at with nothing of the store's."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self.server, self.name = server, name
        self.url = f"{server.url}?schema={name}"
        server.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        PostgreSQLStore(self.url).close()

    def is_whole(self) -> bool:
        """Hits in days, in each kind of totals, in both packed values, by position, counts and growth are the same."""
        return len(set(self.sums())) == 1

    def sums(self) -> tuple[int, ...]:
        days = (
            f"SELECT sum(hits)::int, string_agg(distribution, ''), string_agg(quarter_hours, '') FROM {self.name}"
        )
        ((plain, distribution, split),) = self.server.execute(f"{days}.days")
        totals = self.server.execute(f"SELECT kind, sum(hits)::int FROM {self.name}.totals GROUP BY kind")
        by_kind = dict.fromkeys((1, 2, 3), 0) | dict(totals)
        (found,) = self.server.execute(
            f"SELECT coalesce(sum(position::int), 0)::int * {SIZE}, coalesce(sum(counted), 0)::int"
            f" FROM {self.name}.sources"
        )
        (grown,) = self.server.execute(f"SELECT coalesce(sum(hits), 0)::int FROM {self.name}.growth")
        codes, _ = unpack_distribution(distribution or b"")
        quarter_hours = unpack_quarter_hours(split or b"", 0).values()
        packed = (sum(codes.values()), sum(stats.hits for stats in quarter_hours))
        return (plain or 0, *packed, *by_kind.values(), *found, *grown)
