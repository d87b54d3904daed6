"""The routes as an ASGI 3 application, for a production server or to mount in another application."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.mounting import raw_target
from tyk_endpoint_stats.web.response_cache import ResponseCache
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.sessions import MAX_FORM_BYTES
from tyk_endpoint_stats.web.settings import Settings

__all__ = ["make_asgi_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


def make_asgi_app(store: ReadableStore, settings: Settings) -> AsgiApp:
    """An ASGI application that answers as ``respond`` does, each question in a worker thread of asyncio's."""
    kept = ResponseCache(store, settings)

    def ask(request: Request) -> Response:
        return respond(request, store, settings)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            response = await asyncio.to_thread(kept.respond, await _request(scope, receive), ask=ask)
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
            ]
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})

    return app


async def _request(scope: Message, receive: Receive) -> Request:
    decoded, root = scope["path"], scope.get("root_path", "").rstrip("/")
    if root and (decoded + "/").startswith(root + "/"):
        decoded = decoded[len(root) :]
    raw = scope.get("raw_path")
    target = raw_target(
        raw.decode("latin-1") if raw else None, decoded, scope.get("query_string", b"").decode("latin-1")
    )
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    body = b""
    if scope["method"] == "POST":  # of all that is answered only forms have a body, and small ones
        body = await _body(receive)
        headers["content-length"] = str(len(body))
    return Request(scope["method"], target, headers, body)


async def _body(receive: Receive) -> bytes:
    """As much of a body as is needed to see that it is too large."""
    body = b""
    while len(body) <= MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
