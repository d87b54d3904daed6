"""Draining: nothing new is accepted, idle connections close, what has begun is answered."""

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.connection import Limits
from tyk_endpoint_stats.web.server import make_server

pytestmark = pytest.mark.slow

TARGET = b"/api/activity/keys/k/13/10/2020/14/10/2020"
HEAD = b"GET " + TARGET + b" HTTP/1.1\r\nHost: h\r\nAuthorization: 7a7b140f-2480-4d5a-4e78-24049e3ba7f8\r\n\r\n"


class Waiting(ReadableStore):
    """A store whose answers wait until the test lets them go."""

    def __init__(self):
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()

    def read(self, selection):
        self.asked.release()
        assert self.go.wait(10)
        return []

    def close(self):
        pass


def connect(stack, address):
    return stack.enter_context(socket.create_connection(address, timeout=10))


def everything(sock):
    found = b""
    while piece := sock.recv(65_536):
        found += piece
    return found


@pytest.fixture
def started(settings):
    """``started(store, **limits)``: a server and the thread that serves."""
    with ExitStack() as stack:

        def start(store, **limits):
            server = stack.enter_context(
                make_server(store, settings=settings, port=0, limits=Limits(**{"linger_s": 0.1, **limits}))
            )
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(server.shutdown)
            return server

        yield start


def refuses(address):
    try:
        socket.create_connection(address, timeout=2).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def test_requests_in_flight_are_answered_and_idle_connections_closed(started):
    store = Waiting()
    server = started(store, idle_s=60, questions=5)
    address = server.server_address[:2]
    with ExitStack() as stack:
        idle = [connect(stack, address) for _ in range(3)]
        busy = [connect(stack, address) for _ in range(5)]
        for sock in busy:
            sock.sendall(HEAD)
        for _ in busy:
            assert store.asked.acquire(timeout=5)
        stopper = threading.Thread(target=server.shutdown)
        stopper.start()
        for sock in idle:
            assert everything(sock) == b""  # closed while the others still wait
        assert refuses(address)
        assert stopper.is_alive()
        while not all(connection._stopping for connection in list(server._open)):
            time.sleep(0.01)  # they are told one after the other
        store.go.set()
        for sock in busy:
            answer = everything(sock)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nConnection: close\r\n" in answer
        stopper.join(5)
        assert not stopper.is_alive()
        assert server.connections == 0


def test_a_shutdown_that_forgets_who_is_in_flight_would_be_caught(started):
    """The broken twin: the listener is closed and every connection with it."""
    store = Waiting()
    server = started(store)
    with ExitStack() as stack:
        sock = connect(stack, server.server_address[:2])
        sock.sendall(HEAD)
        assert store.asked.acquire(timeout=5)
        for connection in list(server._open):
            connection.abort()
        store.go.set()
        assert everything(sock) == b""


def test_a_half_received_head_may_be_finished(started):
    store = Waiting()
    store.go.set()
    server = started(store, head_s=5)
    with ExitStack() as stack:
        sock = connect(stack, server.server_address[:2])
        other = connect(stack, server.server_address[:2])
        sock.sendall(HEAD[:20])
        while server.connections < 2 or not any(not c._idle for c in list(server._open)):
            time.sleep(0.01)
        stopper = threading.Thread(target=server.shutdown)
        stopper.start()
        assert everything(other) == b""
        sock.sendall(HEAD[20:])
        assert everything(sock).startswith(b"HTTP/1.1 200 ")
        stopper.join(5)
        assert not stopper.is_alive()


def test_connections_that_wait_to_be_accepted_are_answered_too(settings):
    store = Waiting()
    store.go.set()
    with make_server(store, settings=settings, port=0, limits=Limits(linger_s=0.1)) as server, ExitStack() as stack:
        waiting = [connect(stack, server.server_address[:2]) for _ in range(20)]
        for sock in waiting:
            sock.sendall(HEAD)
        server.shutdown()  # the server never accepted any of them
        for sock in waiting:
            assert everything(sock).startswith(b"HTTP/1.1 200 ")


