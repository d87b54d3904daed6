"""More connections than are served, threads or descriptors than there are."""

import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, nullcontext

import pytest

from tests.waiting import wait_for
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.send_budget import SendBudget
from tyk_endpoint_stats.web.server import make_server

pytestmark = pytest.mark.slow

HEAD = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"


def connect(stack, address):
    return stack.enter_context(socket.create_connection(address, timeout=10))


def asked(address):
    """The status of a request over a connection of its own; 0: it was cut off without an answer."""
    with socket.create_connection(address, timeout=10) as sock:
        try:
            sock.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            answer = b""
            while piece := sock.recv(65_536):
                answer += piece
        except ConnectionError:
            return 0
    return int(answer[9:12] or 0)


def test_over_the_cap_a_503_comes_and_room_is_made_again(store, settings, serve, caplog):
    server = serve(store, settings, connections=8, idle_s=0.5, linger_s=0.1)
    address = server.server_address[:2]
    with ExitStack() as stack:
        for _ in range(8):
            connect(stack, address)
        wait_for(lambda: server.connections == 8)
        sock = connect(stack, address)
        sock.sendall(HEAD)
        answer = sock.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b'{"Status":"Error","Message":"Busy, try again","Meta":null}')
        assert [asked(address) for _ in range(40)] == [503] * 40
        wait_for(lambda: asked(address) == 200)
    assert sum("turned away" in record.getMessage() for record in caplog.records) in (1, 2)  # once a second


def test_a_connection_that_gets_no_thread_gets_a_503_and_gives_its_place_back(store, settings, serve, monkeypatch):
    server = serve(store, settings, connections=2)
    address = server.server_address[:2]
    start = threading.Thread.start

    def no_more(self):
        if self.name.startswith("http "):
            raise RuntimeError("can't start new thread")
        start(self)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        assert [asked(address) for _ in range(5)] == [503] * 5
    assert server.connections == 0
    assert asked(address) == 200


def test_a_bug_in_a_connection_is_one_line_and_gives_its_place_back(store, settings, serve, caplog, capfd):
    server = serve(store, settings)
    server.respond = lambda request: 1 / 0
    assert asked(server.server_address[:2]) == 0
    wait_for(lambda: server.connections == 0)
    del server.respond
    assert asked(server.server_address[:2]) == 200
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "ZeroDivisionError" in line.getMessage()
    assert line.exc_info is None
    assert "Traceback" not in capfd.readouterr().err


def test_the_cap_is_lowered_to_fit_the_descriptors(store, settings, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (200, 4096))
    with make_server(store, settings=settings, port=0) as server:
        assert 50 <= server.max_connections <= 150


DAY = "13/10/2020/13/10/2020"


def question(consumer, token, method="GET"):
    target = f"/api/activity/keys/endpoint/{consumer}/{DAY}"
    return f"{method} {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n".encode()


def test_without_room_large_answers_are_busy_and_small_ones_are_given(
    make_store, make_record, settings, serve, exchange, token
):
    large = [make_record(api_key="large", path=f"/{number}") for number in range(300)]
    server = serve(make_store([*large, make_record(api_key="small")]), settings, unsent_bytes=200_000)
    whole = exchange(server, question("large", token))
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert 65_536 < len(whole) < 200_000
    with server._unsent.taken(100_000):  # by a client that takes nothing
        refused = exchange(server, question("large", token))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert refused.endswith(b'{"Status":"Error","Message":"Busy, try again","Meta":null}')
        assert exchange(server, question("small", token)).startswith(b"HTTP/1.1 200 ")
        assert exchange(server, question("large", token, "HEAD")).startswith(b"HTTP/1.1 200 ")
    assert exchange(server, question("large", token))[-100_000:] == whole[-100_000:]


def test_a_body_that_is_larger_than_all_the_room_goes_alone():
    room = SendBudget(100_000)
    with room.taken(200_000) as first, room.taken(70_000) as second, room.taken(10) as small:
        assert (first, second, small) == (True, False, True)
    with room.taken(70_000) as first, room.taken(200_000) as second:
        assert (first, second) == (True, False)


