"""Tyk's lists in a Redis server as a source: being the pump."""

import secrets
import time
from collections.abc import Sequence
from functools import cached_property

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Peekable, PositionLookup, Reading, Source, Waiting
from tyk_endpoint_stats_redis.address import parse_address
from tyk_endpoint_stats_redis.claims import Claim
from tyk_endpoint_stats_redis.peek import waiting_in, warnings_of
from tyk_endpoint_stats_redis.reading import ClaimReading, NothingReading
from tyk_endpoint_stats_redis.server import Server, connect

__all__ = ["RedisSource", "open_redis"]

LOOK_EVERY_S = 60.0
"""How often to look for claims of dead consumers: that goes through all keys."""


def open_redis(url: str) -> Sequence["RedisSource"]:
    """The source behind a URL; see ``parse_address``. Nothing is sent to the server yet.

    Raises:
        PluginError: the URL can't be used.
    """
    return (RedisSource(connect(parse_address(url))),)


class RedisSource(Source, Peekable):
    """Everything that gateways left for a pump in a Redis server, exactly once.

    Each pass over ``parts()`` takes what is there then. Any number of these, in any processes, may work side by
    side as long as they fill the same store; not thread-safe by itself.
    """

    def __init__(self, server: Server) -> None:
        self.label = server.label
        self._server = server
        self._lists = {name: _ListSource(server, name) for name in server.names}
        self._left: list[_ClaimSource] = []
        self._look_at = 0.0

    @cached_property
    def warnings(self) -> Sequence[str]:  # type: ignore[override]
        """What whoever runs this should know, a sentence each; asks the server."""
        return warnings_of(self._server)

    def peek(self) -> Sequence[Waiting]:
        """See the contract."""
        return waiting_in(self._server)

    def parts(self) -> Sequence[Source]:
        """The claims to go on with, then each list that holds something, in Tyk Pump's order.

        Raises:
            SourceError: the server can't be asked.
        """
        states = dict(zip(self._server.names, self._server.states(self._server.names), strict=True))
        for source in self._lists.values():
            if states[source.name].elsewhere:
                source.leave()
            self._left += source.unsure
            source.unsure.clear()
        # A Redis Cluster moves a list's claims along with it: whoever reads the other node finds them there.
        self._left = [
            source for source in self._left if not source.finished and not states[source.claim.list_name].elsewhere
        ]
        if time.monotonic() >= self._look_at:
            self._adopt()
            self._look_at = time.monotonic() + LOOK_EVERY_S
        lists: list[_ListSource] = []
        unreadable: list[_ListSource] = []
        for source in self._lists.values():
            state = states[source.name]
            source.problem = state.problem
            if state.problem:
                unreadable.append(source)  # last, so that it keeps nobody else waiting
            elif state.records or source.claim is not None:
                lists.append(source)
        return (*self._left, *lists, *unreadable)

    def open(self, position: PositionLookup) -> Reading:
        """The first part that holds something; ``ingest`` reads them all."""
        for part in self.parts():
            return part.open(position)
        return NothingReading()

    def _adopt(self) -> None:
        """Take the claims of consumers that died."""
        known = {source.claim for source in self._left}
        known |= {source.claim for source in self._lists.values() if source.claim is not None}
        claims = [claim for claim in self._server.claims() if claim not in known]
        for claim, is_leased in zip(claims, self._server.are_leased(claims), strict=True):
            source = _ClaimSource(self._server, claim)
            # Of several who find it one goes on with it: not needed for exactness, but it spares work.
            if not is_leased and source.lease(only_if_free=True):
                self._left.append(source)


class _ClaimSource(Source):
    """A claim that was made already, or that may have been made."""

    def __init__(self, server: Server, claim: Claim) -> None:
        self.label = f"{server.label} {claim.list_name}"
        self.claim = claim
        self.finished = self.vanished = False
        self._server = server
        self._holder = secrets.token_hex(8)

    def lease(self, *, only_if_free: bool = False) -> bool:
        """Keep others from it; ``False``: somebody else has it."""
        return self._server.lease(self.claim, self._holder, only_if_free=only_if_free)

    def open(self, position: PositionLookup) -> Reading:
        """See the contract."""
        self.lease()
        return ClaimReading(self._server, self.claim, self._holder, position(self.claim.source), self._finish)

    def _finish(self, vanished: bool) -> None:
        self.finished, self.vanished = True, vanished


class _ListSource(Source):
    """One list. It is claimed when it is opened, and not again before that claim is merged."""

    def __init__(self, server: Server, name: str) -> None:
        self.label = f"{server.label} {name}"
        self.problem = ""
        self.unsure: list[_ClaimSource] = []
        self.name = name
        self._server = server
        self._claimed: _ClaimSource | None = None
        self._number = 0
        self._start_lane()

    @property
    def claim(self) -> Claim | None:
        """The claim that is not merged yet."""
        return None if self._claimed is None or self._claimed.finished else self._claimed.claim

    def open(self, position: PositionLookup) -> Reading:
        """See the contract."""
        if self.problem:
            raise SourceError(f"{self.label}: can't be read: {self.problem}")
        if self.claim is None and not self._make_claim():
            return NothingReading()
        assert self._claimed is not None
        return self._claimed.open(position)

    def leave(self) -> None:
        """Give up what was claimed: it lies on another node now."""
        if self.claim is not None:
            self._claimed = None
            self._start_lane()

    def _make_claim(self) -> bool:
        """Claim the list; ``False``: nothing is there.

        The next claim of a lane says that the one before is merged. So wherever that is not certain, because
        an answer got lost or the server lost the claim, the lane ends here and another one begins.
        """
        if self._claimed is not None and self._claimed.vanished:
            self._start_lane()
        source = _ClaimSource(self._server, Claim(self.name, self._lane, self._number))
        self._claimed = None
        source.lease()
        try:
            is_claimed = self._server.claim(source.claim)
        except SourceError:
            self._start_lane()
            self.unsure.append(source)
            raise
        if is_claimed:
            self._claimed = source
            self._number += 1
        return is_claimed

    def _start_lane(self) -> None:
        self._lane, self._number = secrets.token_hex(16), 1
