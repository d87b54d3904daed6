"""A request and a response as plain values: what every shell (stdlib, WSGI, ASGI) hands in and carries out."""

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import Struct, structs

from tyk_endpoint_stats.web.tyk_json import error_body

__all__ = [
    "JSON",
    "Headers",
    "Request",
    "Response",
    "busy_response",
    "error_response",
    "json_response",
    "make_response",
]

Headers = tuple[tuple[str, str], ...]

JSON = "application/json; charset=utf-8"


class Request(Struct, frozen=True):
    """One request. Only the forms of the pages have a body.

    Attributes:
        method: as it came, in capitals.
        target: the raw request target, percent signs and query included.
        headers: by lower-case name; values are text of latin-1 characters, trimmed.
        body: of a form, bounded by whoever read it.
    """

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Response(Struct, frozen=True):
    """One answer. ``Date`` and ``Connection`` are the shell's to add; everything else is here.

    Attributes:
        status: the HTTP status.
        headers: in the order in which they are sent.
        body: the bytes behind them.
    """

    status: int
    headers: Headers
    body: bytes

    @property
    def reason(self) -> str:
        """The standard phrase of the status."""
        return HTTPStatus(self.status).phrase

    def without_body(self) -> "Response":
        """What a HEAD gets: the same headers, ``Content-Length`` too, and nothing behind them."""
        return structs.replace(self, body=b"")


def make_response(
    status: int,
    media_type: str,
    body: bytes,
    extra: Headers = (),
    *,
    cache_control: str = "no-store",
) -> Response:
    """A response of any kind: HTML, CSV, a redirect.

    Args:
        status: the HTTP status.
        media_type: with its charset.
        body: the bytes.
        extra: further headers, such as ``Location`` or ``Set-Cookie``.
        cache_control: what whoever gets it may keep of it.
    """
    headers = (
        ("Content-Type", media_type),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", cache_control),
        ("Content-Length", str(len(body))),
        *extra,
    )
    return Response(status, headers, body)


def json_response(status: int, body: bytes, extra: Headers = ()) -> Response:
    """A response with JSON in it."""
    return make_response(status, JSON, body, extra)


def error_response(status: int, message: str, extra: Headers = ()) -> Response:
    """A response with the error envelope of Tyk's Dashboard in it."""
    return json_response(status, error_body(message), extra)


def busy_response() -> Response:
    """What a client gets that may come back in a second."""
    return error_response(503, "Busy, try again", (("Retry-After", "1"),))
