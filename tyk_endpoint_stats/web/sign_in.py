"""What signing in with a browser must remember: one-time links, and how often somebody tried in vain."""

import secrets
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from threading import Lock

__all__ = ["ONCE_S", "SignIn"]

ONCE_S = 600
"""How long a one-time link works."""

_MAX_FAILURES, _FAILURES_S = 10, 60.0


class SignIn:
    """What signing in must remember: one-time codes, and how often it failed. Thread-safe; of one process.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._codes: dict[bytes, tuple[float, bytes]] = {}
        self._failures: deque[float] = deque()

    def code_for(self, key: bytes) -> str:
        """A code of 160 random bits that stands for a token once, within ten minutes.

        Args:
            key: the token's digest, as ``Tokens.entries`` has it.
        """
        code = secrets.token_hex(20)
        with self._lock:
            self._codes[sha256(code.encode()).digest()] = (self._clock() + ONCE_S, key)
        return code

    def redeem(self, code: str) -> bytes | None:
        """The digest that a code stands for; ``None``: it was used, is too old, or never was one."""
        # Of the hash, so that no comparison tells how near a guess was.
        hashed = sha256(code.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            until, key = self._codes.pop(hashed, (0.0, b""))
        return key if key and self._clock() < until else None

    def failed(self) -> None:
        """Remember that somebody tried in vain."""
        with self._lock:
            self._failures.append(self._clock())

    @property
    def is_blocked(self) -> bool:
        """Whether so many tried in vain within a minute that nobody may try for now."""
        with self._lock:
            while self._failures and self._failures[0] <= self._clock() - _FAILURES_S:
                self._failures.popleft()
            return len(self._failures) >= _MAX_FAILURES
