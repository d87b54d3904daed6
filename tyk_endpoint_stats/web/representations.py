"""In which form an answer is sent, and whether it has to be sent at all."""

import zlib
from functools import cache
from hashlib import sha256

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.contract import Versioned
from tyk_endpoint_stats.web.messages import Headers, Request, Response, make_response

__all__ = [
    "FORMATS",
    "accepted_format",
    "accepts_gzip",
    "conditional",
    "entity_tag",
    "is_current",
    "not_modified",
    "package_version",
    "represented",
]

FORMATS = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}
"""Media types by the name that ``format`` has for them."""

GZIP_FROM_BYTES = 1_024
"""A shorter body fits into a packet as it is."""

CACHE_CONTROL = "private, no-cache"
"""Whoever gets it may keep it, for itself, and asks each time whether it still holds."""

VARY = "Authorization, Cookie, Accept, Accept-Encoding"
_MEDIA = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "text/csv": "csv",
}


def accepted_format(request: Request) -> str:
    """The form that the request's ``Accept`` likes best; JSON where it knows none of ours."""
    best, found = 0.0, "json"
    for part in request.headers.get("accept", "").split(","):
        media, *options = (piece.strip().lower() for piece in part.split(";"))
        quality = _quality(options)
        if media in _MEDIA and quality > best:
            best, found = quality, _MEDIA[media]
    return found


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes a compressed body."""
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, *options = (piece.strip().lower() for piece in part.split(";"))
        if coding == "gzip":
            return _quality(options) > 0
    return False


def entity_tag(store: ReadableStore, *asked: object) -> str | None:
    """What stays the same as long as the answer does; ``None``: the store does not tell.

    To be worked out before the store is asked: an answer may then be newer than its tag, but never older.

    Args:
        store: whose version it is of.
        asked: all that the answer depends on beside the store.

    Raises:
        StoreError: the store can't answer.
    """
    if not isinstance(store, Versioned):
        return None
    return f'"{sha256(repr((store.version(), asked)).encode("utf-8", "surrogatepass")).hexdigest()[:24]}"'


@cache
def package_version() -> str:
    """Of this package: another one may answer the same differently."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tyk-endpoint-stats")
    except PackageNotFoundError:  # run from a folder
        return "unknown"


def is_current(request: Request, tag: str | None) -> bool:
    """Whether the client has what has this tag (RFC 9110, 13.1.2)."""
    known = request.headers.get("if-none-match")
    if known is None or tag is None:
        return False
    return known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))


def conditional(request: Request, response: Response) -> Response:
    """The answer, or, where the client has it, that it is the same."""
    tag = next((value for name, value in response.headers if name == "ETag"), None)
    return not_modified(tag) if tag is not None and is_current(request, tag) else response


def not_modified(tag: str) -> Response:
    """What the client has is what it would get."""
    return Response(304, (("ETag", tag), ("Cache-Control", CACHE_CONTROL), ("Vary", VARY)), b"")


def represented(request: Request, media_type: str, body: bytes, tag: str | None, extra: Headers = ()) -> Response:
    """An answer with its tag, compressed where that is worth it and the client takes it."""
    headers: Headers = (("Vary", VARY), *extra)
    if tag is not None:
        headers = (("ETag", tag), *headers)
    if len(body) >= GZIP_FROM_BYTES and accepts_gzip(request):
        packer = zlib.compressobj(
            level=5, wbits=31
        )  # with a gzip head, whose time is 0: equal answers, equal bytes
        body = packer.compress(body) + packer.flush()
        headers = (("Content-Encoding", "gzip"), *headers)
    return make_response(200, media_type, body, headers, cache_control=CACHE_CONTROL)


def _quality(options: list[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0
