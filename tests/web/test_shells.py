"""One table of requests, asked of the pure function and through every shell: the answers are equal."""

import asyncio
import http.client
import io
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import unquote_to_bytes
from wsgiref.validate import validator

import pytest
import uvicorn
import waitress
from msgspec import structs

from tyk_endpoint_stats.web.asgi import make_asgi_app
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.mounting import raw_target
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
DAYS = "13/10/2020/14/10/2020"
TARGETS = [
    f"/api/activity/keys/endpoint/7f3c3ca87376cabe/{DAYS}",
    f"/api/activity/keys/endpoint/7f3c3ca87376cabe/{DAYS}?p=1&api_id=41351a6a94094da05f75146a695a16f6",
    f"/api/activity/oauthid/27b35a9ed46e429eb2361e440cc4005c/{DAYS}",
    f"/api/activity/keys/endpoint/with%2Fslash/{DAYS}",
    f"/api/activity/keys/with%20space%E2%82%AC/{DAYS}?p=-1",
    f"/api/activity/keys/%ff/{DAYS}",
    f"/api/activity/keys/%zz/{DAYS}",
    f"/api/activity/keys/k/{DAYS}?p=x",
    "/api/activity/keys/endpoint/k/31/2/2020/1/3/2020",
    f"//api/usage/{DAYS}?res=day",
    f"/api/usage/{DAYS}?tags=x",
    "/v1/endpoints?from=2020-10-13&to=2020-10-14&limit=2",
    "/v1/pairs?from=all&format=csv",
    "/v1/series?from=2020-10-13T00:00:00%2B05:30&to=2020-10-14T00:00:00Z&interval=1h",
    "/v1/totals?frm=2020-10-13",
    "/v1/nowhere",
    "/nowhere",
    "/health",
    "/ready",
    "/openapi.json",
]
TABLE = [
    Request(method, target, {"authorization": token} if token else {})
    for target in TARGETS
    for method in ("GET", "HEAD", "POST")
    for token in (TOKEN, "Bearer " + TOKEN, "wrong", None)
]


@pytest.fixture(scope="module")
def several(make_store, make_record, samples):
    extra = [make_record(api_key=key) for key in ("with/slash", "with space€")]
    return make_store([record for sample in samples for record in sample["records"]] + extra)


def through_server(request, connection):
    connection.request(request.method, request.target, headers=dict(request.headers))
    answer = connection.getresponse()
    headers = tuple(pair for pair in answer.getheaders() if pair[0] not in ("Date", "Connection"))
    return Response(answer.status, headers, answer.read())


def environ_of(request, mount="", **more):
    path, _, query = request.target.partition("?")
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": mount,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper()}": value for name, value in request.headers.items()},
        **more,
    }


def through_wsgi(app, environ):
    started = []

    def start_response(status, headers, exc_info=None):
        started.append((status, tuple(headers)))
        return lambda data: None

    body = validator(app)(environ, start_response)
    try:
        data = b"".join(body)
    finally:
        body.close()
    ((status, headers),) = started
    return Response(int(status.split(" ")[0]), headers, data)


def through_asgi(app, request, mount="", **more):
    path, _, query = request.target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "path": mount + unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": (mount + path).encode(),
        "query_string": query.encode(),
        "root_path": mount,
        "headers": [(name.encode(), value.encode()) for name, value in request.headers.items()],
        **more,
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    start, body = sent
    headers = tuple((name.decode(), value.decode()) for name, value in start["headers"])
    return Response(start["status"], headers, body["body"])


def in_small_letters(response):
    return structs.replace(response, headers=tuple((name.lower(), value) for name, value in response.headers))


def test_the_server_answers_as_the_pure_function_does(several, settings, serve):
    server = serve(several, settings)
    connection = http.client.HTTPConnection(*server.server_address[:2])
    seen = set()
    for request in TABLE:
        wanted = respond(request, several, settings)
        assert through_server(request, connection) == wanted
        seen.add(wanted.status)
    connection.close()
    assert seen == {200, 400, 401, 404, 405}


@pytest.mark.parametrize("kept", ["REQUEST_URI", "RAW_URI"])
@pytest.mark.parametrize("mount", ["", "/mounted/at%20x"])
def test_wsgi_answers_as_the_pure_function_does(several, settings, kept, mount):
    app = make_wsgi_app(several, settings)
    for request in TABLE:
        environ = environ_of(request, mount.replace("%20", " "), **{kept: mount + request.target})
        assert through_wsgi(app, environ) == respond(request, several, settings), request


