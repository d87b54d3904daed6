"""Looking without taking: what waits in the lists, and what whoever takes it should know."""

from collections.abc import Sequence

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Waiting
from tyk_endpoint_stats_redis.lists import serializer_of
from tyk_endpoint_stats_redis.server import LEASE_MS, ListState, Server

__all__ = ["waiting_in", "warnings_of"]


def waiting_in(server: Server) -> list[Waiting]:
    """The lists that hold something or can't be read, in Tyk Pump's order; then the claims. Changes nothing.

    Of the records of a claim some may be merged already.

    Raises:
        SourceError: the server can't be asked.
    """
    states = zip(server.names, server.states(server.names), strict=True)
    found = [Waiting(name, state.records, _note(name, state)) for name, state in states if state.is_there]
    claims = server.claims()
    for claim, is_leased in zip(claims, server.are_leased(claims), strict=True):
        note = "being read" if is_leased else "left by a reader; the next one goes on with it"
        found.append(Waiting(claim.key, server.length(claim), f"claimed, {note}"))
    return found


def _note(name: str, state: ListState) -> str:
    if state.problem:
        return f"can't be read: {state.problem}"
    expiry = "does not expire" if state.ttl_ms is None else f"expires in {state.ttl_ms / 1000:.0f} s"
    return f"{serializer_of(name)}, {expiry}"


def warnings_of(server: Server) -> Sequence[str]:
    """What whoever takes records from a server should know, a sentence each."""
    warnings = [
        "reading takes the records out of Redis, as Tyk Pump does. Where a Tyk Pump runs too, each record goes to "
        "only one of the two, and both show too little: stop the pump, or read what it writes."
    ]
    try:
        warnings += _warnings_now(server)
    except SourceError:
        pass  # reading will say what is wrong
    return tuple(f"{server.label}: {text}" for text in warnings)


def _warnings_now(server: Server) -> list[str]:
    warnings = []
    lists = server.states(server.names)
    expiries = [state.ttl_ms for state in lists if state.records and state.ttl_ms is not None]
    if expiries:
        warnings.append(
            "the gateway lets its lists expire when nobody reads them (storage_expiration_time), the next one in "
            f"{min(expiries) / 1000:.0f} s: read more often than that, with --follow, or records are lost."
        )
    nodes = sorted({state.elsewhere for state in lists if state.elsewhere})
    if nodes:
        warnings.append(
            f"this is a node of a Redis Cluster, and other lists may lie on {', '.join(nodes)}: name a source for "
            "each of these too, or their records are left there."
        )
    policy = server.eviction_policy()
    if policy:
        warnings.append(
            f"the server throws keys away when its memory is full (maxmemory-policy {policy}), records among them; "
            "noeviction keeps them."
        )
    claims = server.claims()
    leased = [claim for claim, is_leased in zip(claims, server.are_leased(claims), strict=True) if is_leased]
    if leased:
        warnings.append(
            f"{sum(map(server.length, leased)):,} records are in the hands of other readers; should one of them "
            f"have died, the next one goes on with its records {LEASE_MS // 1000} s later."
        )
    if not claims and not any(state.is_there for state in lists):
        warnings.append(
            f"there is no list {server.names[0]} nor one of its shards now: no traffic yet, another key prefix "
            "(?prefix=…), another database (/N), a Tyk Pump that takes everything, or a gateway that sends its "
            "records to MDCB by itself (analytics_config.type: rpc)."
        )
    return warnings
