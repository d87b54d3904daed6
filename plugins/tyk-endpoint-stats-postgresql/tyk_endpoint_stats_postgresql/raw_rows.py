"""Rows of Tyk Pump's ``tyk_analytics`` as records."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import json

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, mended
from tyk_endpoint_stats.core.record import NO_GRAPHQL, NO_MCP, GraphQLStats, Latency, MCPStats, Record
from tyk_endpoint_stats.sources.contract import Chunk, Rejected

__all__ = ["ROW_BYTES", "RowChunk", "columns_sql", "decode_rows"]

ROW_BYTES = 200
"""About how much of a row is read; the bodies beside it are left where they are."""

_GRAPHQL, _MCP = GraphQLStats(True), MCPStats(True)
_COLUMNS = (
    ("timestamp", "''"),
    ("path", "''"),
    ("responsecode", "0"),
    ("apikey", "''"),
    ("api_name", "''"),
    ("apiid", "''"),
    ("orgid", "''"),
    ("oauthid", "''"),
    ("requesttime", "0"),
    ("latency_total", "0"),
    ("latency_upstream", "0"),
    ("alias", "''"),
    ("trackpath", "false"),
    ("graphql_stats_is_graph_ql", "false"),
    ("mcp_stats_is_mcp", "false"),
)


class RowChunk(Chunk, kw_only=True):
    """A chunk whose rejected records say which row they were.

    Attributes:
        table: which table they are of.
    """

    table: str = ""

    def locate(self, index: int) -> Rejected:
        """The row, by its time, and what was read of it."""
        record = self.records[index]
        return Rejected(f"{self.table}, a row of {record.timestamp or 'no time'}", "", json.encode(record))


def columns_sql(there: Collection[str]) -> str:
    """What to select; a column that an older Pump did not make, and NULL, are zero or empty, as in Go."""
    selected = []
    for name, nothing in _COLUMNS:
        # Text keeps what no datetime can hold, infinity and years before 1 above all; those are malformed.
        value = '"timestamp"::text' if name == "timestamp" else name
        selected.append(f"coalesce({value}, {nothing})" if name in there else nothing)
    return ", ".join(selected)


def decode_rows(rows: Sequence[Sequence[Any]], table: str) -> RowChunk:
    """A chunk of these rows, as ``columns_sql`` selects them."""
    records: list[Record] = []
    repaired: list[int] = []
    rejected: list[Rejected] = []
    for record in _records(rows):
        try:
            whole, changed = mended(record)
        except MalformedRecord as problem:
            rejected.append(Rejected(f"{table}, a row of {record.timestamp}", problem.reason, json.encode(record)))
            continue
        if changed:
            repaired.append(len(records))
        records.append(whole)
    return RowChunk(records, size=ROW_BYTES * len(rows), repaired=repaired, rejected=rejected, table=table)


def _records(rows: Iterable[Sequence[Any]]) -> Iterable[Record]:
    for at, path, code, key, name, api, org, client, took, total, upstream, alias, tracked, graphql, mcp in rows:
        yield Record(
            path,
            code,
            key,
            at,
            name,
            api,
            org,
            client,
            took,
            Latency(total, upstream),
            alias,
            tracked,
            _GRAPHQL if graphql else NO_GRAPHQL,
            _MCP if mcp else NO_MCP,
        )
