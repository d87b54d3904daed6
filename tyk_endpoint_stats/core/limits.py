"""How long texts may be: longer ids are malformed, longer paths are cut and keep a hash, longer names are cut."""

from hashlib import sha256

from tyk_endpoint_stats.core.record import Record

__all__ = ["MAX_ID_BYTES", "MAX_NAME_BYTES", "MAX_PATH_BYTES", "cut_name", "cut_path", "too_long"]

MAX_PATH_BYTES = 2048
MAX_ID_BYTES = 512
MAX_NAME_BYTES = 256
_MAX_BYTES_A_CHARACTER = 4


def too_long(record: Record) -> str:
    """What of a record is longer than an id may be, ``""`` if nothing is."""
    characters = len(record.api_key) + len(record.oauth_id) + len(record.api_id) + len(record.org_id)
    if characters <= MAX_ID_BYTES // _MAX_BYTES_A_CHARACTER:
        return ""
    for name in ("api_key", "oauth_id", "api_id", "org_id"):
        if len(getattr(record, name).encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
            return f"{name} over {MAX_ID_BYTES} bytes"
    return ""


def cut_path(path: str) -> str:
    """A path of over 2,048 bytes is cut at a whole character and ends in a hash of the whole.

    So distinct paths stay distinct, whatever order they come in.
    """
    if len(path) <= MAX_PATH_BYTES // _MAX_BYTES_A_CHARACTER:
        return path
    data = path.encode("utf-8", "surrogatepass")
    if len(data) <= MAX_PATH_BYTES:
        return path
    return f"{_cut(data, MAX_PATH_BYTES)}~{sha256(data).hexdigest()[:16]}"


def cut_name(name: str) -> str:
    """An alias or an API's name, cut at 256 bytes and at a whole character."""
    if len(name) <= MAX_NAME_BYTES // _MAX_BYTES_A_CHARACTER:
        return name
    return _cut(name.encode("utf-8", "surrogatepass"), MAX_NAME_BYTES)


def _cut(data: bytes, limit: int) -> str:
    return data[:limit].decode("utf-8", "ignore")
