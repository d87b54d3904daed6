"""Slow clients: silent ones, dripping ones, and ones that never read. They go; the others do not notice."""

import socket
import statistics
import threading
import time
import urllib.request
from contextlib import ExitStack

import pytest

from tests.waiting import wait_for
from tyk_endpoint_stats.web.connection import Connection, Limits
from tyk_endpoint_stats.web.messages import json_response
from tyk_endpoint_stats.web.server import Server

HEAD = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"


def connect(stack, server, **options):
    sock = stack.enter_context(socket.create_connection(server.server_address[:2], timeout=10))
    for name, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    return sock


def status(server):
    with urllib.request.urlopen(server.url + "/health", timeout=5) as answer:
        return answer.status


def everything(sock):
    """All that comes until the server closes."""
    found = b""
    try:
        while piece := sock.recv(65_536):
            found += piece
    except ConnectionError:
        pass
    return found


class Dripping:
    """Sends one byte of a head now and then over each of its sockets, until they are closed or it is left."""

    def __init__(self, sockets, every_s):
        self.sockets, self.every_s = list(sockets), every_s
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for byte in (HEAD * 100)[:-1]:
            for sock in self.sockets:
                try:
                    sock.send(bytes([byte]))
                except OSError:
                    pass  # closed by the server, as it should
            if self.stopped.wait(self.every_s):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *problem):
        self.stopped.set()
        self.thread.join()


def slow_and_others(server, silent, dripping, for_s, every_s, drip_s):
    """``(statuses of the other clients, how many slow ones are still connected)``."""
    with ExitStack() as stack:
        quiet = [connect(stack, server) for _ in range(silent)]
        drips = [connect(stack, server) for _ in range(dripping)]
        with Dripping(drips, drip_s):
            statuses = []
            end = time.monotonic() + for_s
            while time.monotonic() < end:
                statuses.append(status(server))
                time.sleep(every_s)
            stay = 0
            for sock in quiet + drips:
                sock.setblocking(False)
                try:
                    while sock.recv(65_536):
                        pass
                except BlockingIOError:
                    stay += 1
                except ConnectionError:
                    pass
            return statuses, stay


def test_slow_clients_go_and_others_are_served(store, settings, serve):
    server = serve(store, settings, idle_s=0.5, head_s=0.5, linger_s=0.1)
    statuses, stay = slow_and_others(server, 60, 60, for_s=1.2, every_s=0.05, drip_s=0.1)
    assert set(statuses) == {200}
    assert stay == 0


def test_a_deadline_per_receive_would_let_dripping_clients_stay(store, settings, serve, monkeypatch):
    def each_time_anew(self, deadline):
        self._sock.settimeout(self._limits.head_s)
        return self._sock.recv(16_384)

    monkeypatch.setattr(Connection, "_receive", each_time_anew)
    server = serve(store, settings, idle_s=0.5, head_s=0.5, linger_s=0.1, drain_s=0.1)
    _, stay = slow_and_others(server, 5, 20, for_s=1.2, every_s=0.2, drip_s=0.1)
    assert stay == 20


@pytest.mark.torture
@pytest.mark.alone
def test_a_thousand_slow_clients_go_and_others_are_served(store, settings, serve):
    server = serve(store, settings, idle_s=2, head_s=2)
    statuses, stay = slow_and_others(server, 500, 500, for_s=8, every_s=0.1, drip_s=0.5)
    assert set(statuses) == {200}
    assert stay == 0


def test_a_silent_connection_is_closed_without_a_word(store, settings, serve):
    server = serve(store, settings, idle_s=0.2)
    with ExitStack() as stack:
        sock = connect(stack, server)
        began = time.monotonic()
        assert everything(sock) == b""
        assert 0.15 < time.monotonic() - began < 2
        sock = connect(stack, server)
        sock.sendall(HEAD)
        assert everything(sock).startswith(b"HTTP/1.1 200 ")  # and closed after its next silence


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_half_a_head_gets_a_408(store, settings, serve, method):
    server = serve(store, settings, head_s=0.2, idle_s=5)
    with ExitStack() as stack:
        sock = connect(stack, server)
        sock.sendall(method + b" /health HTTP/1.1\r\nHost:")
        answer = everything(sock)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert answer.endswith(b'"Meta":null}' if method == b"GET" else b"\r\n\r\n")


