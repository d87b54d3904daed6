"""The endpoint key: how Tyk Pump's aggregates write ``(api_id, path)`` as one name.

Beside an owner standard base64 of ``api_id + ":" + path`` without the ``=`` at its end (tyk-pump
``analytics/aggregate.go``). An encoding and no hash, so it can be read back; base64 has no dot, so ``owner.key``
splits at the last one. Over all owners (``apiendpoints``) it is hexadecimal, with the API's version in it.
"""

from base64 import b64decode, b64encode

from tyk_endpoint_stats.core.batch import Endpoint
from tyk_endpoint_stats.core.fingerprint import fingerprint

__all__ = ["decode_api_endpoint_key", "decode_endpoint_key", "encode_endpoint_key"]


def encode_endpoint_key(endpoint: Endpoint) -> str:
    """The key under which Pump's aggregates keep an endpoint."""
    return b64encode(f"{endpoint.api_id}:{endpoint.path}".encode("utf-8", "replace")).decode().rstrip("=")


def decode_endpoint_key(key: str) -> Endpoint:
    """The endpoint of a key. The first colon ends the API's id; bytes that are not UTF-8 become U+FFFD.

    So two keys may stand for one endpoint: whoever reads both merges them.

    Raises:
        ValueError: no base64, or no colon in it. What is no endpoint's key may be an owner's: it is not shown.
    """
    try:
        text = b64decode(key + "=" * (-len(key) % 4), validate=True).decode("utf-8", "replace")
    except ValueError as problem:
        raise ValueError(f"{fingerprint(key)} is no endpoint key: {problem}") from problem
    api_id, colon, path = text.partition(":")
    if not colon:
        raise ValueError(f"{fingerprint(key)} is no endpoint key: no colon in it ends the API's id")
    return Endpoint(api_id, path)


def decode_api_endpoint_key(key: str) -> Endpoint:
    """The endpoint of a key of ``apiendpoints``: hexadecimal of ``api_id + ":" + version + ":" + path``.

    The first colon ends the API's id, the second one its version; versions of one endpoint are one endpoint to us.

    Raises:
        ValueError: no hexadecimal digits, or fewer than two colons in it.
    """
    try:
        api_id, _, path = bytes.fromhex(key).decode("utf-8", "replace").split(":", 2)
    except ValueError as problem:
        raise ValueError(f"{fingerprint(key)} is no endpoint key: no id, version and path in it") from problem
    return Endpoint(api_id, path)
