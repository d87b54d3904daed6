"""What we read of a gateway record: the fields that matter to the statistics, and no others.

Names are the JSON names of Tyk's record (tyk-pump ``analytics/analytics.go``). Everything else in a record,
request and response bodies above all, is skipped by the decoder without becoming an object. A source with
other names or another form of time (msgpack, CSV, protobuf) fills the same attributes.
"""

from typing import Annotated

from msgspec import Meta, Struct, field

__all__ = ["GraphQLStats", "Latency", "MCPStats", "Milliseconds", "Record", "ResponseCode"]

MAX_MILLISECONDS = 10**12
"""Longer (31 years) or negative durations are clamped, so that sums stay inside 63 bits."""

Milliseconds = Annotated[int, Meta(ge=0, le=MAX_MILLISECONDS)]

ResponseCode = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""-1 is TCP statistics; whatever no 32 bits can hold is no response code."""


class Latency(Struct, frozen=True, gc=False):
    """Whole milliseconds: the gateway's total, and the upstream's part of it."""

    total: Milliseconds = 0
    upstream: Milliseconds = 0


class GraphQLStats(Struct, frozen=True, gc=False):
    """Only the flag; the inner names are Go's."""

    is_graphql: bool = field(default=False, name="IsGraphQL")


class MCPStats(Struct, frozen=True, gc=False):
    """Only the flag."""

    is_mcp: bool = False


NO_LATENCY = Latency()
NO_GRAPHQL = GraphQLStats()
NO_MCP = MCPStats()


class Record(Struct, gc=False):
    """One request as the gateway recorded it. An absent field is zero or empty, as in Go.

    Fields stand in the order in which Tyk writes them, because the decoder looks for the next expected
    field first. ``gc=False``: a record never refers to itself, and a collector that walks millions of
    live records halves the rate of decoding.

    ``timestamp`` is RFC 3339 text with an offset: the completion of the request. It stays text until the
    aggregator reads it, because the decoder would round the digits after the sixth, and they are cut.

    ``latency`` is ``None`` where a record has none at all, as those of Tyk Pump's Kafka and Elasticsearch sinks:
    that is unknown, and not 0. A record of the gateway's without the member has zeros, as in Go.
    """

    path: str = ""
    response_code: ResponseCode = 0
    api_key: str = ""
    timestamp: str = ""
    api_name: str = ""
    api_id: str = ""
    org_id: str = ""
    oauth_id: str = ""
    request_time: Milliseconds = 0
    latency: Latency | None = NO_LATENCY
    alias: str = ""
    track_path: bool = False
    graphql_stats: GraphQLStats = NO_GRAPHQL
    mcp_stats: MCPStats = NO_MCP
