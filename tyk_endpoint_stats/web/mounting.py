"""Finding the raw request target again where a server or framework hands over a decoded path.

WSGI and ASGI decode the path before an application sees it, and ``%2F`` inside a consumer's id is lost then.
Most servers keep the raw form beside it, prefix of the mount point included.
"""

from urllib.parse import quote, unquote

from tyk_endpoint_stats.web.targets import path_and_query

__all__ = ["raw_target"]


def raw_target(raw: str | None, decoded: str, query: str) -> str:
    """The target below the mount point, as raw as it can be had.

    Args:
        raw: what the server kept of the request line: path, or target, with the mount point's prefix. ``None``:
            nothing.
        decoded: the decoded path below the mount point; bytes that are not UTF-8 are U+FFFD.
        query: the raw query.
    """
    path = _raw_tail(path_and_query(raw)[0], decoded) if raw is not None else None
    if path is None:
        path = quote(decoded, safe="/:@!$&'()*+,;=~")
    return f"{path}?{query}" if query else path


def _raw_tail(raw: str, decoded: str) -> str | None:
    """The end of a raw path that decodes to ``decoded``; ``None``: something rewrote the one, not the other."""
    whole = unquote(raw)
    if not decoded.startswith("/") or not whole.endswith(decoded):
        return None
    prefix_length = len(whole) - len(decoded)
    passed = at = 0
    for part in raw.split("/")[:-1]:
        passed += len(unquote(part))
        at += len(part)
        if passed == prefix_length:
            return raw[at:]
        passed += 1
        at += 1
    return None
