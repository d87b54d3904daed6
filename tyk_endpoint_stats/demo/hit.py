"""One request of the demo, before it takes any form."""

from msgspec import Struct

from tyk_endpoint_stats.demo.catalogue import Api

__all__ = ["Hit"]


class Hit(Struct, frozen=True, gc=False):
    """What happened. ``at_ns`` is the completion in nanoseconds since 1970 UTC."""

    at_ns: int
    offset_minutes: int
    key: str
    client: str
    alias: str
    org_id: str
    api: Api
    path: str
    method: str
    tracked: bool
    code: int
    total_ms: int
    upstream_ms: int
    graphql: bool
    mcp: bool
