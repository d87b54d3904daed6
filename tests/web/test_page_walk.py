"""Without a script every link and every form of every page is answered, whatever carries them and below a prefix."""

import asyncio
import http.client
import io
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import html5lib
import msgspec
import pytest
from msgspec import structs

from tests.web.page_walk import Carrier, walk
from tests.web.page_worlds import NOW, hostile_store
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.web.asgi import make_asgi_app
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.ui_routes import FILE_ENDINGS, PAGE_NAMES
from tyk_endpoint_stats.web.wsgi import make_wsgi_app


@pytest.fixture(scope="module")
def world(make_record: Any) -> Any:
    """What hostile callers send, many paths, and a key that is gone."""
    store = hostile_store(make_record)
    more = [
        make_record(api_key=f"key-{n % 3}", path=f"/v1/{n}", timestamp="2026-11-20T12:00:00Z") for n in range(26)
    ]
    more += [make_record(api_key="gone", path=f"/{n}", timestamp="2026-10-20T12:00:00Z") for n in range(9)]
    store.ingest(msgspec.convert(more, list[Record]))
    return store


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Settings:
    return structs.replace(settings, now=lambda: NOW)


def through_wsgi(app: Any, prefix: str) -> Carrier:
    def carry(method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        path, _, query = target.removeprefix(prefix).partition("?")
        given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        environ = {
            **given,
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": prefix,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers["Content-Type"],
            "CONTENT_LENGTH": headers.get("Content-Length", ""),
            "wsgi.input": io.BytesIO(body),
        }
        begun: list[Any] = []
        answer = b"".join(app(environ, lambda *given: begun.append(given)))
        status, sent = begun[0]
        return int(status[:3]), {name.lower(): value for name, value in sent}, answer

    return carry


def through_asgi(app: Any, prefix: str) -> Carrier:
    def carry(method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        path, _, query = target.partition("?")
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": prefix,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        asyncio.run(app(scope, receive, send))
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])

    return carry


def through_a_socket(connection: http.client.HTTPConnection) -> Carrier:
    def carry(method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        connection.request(method, target, body or None, headers)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    return carry


def strict(target: str, text: str) -> None:
    """The page, read as strictly as a validator does."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    parser.parse(text)
    assert not parser.errors, f"{target}: {parser.errors[:3]}"


def test_every_link_and_every_form_is_answered_by_every_shell(
    world: Any, pages: Settings, token: str, serve: Any
) -> None:
    looked: set[str] = set()

    def look(target: str, text: str) -> None:
        if urlsplit(target).path not in looked:
            looked.add(urlsplit(target).path)
            strict(target, text)

    server = serve(world, pages)
    with closing(http.client.HTTPConnection(*server.server_address[:2], timeout=10)) as connection:
        by_socket = walk(through_a_socket(connection), token, look=look)
    by_wsgi = walk(through_wsgi(make_wsgi_app(world, pages), "/a/b"), token, "/a/b")
    by_asgi = walk(through_asgi(make_asgi_app(world, pages), "/stats"), token, "/stats")
    assert by_socket == by_wsgi == by_asgi
    names = {urlsplit(target).path.removeprefix("/ui/") for target in by_socket}
    tables = [name for name in PAGE_NAMES if name not in ("find", "about")]
    assert names >= {*PAGE_NAMES, *(f"{name}.{ending}" for name in tables for ending in FILE_ENDINGS)} - {
        "overview",  # whose address is /ui/
        *("overview.csv", "overview.json"),  # which are those of its endpoints
    }
    assert {by_socket[target] for target in by_socket if ".csv?" in target} == {"text/csv"}
    assert any("gone=1" in target for target in by_socket)
    assert looked >= {f"/ui/{name}" for name in ("", "login", *PAGE_NAMES[1:])}


def test_the_walk_finds_what_leads_astray(world: Any, pages: Settings, token: str) -> None:
    """A broken twin each: a link from the root, which a prefix breaks, and one that is not answered."""
    honest = through_wsgi(make_wsgi_app(world, pages), "/stats")
    for found, link in ((b'href="consumers?', b'href="/ui/consumers?'), (b'href="about?', b'href="abuot?')):

        def broken(*asked: Any, found: bytes = found, link: bytes = link) -> Any:
            status, headers, body = honest(*asked)
            return status, headers, body.replace(found, link)

        with pytest.raises(AssertionError, match=r"is not relative|404 at /stats/ui/abuot"):
            walk(broken, token, "/stats")
