"""Texts and ids as PostgreSQL can keep them."""

from hashlib import blake2b
from uuid import UUID

__all__ = ["digest", "plain", "stored"]


def stored(text: str) -> str:
    """A text without NUL, which PostgreSQL has no place for.

    Almost every text is itself. Distinct ones stay distinct, and their order by code point stays as it is: of
    two names seen at one instant the greater wins, here as everywhere.
    """
    return text.replace("\1", "\1\2").replace("\0", "\1\1") if "\0" in text or "\1" in text else text


def plain(text: str) -> str:
    """What ``stored`` was given."""
    return text.replace("\1\1", "\0").replace("\1\2", "\1") if "\1" in text else text


def digest(*parts: str) -> UUID:
    """128 bits that stand for some texts: the key of a consumer or an endpoint.

    Not a number out of a sequence: every writer knows it without asking, and it means the same on every node.
    """
    hashed = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(b"%d:%b" % (len(data), data))
    return UUID(bytes=hashed.digest())
