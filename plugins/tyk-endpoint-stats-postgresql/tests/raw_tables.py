"""Tyk Pump's raw table in a schema of a test's own, and a reader of it that is broken on purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from postgres_servers import PostgresServer
from pump_rows import create_table, insert
from tyk_endpoint_stats_postgresql import raw

from tyk_endpoint_stats.core.record import NO_LATENCY, Record
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.sources.contract import Source

__all__ = ["FROM_2020", "Raw", "not_waiting_for_open_transactions", "raw_row"]

FROM_2020 = "late_days=36500"


def raw_row(record: Record) -> dict[str, Any]:
    """A record as Pump's SQL pump writes it: without a latency it is 0, as in Go."""
    latency = record.latency or NO_LATENCY
    return {
        "method": "GET",
        "path": record.path,
        "responsecode": record.response_code,
        "apikey": record.api_key,
        "timestamp": record.timestamp,
        "api_name": record.api_name,
        "apiid": record.api_id,
        "orgid": record.org_id,
        "oauthid": record.oauth_id,
        "requesttime": record.request_time,
        "latency_total": latency.total,
        "latency_upstream": latency.upstream,
        "alias": record.alias,
        "trackpath": record.track_path,
        "graphql_stats_is_graph_ql": record.graphql_stats.is_graphql,
        "mcp_stats_is_mcp": record.mcp_stats.is_mcp,
        "rawrequest": "c2VjcmV0",
        "tags": "[]",
    }


@dataclass
class Raw:
    """A schema with Pump's raw table in it."""

    server: PostgresServer
    schema: str
    table: str = "tyk_analytics"

    @property
    def url(self) -> str:
        return f"tyk-raw+{self.server.url}?schema={self.schema}&{FROM_2020}"

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"

    def create(self) -> None:
        self.server.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
        if not self.server.execute("SELECT to_regclass(%s)", (self.name,))[0][0]:
            create_table(self.server.url, "raw", self.name)

    def insert(self, records: Sequence[Record]) -> None:
        self.create()
        insert(self.server.url, self.name, map(raw_row, records))

    def source(self) -> Source:
        (source,) = open_sources(self.url)
        return source

    def drop(self) -> None:
        self.server.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")


def not_waiting_for_open_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: it reads up to the newest transaction, open or not."""
    look_at = raw.look_at

    def not_waiting(*given: Any) -> Any:
        seen = look_at(*given)
        return msgspec.structs.replace(seen, ends=seen.next_id + 1)

    monkeypatch.setattr(raw, "look_at", not_waiting)