def test_clients_that_keep_on_connecting_do_not_keep_a_shutdown_from_ending(started, store):
    server = started(store)
    address = server.server_address[:2]
    refused = threading.Event()

    def keep_on():
        while not refuses(address):
            pass
        refused.set()

    clients = [threading.Thread(target=keep_on) for _ in range(4)]
    for client in clients:
        client.start()
    while server.connections == 0:
        pass
    began = time.monotonic()
    server.shutdown()
    assert time.monotonic() - began < 5
    assert refused.wait(5)
    for client in clients:
        client.join()


def test_what_takes_too_long_is_cut_off_at_the_deadline(started, caplog):
    store = Waiting()
    server = started(store, drain_s=0.2)
    with ExitStack() as stack:
        sock = connect(stack, server.server_address[:2])
        sock.sendall(HEAD)
        assert store.asked.acquire(timeout=5)
        began = time.monotonic()
        server.shutdown()
        assert 0.2 <= time.monotonic() - began < 2
        assert everything(sock) == b""
        assert "cut off" in caplog.text
        store.go.set()


def test_shutdown_may_come_first_twice_and_after_the_end(settings, store):
    with make_server(store, settings=settings, port=0) as server:
        server.shutdown()
        server.serve_forever()  # returns at once
        server.shutdown()
    server.shutdown()
    server.server_close()


def test_shutdown_in_the_serving_thread_says_what_is_wrong(settings, store):
    with make_server(store, settings=settings, port=0) as server:
        problems = []

        def service_actions():
            try:
                server.shutdown()
            except RuntimeError as problem:
                problems.append(problem)
                threading.Thread(target=server.shutdown).start()

        server.service_actions = service_actions
        server.serve_forever(0.02)
        assert "another thread" in str(problems[0])


PROGRAM = """
import os, sys, threading
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.connection import Limits
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.signals import serve_until_signalled
from tyk_endpoint_stats.web.tokens import Tokens

go = threading.Event()

class Waiting(ReadableStore):
    def read(self, selection):
        os.write(1, b"asked\\n")
        assert go.wait(10)
        return []

    def close(self):
        pass

threading.Thread(target=lambda: (sys.stdin.readline(), go.set()), daemon=True).start()
settings = Settings(tokens=Tokens(["7a7b140f-2480-4d5a-4e78-24049e3ba7f8"]))
with make_server(Waiting(), settings=settings, port=0, limits=Limits(linger_s=0.1, questions=5)) as server:
    print(server.server_address[1], flush=True)
    print("ended by", serve_until_signalled(server), flush=True)
"""


@pytest.fixture
def program():
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        yield child
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_program_once_five_requests_in_flight_are_answered(program, number):
    address = ("127.0.0.1", int(program.stdout.readline()))
    with ExitStack() as stack:
        busy = [connect(stack, address) for _ in range(5)]
        for sock in busy:
            sock.sendall(HEAD)
        for _ in busy:
            assert program.stdout.readline() == "asked\n"
        program.send_signal(number)
        deadline = time.monotonic() + 5
        while not refuses(address):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # or the queue of connections fills up, and the next try takes a second
        program.stdin.write("\n")
        program.stdin.flush()
        for sock in busy:
            assert everything(sock).startswith(b"HTTP/1.1 200 ")
    assert program.wait(10) == 0
    assert program.stdout.read() == f"ended by {number}\n"
    assert program.stderr.read() == ""


def test_a_program_ends_too_when_another_thread_shuts_the_server_down():
    program = PROGRAM.replace(
        "serve_until_signalled(server)",
        "(threading.Timer(0, server.shutdown).start(), serve_until_signalled(server))[1]",
    )
    ended = subprocess.run([sys.executable, "-c", program], input="", capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("ended by None\n")


def test_a_program_learns_that_serving_failed():
    program = PROGRAM.replace(
        "serve_until_signalled(server)", "(server.socket.close(), serve_until_signalled(server))[1]"
    )
    ended = subprocess.run([sys.executable, "-c", program], input="", capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().splitlines()[-1].startswith("ValueError")


def test_a_second_signal_does_not_wait(program):
    address = ("127.0.0.1", int(program.stdout.readline()))
    with ExitStack() as stack:
        sock = connect(stack, address)
        sock.sendall(HEAD)
        assert program.stdout.readline() == "asked\n"
        program.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while not refuses(address):
            assert time.monotonic() < deadline
            time.sleep(0.01)  # or the queue of connections fills up, and the next try takes a second
        program.send_signal(signal.SIGTERM)
        assert program.wait(5) == -signal.SIGTERM
