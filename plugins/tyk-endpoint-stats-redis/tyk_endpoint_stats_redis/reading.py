"""Reading one claim: in pieces, from where the store stands, deleted once all of it is merged."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Chunk, Reading
from tyk_endpoint_stats_redis.claims import Claim, merged_of, position_text
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of
from tyk_endpoint_stats_redis.lists import serializer_of
from tyk_endpoint_stats_redis.server import LEASE_MS, Server

__all__ = ["ClaimReading", "NothingReading"]

_FIRST_PIECE = 100
_LARGEST_PIECE = 1000
_PIECE_BYTES = 4 * 2**20
_RENEW_AFTER_S = LEASE_MS / 1000 / 3


class NothingReading(Reading):
    """A reading of a list that is not there."""

    def chunks(self) -> Iterator[Chunk]:
        """None."""
        return iter(())


class ClaimReading(Reading):
    """The records of a claim that are not merged yet.

    Args:
        server: where it lies.
        claim: what to read.
        holder: who reads, for the lease.
        position: where the store stands in the claim's lane.
        on_finished: called once the claim is merged and deleted, or gone (``True``).
    """

    def __init__(
        self, server: Server, claim: Claim, holder: str, position: str | None, on_finished: Callable[[bool], None]
    ) -> None:
        self.source = claim.source
        self.begins = position
        self._server, self._claim, self._holder = server, claim, holder
        self._on_finished = on_finished
        self._finished = False
        self._leased_at = time.monotonic()
        # A claim never grows: nobody else knows its name.
        self._length = server.length(claim)
        self._offset = merged_of(claim, position, self._length)

    def chunks(self) -> Iterator[Chunk]:
        """The chunks behind ``begins``.

        Raises:
            SourceError: the server can't be asked.
        """
        claim = self._claim
        decoder = decoder_of(serializer_of(claim.list_name))
        offset, count = self._offset, _FIRST_PIECE
        while offset < self._length:
            self._renew_lease()
            elements = self._server.read(claim, offset, count)
            if not elements:
                return  # somebody who took us for dead has finished it
            first, offset = offset + 1, offset + len(elements)
            chunk = decode_elements(decoder, claim.list_name, first, elements, position_text(claim, offset))
            count = _next_count(len(elements), chunk.size)
            yield chunk

    def acknowledge(self, position: str | None) -> None:
        """See the contract. Only a claim that is merged to its end is deleted."""
        if merged_of(self._claim, position, self._length) < self._length:
            self._renew_lease()
            return
        self._server.delete(self._claim)
        self._finished = True
        self._on_finished(not self._length)

    def close(self) -> None:
        """Let others go on with what is left."""
        if not self._finished:
            with suppress(SourceError):  # it expires by itself
                self._server.release(self._claim)

    def _renew_lease(self) -> None:
        if time.monotonic() - self._leased_at > _RENEW_AFTER_S:
            self._server.lease(self._claim, self._holder)
            self._leased_at = time.monotonic()


def _next_count(elements: int, size: int) -> int:
    """How many records to ask for next, so that a piece takes little memory even if they hold whole bodies."""
    return max(1, min(_LARGEST_PIECE, elements * 4, _PIECE_BYTES * elements // max(size, 1)))
