"""The set of valid tokens, kept as digests only, and the ways to get one."""

import logging
import os
import re
import secrets
import select
import stat
import time
from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from msgspec import Struct

from tyk_endpoint_stats.errors import TykEndpointStatsError

__all__ = ["Access", "InvalidToken", "Token", "Tokens", "make_token", "read_token_file"]

SHORT = 16
"""Tokens of fewer characters can be guessed; whoever starts a server with one is warned."""

FILE_TIMEOUT_S = 30.0
"""For a file of tokens that is a pipe: whoever writes to it may be asking for a passphrase."""

_MAX_BYTES = 2**20
_BEARER = re.compile(rb"bearer[ \t]+(.*)", re.IGNORECASE | re.DOTALL)
_log = logging.getLogger(__name__)


class InvalidToken(TykEndpointStatsError, ValueError):
    """A token, or a file of tokens, that can't be used. The message never holds a token."""


class Token(Struct, frozen=True):
    """A valid token, and the organisation it is bound to; ``None``: it sees all of them."""

    value: str
    org_id: str | None = None

    def __repr__(self) -> str:
        return f"Token('***', org_id={self.org_id!r})"


class Access(Struct, frozen=True):
    """What the bearer of a valid token may see: one organisation, or all of them (``None``)."""

    org_id: str | None


class Tokens:
    """The valid tokens. Holds SHA-256 digests, never the tokens themselves. Immutable.

    Args:
        tokens: text is a token that sees every organisation. None at all: nobody gets in.

    Raises:
        TypeError: ``tokens`` is one text.
        InvalidToken: a token is empty, has white space or control characters, or is given twice.
    """

    def __init__(self, tokens: Iterable[str | Token]) -> None:
        if isinstance(tokens, str):
            raise TypeError("tokens must be a collection of tokens; each letter of a text would be one")
        entries: dict[bytes, Access] = {}
        short = 0
        for number, given in enumerate(tokens, 1):
            token = Token(given) if isinstance(given, str) else given
            if not token.value:
                raise InvalidToken(f"token {number} is empty")
            if not token.value.isprintable() or " " in token.value:
                raise InvalidToken(f"token {number} has white space or control characters in it")
            digest = sha256(token.value.encode("utf-8", "surrogateescape")).digest()
            if entries.setdefault(digest, Access(token.org_id)) != Access(token.org_id):
                raise InvalidToken(f"token {number} was given before, for another organisation")
            short += len(token.value) < SHORT
        self._entries = tuple(entries.items())
        self.short = short
        """How many of them have fewer than 16 characters."""

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{len(self)} tokens>"

    def find(self, authorization: str | None) -> Access | None:
        """What an ``authorization`` header grants; ``None``: nothing.

        Takes the token alone, as Tyk's Dashboard does, or ``Bearer`` and the token, as its OpenAPI document
        says. Every known token is compared, in constant time, whether or not one matched before.

        Args:
            authorization: the header's value, as text of latin-1 characters.
        """
        if authorization is None:
            return None
        presented = _bytes_of(authorization).strip(b" \t")
        bearer = _BEARER.fullmatch(presented)
        found = self._entry_of(bearer[1] if bearer else presented)
        return found[1] if found else None

    @property
    def entries(self) -> tuple[tuple[bytes, Access], ...]:
        """The digest of each token, and what it grants. Digests sign sessions: show them to nobody."""
        return self._entries

    def digest_of(self, token: str) -> bytes | None:
        """The digest of a token that is valid; ``None``: it is not. Every known one is compared."""
        found = self._entry_of(token.encode("utf-8", "surrogateescape"))
        return found[0] if found else None

    def _entry_of(self, token: bytes) -> tuple[bytes, Access] | None:
        presented = sha256(token).digest()
        found = None
        for entry in self._entries:
            if compare_digest(presented, entry[0]):
                found = entry
        return found


def make_token() -> str:
    """A random token of 160 bits."""
    return secrets.token_hex(20)


def read_token_file(path: Path, within_s: float = FILE_TIMEOUT_S) -> list[Token]:
    """The tokens of a file: a line each, ``TOKEN`` or ``TOKEN ORG_ID``. Blank lines and ``#`` lines are skipped.

    A file that others than its owner can read is named in a warning.

    Args:
        path: a file, or a pipe, which is read to its end: ``/dev/stdin``, or what a shell makes of ``<(command)``.
        within_s: how long to wait for a pipe's end.

    Raises:
        InvalidToken: it can't be read, has no end in time or within 1 MiB, is no UTF-8, has a line of another form,
            or has no token at all.
    """
    try:
        data, mode = _read_to_end(path, within_s)
        text = data.decode("utf-8-sig")
    except TimeoutError as problem:
        raise InvalidToken(
            f"token file {path} is a pipe that nobody wrote to and closed within {within_s:g} s"
        ) from problem
    except OSError as problem:
        raise InvalidToken(f"token file {path} can't be read: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise InvalidToken(f"token file {path} is no UTF-8 text") from problem
    tokens = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) > 2:
            raise InvalidToken(f"token file {path}, line {number}: expected TOKEN or TOKEN ORG_ID")
        tokens.append(Token(*words))
    if not tokens:
        raise InvalidToken(f"token file {path} has no token in it")
    if mode & 0o077:
        _log.warning("token file %s can be read by others (mode %03o); chmod 600 it", path, mode)
    return tokens


def _read_to_end(path: Path, within_s: float) -> tuple[bytes, int]:
    """What is in a file, and its permissions.

    Raises:
        TimeoutError: it is a pipe, and has no end yet.
        InvalidToken: it is too large.
        OSError: it can't be read.
    """
    deadline = time.monotonic() + within_s
    data = bytearray()
    # O_NONBLOCK: opening a named pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        while True:
            # Until a writer came, reading a pipe gives the same as at its end; this waits for him.
            if not stat.S_ISREG(mode):
                waiting = select.poll()  # select() would know no descriptor past 1,023
                waiting.register(descriptor, select.POLLIN)
                if not waiting.poll(1000 * max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
            piece = os.read(descriptor, _MAX_BYTES)
            if not piece:
                return bytes(data), stat.S_IMODE(mode)
            data += piece
            if len(data) > _MAX_BYTES:
                raise InvalidToken(f"token file {path} is larger than 1 MiB")
    finally:
        os.close(descriptor)


def _bytes_of(text: str) -> bytes:
    # Header text is latin-1 by HTTP's rule; a caller of respond() may still hand in anything.
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
