"""What messages and logs show in the place of an id that may be a secret.

Where a gateway does not hash its keys, a consumer's id is the key: it belongs in stores and answers only.
"""

from hashlib import sha256

__all__ = ["fingerprint"]


def fingerprint(secret: str | bytes) -> str:
    """``~`` and the first 8 hexadecimal digits of the SHA-256: tells equal from different, and nothing else."""
    data = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    return "~" + sha256(data).hexdigest()[:8]