@pytest.mark.parametrize("mount", ["", "/mounted"])
def test_asgi_answers_as_the_pure_function_does(several, settings, mount):
    app = make_asgi_app(several, settings)
    for request in TABLE:
        wanted = in_small_letters(respond(request, several, settings))
        assert through_asgi(app, request, mount) == wanted, request


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda app, asked: through_wsgi(app, environ_of(asked)), id="wsgi"),
        pytest.param(through_asgi, id="asgi"),
    ],
)
def test_a_question_that_is_asked_again_reads_the_store_after_each_change(
    make_store, make_record, settings, monkeypatch, ask
):
    store = make_store([make_record(api_key="k")])
    app = make_wsgi_app(store, settings) if ask is not through_asgi else make_asgi_app(store, settings)
    reads = []
    read = store.read

    def counted(selection):
        reads.append(selection)
        return read(selection)

    monkeypatch.setattr(store, "read", counted)
    asked = Request("GET", f"/api/activity/keys/endpoint/k/{DAYS}", {"authorization": TOKEN})
    for _ in range(2):
        wanted = in_small_letters(respond(asked, store, settings))
        assert wanted.status == 200
        assert [in_small_letters(ask(app, asked)) for _ in range(3)] == [wanted] * 3
        assert len(reads) == 2, "once by the plain function, and once by the shell"
        store.ingest([make_record(api_key="k")])
        reads.clear()


@contextmanager
def under_waitress(store, settings):
    server = waitress.create_server(make_wsgi_app(store, settings), host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        thread.join(10)
        waitress.wasyncore.close_all(server._map, ignore_all=True)  # the clients' connections


@contextmanager
def under_uvicorn(store, settings):
    server = uvicorn.Server(uvicorn.Config(make_asgi_app(store, settings), log_config=None, lifespan="on"))
    # With its protocol named, or asyncio leaves Nagle's algorithm on.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.mark.parametrize("production_server", [under_waitress, under_uvicorn])
def test_production_servers_answer_as_the_pure_function_does(several, settings, production_server):
    added = {"date", "connection", "server", "via"}
    with production_server(several, settings) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for request in TABLE:
            wanted = in_small_letters(respond(request, several, settings))
            answer = in_small_letters(through_server(request, connection))
            ours = {pair for pair in answer.headers if pair[0] not in added}
            assert (answer.status, ours, answer.body) == (wanted.status, set(wanted.headers), wanted.body), request
        connection.close()


def test_a_server_that_kept_no_raw_target_loses_encoded_slashes_only(several, settings):
    wsgi, asgi = make_wsgi_app(several, settings), make_asgi_app(several, settings)
    for target in TARGETS:
        request = Request("GET", target, {"authorization": TOKEN})
        if "%2F" in target or "%ff" in target or "%zz" in target:
            continue
        wanted = respond(request, several, settings)
        assert through_wsgi(wsgi, environ_of(request)) == wanted
        assert through_asgi(asgi, request, raw_path=None) == in_small_letters(wanted)
    slashed = Request("GET", TARGETS[3], {"authorization": TOKEN})
    assert through_wsgi(wsgi, environ_of(slashed)).status == 404


@pytest.mark.parametrize(
    ("raw", "decoded", "target"),
    [
        ("/a%2Fb/c", "/a/b/c", "/a%2Fb/c"),
        ("/m/a%2Fb/c", "/a/b/c", "/a%2Fb/c"),
        ("/m%2Fn/a", "/a", "/a"),
        ("http://h/m/a%2Fb", "/a/b", "/a%2Fb"),
        ("/%E2%82%AC/a", "/a", "/a"),
        ("/%ff/a%ff", "/a\ufffd", "/a%ff"),
        ("/a/a/a", "/a/a", "/a/a"),
        ("/m%2Fa", "/a", "/a"),  # the slash before the rest is encoded: it can't be told, so the decoded form
        ("/other", "/rewritten%", "/rewritten%25"),
        ("/m", "", ""),
        (None, "/a b€", "/a%20b%E2%82%AC"),
        ("*", "*", "*"),
    ],
)
def test_the_raw_form_of_a_decoded_path_is_found_again(raw, decoded, target):
    assert raw_target(raw, decoded, "") == target
    assert raw_target(raw, decoded, "q=%2F") == target + "?q=%2F"


def test_asgi_takes_part_in_the_lifespan(several, settings):
    app = make_asgi_app(several, settings)
    sent = []

    async def run():
        inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive():
            return next(inbox)

        async def send(message):
            sent.append(message["type"])

        await app({"type": "lifespan"}, receive, send)

    asyncio.run(run())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_asgi_closes_a_websocket(several, settings):
    sent = []

    async def run():
        async def send(message):
            sent.append(message["type"])

        await make_asgi_app(several, settings)({"type": "websocket"}, None, send)

    asyncio.run(run())
    assert sent == ["websocket.close"]


def test_asgi_joins_repeated_headers_so_that_two_tokens_are_none(several, settings):
    app = make_asgi_app(several, settings)
    pairs = [(b"authorization", TOKEN.encode())] * 2
    assert through_asgi(app, Request("GET", TARGETS[0]), headers=pairs).status == 401
