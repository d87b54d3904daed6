"""Bytes that servers were seen to misread, sent over a socket: how many answers come, which, and is it over then.

A probe holds ``smuggled`` requests where another reading would find some: an answer to one of them is what must
not happen. The broken twin, a server whose reader takes heads as http.server does, is tried last.
"""

import http.server
import json
import os
import random
import socket
import threading
from contextlib import contextmanager

import pytest

from tyk_endpoint_stats.web import connection
from tyk_endpoint_stats.web.connection import Connection, Limits
from tyk_endpoint_stats.web.server import make_server

pytestmark = pytest.mark.slow

TOKEN = b"7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
HOST = b"Host: h\r\n"
AUTH = b"Authorization: " + TOKEN + b"\r\n"
GOOD = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
SMUGGLED = b"GET /ready HTTP/1.1\r\n" + HOST + b"\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(SMUGGLED)


def head(*lines, line=b"GET /health HTTP/1.1"):
    return b"\r\n".join([line, *lines, b"", b""])


H = HOST[:-2]
PROBES = {
    # a body, openly or hidden, must never be run as a request
    "body after GET": (head(H, LENGTH[:-2]) + SMUGGLED, [413]),
    "body after HEAD": (head(H, LENGTH[:-2], line=b"HEAD /health HTTP/1.1") + SMUGGLED, [413]),
    "body after POST": (head(H, LENGTH[:-2], line=b"POST /health HTTP/1.1") + SMUGGLED, [405]),
    "body after an unknown method": (head(H, LENGTH[:-2], line=b"BREW /health HTTP/1.1") + SMUGGLED, [405]),
    "a space before the colon hides the length": (head(H, LENGTH[:-2].replace(b":", b" :")) + SMUGGLED, [400]),
    "a tab before the colon hides it": (head(H, LENGTH[:-2].replace(b":", b"\t:")) + SMUGGLED, [400]),
    "a bad line hides it": (head(H, b"bad line", LENGTH[:-2]) + SMUGGLED, [400]),
    "a folded line hides it": (head(H, b"X: a", b" " + LENGTH[:-2]) + SMUGGLED, [400]),
    "a first line that is folded hides it": (head(b" " + LENGTH[:-2], H) + SMUGGLED, [400]),
    "a bare CR in a value hides it": (head(H, b"X: a\r" + LENGTH[:-2]) + SMUGGLED, [400]),
    "a bare LF hides it": (b"GET /health HTTP/1.1\r\nHost: h\n" + LENGTH + b"\r\n" + SMUGGLED, [400]),
    "NUL in a name hides it": (head(H, b"\x00" + LENGTH[:-2]) + SMUGGLED, [400]),
    "a vertical tab hides it": (head(H, b"\x0b" + LENGTH[:-2]) + SMUGGLED, [400]),
    "chunked": (head(H, b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + SMUGGLED, [400]),
    "chunked with length": (head(H, b"Transfer-Encoding: chunked", LENGTH[:-2]) + SMUGGLED, [400]),
    "chunked POST": (head(H, b"Transfer-Encoding: chunked", line=b"POST /health HTTP/1.1") + SMUGGLED, [400]),
    "obscured chunked": (head(H, b"Transfer-Encoding: \x0bchunked") + SMUGGLED, [400]),
    "quoted chunked": (head(H, b'Transfer-Encoding: "chunked"') + SMUGGLED, [400]),
    "length -1": (head(H, b"Content-Length: -1") + SMUGGLED, [400]),
    "length +5": (head(H, b"Content-Length: +5") + SMUGGLED, [400]),
    "length 1_0": (head(H, b"Content-Length: 1_0") + SMUGGLED, [400]),
    "length in hexadecimal": (head(H, b"Content-Length: 0x5") + SMUGGLED, [400]),
    "length with a fraction": (head(H, b"Content-Length: 5.0") + SMUGGLED, [400]),
    "length of nothing": (head(H, b"Content-Length:") + SMUGGLED, [400]),
    "length of many digits": (head(H, b"Content-Length: " + b"9" * 400) + SMUGGLED, [400]),
    "two lengths": (head(H, b"Content-Length: 0", LENGTH[:-2]) + SMUGGLED, [400]),
    "two equal lengths": (head(H, b"Content-Length: 0", b"Content-Length: 0") + SMUGGLED, [400]),
    "a list of lengths": (head(H, b"Content-Length: 0, 0") + SMUGGLED, [400]),
    # one host, one token
    "no Host": (head() + SMUGGLED, [400]),
    "two Hosts": (head(H, b"Host: other") + SMUGGLED, [400]),
    "two authorizations": (head(H, AUTH[:-2], AUTH[:-2]) + SMUGGLED, [400]),
    # a head that ends too early is no request
    "cut off in the line": (b"GET /health HTTP/1.1", []),
    "cut off after the line": (b"GET /health HTTP/1.1\r\n", []),
    "cut off in a header": (b"GET /health HTTP/1.1\r\nHost: h", []),
    "cut off before the end": (b"GET /health HTTP/1.1\r\nHost: h\r\n", []),
    "cut off in the last line end": (b"GET /health HTTP/1.1\r\nHost: h\r\n\r", []),
    "nothing at all": (b"", []),
    # other protocols and versions
    "HTTP/0.9": (b"GET /health\r\n\r\n", [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(40)), [400]),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    "HTTP/2.0": (head(H, line=b"GET /health HTTP/2.0"), [505]),
    "HTTP/1.10": (head(H, line=b"GET /health HTTP/1.10"), [400]),
    "HTTP/1.2": (head(H, line=b"GET /health HTTP/1.2"), [505]),
    # the request line
    "tabs for spaces": (head(H, line=b"GET\t/health\tHTTP/1.1"), [400]),
    "NUL in the line": (head(H, line=b"GET /health\x00 HTTP/1.1"), [400]),
    "a byte above 0x7e in the line": (head(H, line=b"GET /h\xe9 HTTP/1.1"), [400]),
    "two spaces": (head(H, line=b"GET  /health HTTP/1.1"), [400]),
    "a method in small letters": (head(H, line=b"get /health HTTP/1.1"), [400]),
    "a space in the target": (head(H, line=b"GET /health /ready HTTP/1.1"), [400]),
    "two leading CRLF": (b"\r\n\r\n" + GOOD, [400]),
    "bare LF line ends": (GOOD.replace(b"\r\n", b"\n"), [400]),
    # sizes
    "5 MB of headers": (
        b"GET /health HTTP/1.1\r\n" + HOST + (b"X: " + b"a" * 1000 + b"\r\n") * 5_400 + b"\r\n",
        [431],
    ),
    "65 headers": (head(H, *[b"X: y"] * 64), [431]),
    "a line of 65,000": (head(H, line=b"GET /" + b"a" * 65_000 + b" HTTP/1.1"), [414]),
    "a target of 4,097": (head(H, line=b"GET /" + b"a" * 4_096 + b" HTTP/1.1"), [414]),
    "a token of 16 kB": (head(H, b"Authorization: " + b"a" * 16_384), [431]),
    # what is fine
    "one leading CRLF": (b"\r\n" + GOOD, [200]),
    "64 headers": (head(H, *[b"X: y"] * 63), [200]),
    "three pipelined": (GOOD + SMUGGLED + GOOD.replace(b"/health", b"/nowhere"), [200, 200, 401]),
    "pipelined behind a refusal": (GOOD + head(H, b"bad") + SMUGGLED, [200, 400]),
    "pipelined behind close": (head(H, b"Connection: close") + SMUGGLED, [200]),
    "pipelined behind 1.0": (head(line=b"GET /health HTTP/1.0") + SMUGGLED, [200]),
    "1.0 with keep-alive": (head(b"Connection: keep-alive", line=b"GET /health HTTP/1.0") + SMUGGLED, [200, 200]),
    "absolute form": (head(H, line=b"GET http://other:1/health HTTP/1.1"), [200]),
    "asterisk": (head(H, AUTH[:-2], line=b"GET * HTTP/1.1"), [400]),
    "OPTIONS asterisk": (head(H, AUTH[:-2], line=b"OPTIONS * HTTP/1.1"), [405]),
    "CONNECT": (head(H, AUTH[:-2], line=b"CONNECT h:443 HTTP/1.1"), [405]),
    "Expect": (head(H, b"Expect: 100-continue"), [200]),
    "Upgrade": (head(H, b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAAA"), [200]),
    "length 0": (head(H, b"Content-Length: 0") + SMUGGLED, [200, 200]),
    "latin-1 in a value": (head(H, b"X: \xe9\xff\x80"), [200]),
    "a path to a file": (head(H, AUTH[:-2], line=b"GET /../../../../etc/passwd HTTP/1.1"), [404]),
    "a hidden path to a file": (head(H, AUTH[:-2], line=b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), [404]),
    "NUL in the path": (head(H, AUTH[:-2], line=b"GET /%00 HTTP/1.1"), [400]),
}


def answers(data, methods=()):
    """The statuses of the answers in ``data``, each of which must be a whole one with JSON in it."""
    found = []
    while data:
        start, separator, rest = data.partition(b"\r\n\r\n")
        assert separator, data[:200]
        status_line, *lines = start.split(b"\r\n")
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        assert headers.get(b"content-type") == b"application/json; charset=utf-8"
        assert b"date" in headers
        assert b"server" not in headers
        length = int(headers[b"content-length"])
        has_body = methods[len(found)] != b"HEAD" if len(found) < len(methods) else True
        body = rest[:length] if has_body else b""
        status = int(status_line.split(b" ")[1])
        if has_body:
            assert len(body) == length
            envelope = json.loads(body)
            assert status == 200 or list(envelope) == ["Status", "Message", "Meta"]
        found.append(status)
        data = rest[len(body) :]
    return found


@contextmanager
def serving(store, settings):
    with make_server(store, settings=settings, port=0, limits=Limits(linger_s=0.3)) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join(10)


@pytest.fixture(scope="module")
def server(store, settings):
    with serving(store, settings) as made:
        yield made


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_gets_these_answers_and_no_more(server, exchange, name):
    data, expected = PROBES[name]
    methods = [b"HEAD"] if data.startswith(b"HEAD") else []
    assert answers(exchange(server, data), methods) == expected
    assert answers(exchange(server, GOOD)) == [200]  # alive


@pytest.mark.parametrize(
    "name",
    [name for name, (_, expected) in PROBES.items() if expected and expected[-1] in (400, 413, 414, 431, 505)],
)
def test_after_a_refusal_the_server_closes_without_being_asked(server, exchange, name):
    data, expected = PROBES[name]
    if "asterisk" in name or "NUL in the path" in name:
        data = data.replace(
            HOST, HOST + b"Connection: close\r\n"
        )  # these are the routes' answers, not the reader's
    methods = [b"HEAD"] if data.startswith(b"HEAD") else []
    answer = exchange(server, data, half_close=False)
    assert answers(answer, methods) == expected
    assert b"\r\nConnection: close\r\n" in answer


def test_a_refused_head_request_has_no_body(server, exchange):
    answer = exchange(server, b"HEAD /health HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


def test_a_half_closed_client_gets_all_its_answers(server, exchange):
    assert answers(exchange(server, GOOD * 50)) == [200] * 50


def test_the_connection_ends_after_its_thousandth_request(server, exchange):
    assert answers(exchange(server, GOOD * 1_010)) == [200] * 1_000


def mutated(chosen):
    data = bytearray(
        chosen.choice([probe for probe, _ in PROBES.values() if len(probe) < 2_000 and b"HEAD" not in probe])
    )
    other = chosen.choice(
        [GOOD, SMUGGLED, head(H, AUTH[:-2], line=b"GET /api/activity/keys/k/1/1/2020/1/1/2021 HTTP/1.1")]
    )
    for _ in range(chosen.randint(1, 5)):
        at = chosen.randrange(len(data) + 1)
        match chosen.randrange(5):
            case 0:
                data[at : at + 1] = bytes([chosen.randrange(256)])
            case 1:
                del data[at : at + chosen.randint(1, 30)]
            case 2:
                data[at:at] = chosen.choice([b"\r\n", b"\n", b"\r", b"\x00", b" ", b":", b"%2F", b"\xff", other])
            case 3:
                data[at:at] = data[:at][-chosen.randint(1, 40) :]
            case _:
                data += other
    return bytes(data)


def hammer(server, exchange, seed, rounds):
    """Send mutated requests over one connection each; whatever comes back must be whole answers of ours."""
    chosen = random.Random(seed)
    seen = {}
    for _ in range(rounds):
        data = mutated(chosen)
        answer = exchange(server, data)
        for status in answers(answer):
            seen[status] = seen.get(status, 0) + 1
    return seen


@contextmanager
def alone():
    """Like ``exchange``, with a connection that has no server around it: without threads it takes half the time.

    What a connection raises comes out here.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def exchanged(server, data):
            with socket.create_connection(listening.getsockname(), timeout=10) as client:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                accepted, (peer, _) = listening.accept()
                with accepted:
                    Connection(accepted, peer, lambda request, _: server.respond(request), server.limits).run()
                answer = b""
                while piece := client.recv(65_536):
                    answer += piece
                return answer

        yield exchanged


@pytest.fixture(scope="module")
def exchange_alone():
    with alone() as exchanged:
        yield exchanged


def test_four_thousand_mutated_requests(server, exchange, exchange_alone, capfd, caplog):
    """They get whole answers and leave no traceback; an eighth of them goes to the whole server."""
    seen = hammer(server, exchange, seed=20, rounds=500)
    assert hammer(server, exchange_alone, seed=21, rounds=3_500).keys() == seen.keys()
    assert {200, 400, 401, 405, 413} <= set(seen)
    assert not set(seen) & {500, 503}
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not [record for record in caplog.records if "failed" in record.getMessage()]
    assert answers(exchange(server, GOOD)) == [200]


@pytest.mark.torture
def test_a_million_mutated_requests(server, exchange, capfd, seed):
    """By two processes, each with a server of its own; an eighth of them goes to the whole server."""
    children = []
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with serving(server._store, server.settings) as own, alone() as exchanged:
                    hammer(own, exchange, 1_000 * seed + number, rounds=62_500)
                    hammer(own, exchanged, 1_000 * seed + 2 + number, rounds=437_500)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0]
    assert "Traceback" not in "".join(capfd.readouterr())


@contextmanager
def stock_server():
    class Stock(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stock) as made:
        made.daemon_threads = True
        threading.Thread(target=made.serve_forever, args=(0.02,)).start()
        yield made
        made.shutdown()


def test_the_probes_catch_a_server_that_reads_heads_as_http_server_does(exchange):
    caught = []
    with stock_server() as broken:
        for name, (data, expected) in PROBES.items():
            if len(data) > 100_000:
                continue
            try:
                answer = exchange(broken, data, timeout_s=2)
            except (TimeoutError, ConnectionError):
                answer = b""
            statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]
            if statuses != expected:
                caught.append(name)
    assert len(caught) > 25
    assert "body after GET" in caught
    assert "a space before the colon hides the length" in caught
    assert "cut off before the end" in caught


def test_mutated_requests_catch_it_too(exchange):
    with stock_server() as broken, pytest.raises((AssertionError, OSError)):
        hammer(broken, exchange, seed=20, rounds=100)


def test_mutated_requests_catch_a_reader_that_falls_over_a_byte(server, exchange_alone, monkeypatch):
    def read_head(data):
        data.decode("ascii")
        return found(data)

    found = connection.read_head
    monkeypatch.setattr(connection, "read_head", read_head)
    with pytest.raises(UnicodeDecodeError):
        hammer(server, exchange_alone, seed=20, rounds=1_000)


def test_nagle_is_off_and_an_answer_is_one_piece(server):
    with socket.create_connection(server.server_address[:2], timeout=5) as sock:
        for _ in range(50):
            sock.sendall(GOOD)
            piece = sock.recv(65_536)
            assert answers(piece) == [200]  # whole, in the first read
