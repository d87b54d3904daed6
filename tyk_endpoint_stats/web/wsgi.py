"""The routes as a WSGI application (PEP 3333), for a production server or to mount in another application."""

from collections.abc import Callable, Iterable
from typing import Any

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.mounting import raw_target
from tyk_endpoint_stats.web.response_cache import ResponseCache
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.sessions import MAX_FORM_BYTES
from tyk_endpoint_stats.web.settings import Settings

__all__ = ["make_wsgi_app"]

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def make_wsgi_app(store: ReadableStore, settings: Settings) -> WsgiApp:
    """A WSGI application that answers as ``respond`` does. Thread-safe where the store is.

    Ids with a slash in them need a server that keeps the raw target: waitress, gunicorn, uWSGI, mod_wsgi do.
    """
    kept = ResponseCache(store, settings)

    def ask(request: Request) -> Response:
        return respond(request, store, settings)

    def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = kept.respond(_request(environ), ask=ask)
        start_response(f"{response.status} {response.reason}", list(response.headers))
        return [response.body] if response.body else []

    return app


def _request(environ: Environ) -> Request:
    # By PEP 3333 text here is bytes decoded as latin-1.
    decoded = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
    target = raw_target(
        environ.get("REQUEST_URI", environ.get("RAW_URI")), decoded, environ.get("QUERY_STRING", "")
    )
    headers = {
        name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
    }
    body = b""
    if environ["REQUEST_METHOD"] == "POST":  # of all that is answered only forms have a body, and small ones
        headers |= {"content-type": environ.get("CONTENT_TYPE", ""), "content-length": str(_length(environ))}
        body = environ["wsgi.input"].read(min(_length(environ), MAX_FORM_BYTES))
    return Request(environ["REQUEST_METHOD"], target, headers, body)


def _length(environ: Environ) -> int:
    text = environ.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdecimal() else 0
