"""Connections for which there is no place: a short answer, and the close a little later."""

import socket
import time
from collections import deque
from contextlib import suppress

from tyk_endpoint_stats.web.connection import Limits, wire_head
from tyk_endpoint_stats.web.messages import busy_response

__all__ = ["TurnedAway"]

_MAX_AT_ONCE = 32


class TurnedAway:
    """Those that were answered and are not closed yet: a reset might overtake the answer. For one thread.

    Args:
        limits: how long they stay, and how much is read from them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[float, socket.socket]] = deque()

    def add(self, sock: socket.socket) -> None:
        """Send a 503 without waiting for anything. Of very many the oldest is closed at once."""
        with suppress(OSError):
            sock.setblocking(False)
            response = busy_response()
            sock.send(wire_head(response, close=True) + response.body)
            sock.shutdown(socket.SHUT_WR)
        self._waiting.append((time.monotonic() + self._limits.linger_s, sock))
        if len(self._waiting) > _MAX_AT_ONCE:
            self._close_one()

    def close_due(self) -> None:
        """Close those whose time has come."""
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            self._close_one()

    def close(self) -> None:
        """Close all, now."""
        while self._waiting:
            self._waiting.popleft()[1].close()

    def _close_one(self) -> None:
        _, sock = self._waiting.popleft()
        with suppress(OSError):
            sock.recv(self._limits.linger_bytes)
        sock.close()
