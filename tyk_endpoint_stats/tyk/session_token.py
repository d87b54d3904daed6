"""From what people hold (an imported key, a user's name, a claim, a certificate) to the token of its session.

The gateway does not record the hash of what it is sent, but of the token under which it keeps the session
(Tyk Gateway ``internal/crypto/token.go``; ``gateway/auth_manager.go``, ``mw_basic_auth.go`` and ``mw_jwt.go``). For
keys that the gateway made itself the two are one; for all others the token is made of the organisation and the key.
"""

import binascii
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5

from msgspec import Struct

from tyk_endpoint_stats.tyk.key_hash import ALGORITHMS, Algorithm, key_hash, members_of, token_bytes

__all__ = ["RecordedKey", "claim_token", "recorded_keys", "session_token"]

_ORG_ID_LENGTH = 24  # of a MongoDB id, with which the gateway's own legacy tokens begin


class RecordedKey(Struct, frozen=True):
    """An id under which records may know a key.

    Attributes:
        id: as in a record's ``api_key``.
        what: how the gateway makes it, for people.
        is_hash: whether it is a hash, or the token itself, which is a secret.
    """

    id: str
    what: str
    is_hash: bool


def session_token(org_id: str, key: str, function: Algorithm | None = None) -> str:
    """The gateway's token for an imported key, or for a basic-auth user's name.

    Args:
        org_id: the organisation of the API, or of the user.
        key: as its owner sends it.
        function: the gateway's ``hash_key_function``; ``None``: it has none, and a token is organisation and key.
    """
    if _org_of(key) == org_id:
        return key  # the gateway has made it: it is its own token
    return _generated(org_id, key, function)


def claim_token(org_id: str, claim: str, function: Algorithm | None = None) -> str:
    """The gateway's token for the identity in a JWT: of the MD5 of the claim's value (``sub``, unless it is set).

    Args:
        org_id: the organisation of the API.
        claim: the value of the claim that says who it is.
        function: as for ``session_token``.
    """
    return _generated(org_id, md5(token_bytes(claim), usedforsecurity=False).hexdigest(), function)


def recorded_keys(org_id: str, key: str) -> Iterator[RecordedKey]:
    """Every id that records may have for what somebody holds, the likeliest first; no id twice.

    The id that all traffic without a key has is left out, also where a short key hashes to it.

    Args:
        org_id: the organisation.
        key: a key, a basic-auth user's name, or a JWT's claim, as its owner sends it.
    """
    seen = {"", key_hash("")}
    for token, what in _tokens(org_id, key):
        for found in (RecordedKey(key_hash(token), what, True), RecordedKey(token, f"{what}, not hashed", False)):
            if found.id not in seen:
                seen.add(found.id)
                yield found


def _tokens(org_id: str, key: str) -> Iterator[tuple[str, str]]:
    functions: tuple[Algorithm | None, ...] = (None, *ALGORITHMS)
    if _org_of(key) != org_id:
        for function in functions:
            yield session_token(org_id, key, function), f"imported key or basic-auth user, {_shown(function)}"
    yield key, "key of the gateway's own"
    for function in functions:
        yield claim_token(org_id, key, function), f"JWT claim, {_shown(function)}"


def _shown(function: Algorithm | None) -> str:
    return f"hash_key_function {function}" if function else "no hash_key_function"


def _generated(org_id: str, key: str, function: Algorithm | None) -> str:
    if function is None:
        return org_id + key
    # Not escaped: the gateway puts the texts between the quotes as they are.
    return b64encode(token_bytes(f'{{"org":"{org_id}","id":"{key}","h":"{function}"}}')).decode()


def _org_of(token: str) -> str:
    """The organisation of a token that the gateway has made; ``""``: it is none."""
    named = members_of(token).get("org")
    if isinstance(named, str):
        return named
    head = token[:_ORG_ID_LENGTH]
    try:
        return head if len(token) > _ORG_ID_LENGTH and binascii.unhexlify(head) else ""
    except ValueError:
        return ""