def test_a_pipelined_half_head_has_the_deadline_of_a_head(store, settings, serve):
    server = serve(store, settings, head_s=0.2, idle_s=30)
    with ExitStack() as stack:
        sock = connect(stack, server)
        sock.sendall(HEAD + HEAD[:10])
        assert [part[:3] for part in everything(sock).split(b"HTTP/1.1 ")[1:]] == [b"200", b"408"]


@pytest.mark.parametrize("requests", [1, 50])
def test_a_client_that_does_not_read_is_dropped_at_the_write_deadline(store, settings, serve, requests):
    server = serve(store, settings, write_s=0.3)
    answer = json_response(200, b"x" * 20_000_000)
    asked = []
    server.respond = lambda request: asked.append(request) or answer
    with ExitStack() as stack:
        sock = connect(stack, server, SO_RCVBUF=4096)
        sock.sendall(HEAD * requests)
        deadline = time.monotonic() + 5
        while not asked or server.connections:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(asked) == 1  # the flood behind it was never read
    assert status_of_other(server)


def status_of_other(server):
    del server.respond
    return status(server) == 200


def test_200_requests_in_a_row_over_one_connection_are_fast(store, settings, serve):
    server = serve(store, settings)
    took = []
    with ExitStack() as stack:
        sock = connect(stack, server)
        for _ in range(200):
            began = time.perf_counter()
            sock.sendall(HEAD)
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")
            took.append(time.perf_counter() - began)
    assert statistics.median(took) < 0.005


def test_a_connection_waits_as_long_as_a_balancer_keeps_one():
    """nginx, HAProxy and AWS keep one for 60 s: the side that sends requests must be the first to close."""
    assert Limits().idle_s > 60
    assert Limits().head_s == 5, "who begins a request has little time all the same"


def test_one_that_has_been_idle_for_a_while_makes_room_for_another(store, settings, serve):
    server = serve(store, settings, connections=8, idle_s=60, head_s=1.5, linger_s=0.1)
    with ExitStack() as stack:
        kept = [connect(stack, server) for _ in range(8)]
        for sock in kept:
            began = time.monotonic()
            sock.sendall(HEAD)
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")
            # A client may hear of its answer before the server knows itself idle; here the order counts.
            wait_for(lambda: (served_to(sock, server).idle_since or 0) > began)  # noqa: B023
        sock = connect(stack, server)
        sock.sendall(HEAD)
        assert everything(sock).startswith(b"HTTP/1.1 503 "), "none has been idle for head_s"
        time.sleep(1.6)  # the span that is looked at
        kept[0].sendall(HEAD)
        assert kept[0].recv(65_536).startswith(b"HTTP/1.1 200 ")
        others = [connect(stack, server) for _ in range(3)]
        for sock in others:
            sock.sendall(HEAD)
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")
        gone = [sock for sock in kept if is_closed(sock)]
        assert gone == kept[1:4], "the longest idle ones, each without a word"
        assert server.connections == 8


def served_to(sock, server):
    """The server's side of a connection: another's thread may start late, and be idle only then."""
    return next(each for each in list(server._open) if each._sock.getpeername() == sock.getsockname())


def is_closed(sock):
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def test_idle_ones_that_keep_their_place_would_be_caught(store, settings, serve, monkeypatch):
    """The broken twin: a place is given back at the end of the idle time-out alone."""
    monkeypatch.setattr(Server, "_has_room", lambda server: len(server._open) < server.max_connections)
    with pytest.raises(AssertionError, match="503"):
        test_one_that_has_been_idle_for_a_while_makes_room_for_another(store, settings, serve)
