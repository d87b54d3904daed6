"""The name under which Tyk records an API key: a hash of the token, where the gateway hashes keys.

People know keys, the records know hashes. The token itself says which algorithm (Tyk Gateway
``internal/crypto/hash.go`` and ``token.go``); ``hash_key_function`` only decides how new tokens are made:
``session_token`` makes them.
"""

import binascii
import json
from base64 import b64decode
from hashlib import sha256
from typing import Any, Literal

__all__ = ["ALGORITHMS", "Algorithm", "algorithm_of", "hash_token", "key_hash", "members_of", "token_bytes"]

Algorithm = Literal["murmur32", "murmur64", "murmur128", "sha256"]

ALGORITHMS: tuple[Algorithm, ...] = ("murmur32", "murmur64", "murmur128", "sha256")

_MASK_32, _MASK_64 = 2**32 - 1, 2**64 - 1


def key_hash(token: str) -> str:
    """What the gateway makes of a token: lower-case hex, by the algorithm that the token names."""
    return hash_token(token, algorithm_of(token))


def algorithm_of(token: str) -> Algorithm:
    """The algorithm by which the gateway hashes a token: ``murmur32`` for whatever names no other.

    A token that names one is base64, with its padding, of a JSON object: ``{"org": …, "id": …, "h": "murmur64"}``.
    """
    named = members_of(token).get("h")
    return next((each for each in ALGORITHMS if each == named), "murmur32")


def members_of(token: str) -> dict[str, Any]:
    """What a token says of itself: ``org``, ``id`` and ``h``; nothing for one that is no JSON object in base64."""
    if not token.startswith("ey"):
        return {}
    try:
        # Go's decoder passes over line ends; nothing else but the alphabet is base64 to either.
        members = json.loads(b64decode(token.replace("\r", "").replace("\n", ""), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def hash_token(token: str, algorithm: Algorithm) -> str:
    """The hash of a token's UTF-8 bytes by one of Tyk's algorithms: 8, 16, 32 or 64 hex digits."""
    data = token_bytes(token)
    match algorithm:
        case "sha256":
            return sha256(data).hexdigest()
        case "murmur128":
            return "{:016x}{:016x}".format(*_murmur3_x64_128(data))
        case "murmur64":
            return f"{_murmur3_x64_128(data)[0]:016x}"
        case _:
            return f"{_tyk_murmur32(data):08x}"


def token_bytes(token: str) -> bytes:
    """A token's UTF-8 bytes; of a command line's text that is not UTF-8, the bytes that it came as."""
    try:
        return token.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return token.encode("utf-8", "surrogatepass")


def _tyk_murmur32(data: bytes) -> int:
    """Not MurmurHash3-32: Tyk's own reads whole blocks of four bytes, and has no tail, length or final mixing."""
    state = 0
    for at in range(0, len(data) - 3, 4):
        block = int.from_bytes(data[at : at + 4], "little") * 0xCC9E2D51 & _MASK_32
        state ^= _rotated(block, 15, 32) * 0x1B873593 & _MASK_32
        state = _rotated(state, 13, 32) * 5 + 0xE6546B64 & _MASK_32
    return state


def _murmur3_x64_128(data: bytes) -> tuple[int, int]:
    """MurmurHash3 x64 128 with seed 0 (Austin Appleby, in the public domain)."""
    first = second = 0
    whole = len(data) - len(data) % 16
    for at in range(0, whole, 16):
        first ^= _first_mixed(data[at : at + 8])
        first = (_rotated(first, 27, 64) + second) * 5 + 0x52DCE729 & _MASK_64
        second ^= _second_mixed(data[at + 8 : at + 16])
        second = (_rotated(second, 31, 64) + first) * 5 + 0x38495AB5 & _MASK_64
    first ^= _first_mixed(data[whole : whole + 8]) ^ len(data)
    second ^= _second_mixed(data[whole + 8 :]) ^ len(data)
    first = first + second & _MASK_64
    second = second + first & _MASK_64
    first, second = _finished(first), _finished(second)
    first = first + second & _MASK_64
    return first, second + first & _MASK_64


_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def _first_mixed(block: bytes) -> int:
    return _rotated(int.from_bytes(block, "little") * _C1 & _MASK_64, 31, 64) * _C2 & _MASK_64


def _second_mixed(block: bytes) -> int:
    return _rotated(int.from_bytes(block, "little") * _C2 & _MASK_64, 33, 64) * _C1 & _MASK_64


def _finished(state: int) -> int:
    state = (state ^ state >> 33) * 0xFF51AFD7ED558CCD & _MASK_64
    state = (state ^ state >> 33) * 0xC4CEB9FE1A85EC53 & _MASK_64
    return state ^ state >> 33


def _rotated(value: int, by: int, width: int) -> int:
    return (value << by | value >> width - by) & (1 << width) - 1