def test_that_test_catches_a_room_without_an_end(
    make_store, make_record, settings, serve, exchange, token, monkeypatch
):
    """The broken twin."""
    monkeypatch.setattr(SendBudget, "taken", lambda room, size: nullcontext(True))
    with pytest.raises(AssertionError):
        test_without_room_large_answers_are_busy_and_small_ones_are_given(
            make_store, make_record, settings, serve, exchange, token
        )


class Waiting(ReadableStore):
    """Answers when it is told to."""

    def __init__(self):
        self.asked, self.may_answer = threading.Semaphore(0), threading.Event()

    def read(self, selection):
        self.asked.release()
        assert self.may_answer.wait(20)
        return []

    def close(self):
        pass


@pytest.mark.parametrize(("questions", "status"), [(2, 503), (3, None)], ids=["two at once", "the broken twin"])
def test_no_more_questions_are_asked_at_once_than_may_be(
    settings, serve, exchange, token, questions, status, caplog
):
    waiting = Waiting()
    server = serve(waiting, settings, questions=questions, wait_s=0.1)
    answers = []

    def ask():
        answers.append(int(exchange(server, question("k", token), timeout_s=30)[9:12]))

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
            assert waiting.asked.acquire(timeout=10)
        third = threading.Thread(target=ask, daemon=True)
        threads.append(third)
        third.start()
        if status is None:
            assert waiting.asked.acquire(timeout=10), "one more than two is asked"
        else:
            third.join(10)
            assert answers == [503]
            assert exchange(server, question("k", token, "HEAD")).endswith(b"\r\n\r\n")
            assert "2 questions are being answered" in caplog.text
        assert asked(server.server_address[:2]) == 200, "whether it lives can be asked at any time"
    finally:
        waiting.may_answer.set()
        for thread in threads:
            thread.join(10)
    assert sorted(answers) == ([200, 200, 503] if status else [200] * 3)
    assert exchange(server, question("k", token)).startswith(b"HTTP/1.1 200 ")


CHILD = """
import resource, sys, threading, time
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web import server as module
from tyk_endpoint_stats.web.connection import Limits
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

when, twin = sys.argv[1:]
limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
if when == "before":
    limit()
limits = Limits(idle_s=1.5, linger_s=0.1)
server = make_server(MemoryStore(), settings=Settings(tokens=Tokens(["x" * 20])), port=0, limits=limits)
if when == "after":  # the cap does not know of it: accept() itself fails
    limit()
if twin == "broken":
    class NoSleep:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(lambda seconds: None)
    module.time = NoSleep
accept, accepts = server.get_request, []
def counted():
    accepts.append(True)
    return accept()
server.get_request = counted
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.readline()
began, before = time.process_time(), len(accepts)
print("measuring", flush=True)
while sys.stdin.readline() == "how much?\\n":
    print(time.process_time() - began, len(accepts) - before, flush=True)
server.shutdown()
"""


@pytest.mark.parametrize(("when", "twin"), [("before", ""), ("after", ""), ("after", "broken")])
def test_out_of_descriptors_the_server_idles_and_recovers(when, twin):
    with ExitStack() as stack:
        child = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", CHILD, when, twin],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        address = ("127.0.0.1", int(child.stdout.readline()))
        with ExitStack() as clients:
            for _ in range(250):
                connect(clients, address)
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "measuring\n"

            def work():
                """Seconds of processor time, and how often it tried to accept."""
                child.stdin.write("how much?\n")
                child.stdin.flush()
                seconds, accepts = child.stdout.readline().split()
                return float(seconds), int(accepts)

            if twin:  # of a busy machine's time it gets little: by attempts, of which there are thousands
                wait_for(lambda: work()[1] > 500)
            else:
                time.sleep(0.5)  # the measured span: nothing is to happen in it
                seconds, accepts = work()
                assert seconds / 0.5 < 0.2
                assert accepts < 500
        wait_for(lambda: asked(address) == 200)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.wait(10) == 0
