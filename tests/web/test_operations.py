"""What an operator changes and asks while the server runs: tokens, readiness, who waits and who need not."""

import json
import threading

import pytest
from msgspec import structs

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.operations import Operations
from tyk_endpoint_stats.web.server import Server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

NEW = "another-token-of-length"


def request(target, token=None, *, close=True, method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: h"]
    lines += [f"Authorization: {token}"] if token else []
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode()


def status(answer):
    return int(answer[9:12])


QUESTION = "/api/activity/keys/endpoint/k/13/10/2020/13/10/2020"


def test_other_tokens_are_valid_at_once_and_no_connection_closes(store, settings, token, serve):
    import socket

    server = serve(store, settings)
    with socket.create_connection(server.server_address[:2], timeout=10) as sock:

        def asked(with_token):
            sock.sendall(request(QUESTION, with_token, close=False))
            return status(sock.recv(65_536))

        assert [asked(token), asked(token), asked(NEW)] == [200, 200, 401], "the second one is kept"
        server.reconfigure(structs.replace(settings, tokens=Tokens([NEW])))
        assert [asked(token), asked(NEW)] == [401, 200]


def test_an_answer_kept_for_an_earlier_token_would_be_caught(store, settings, token, serve, monkeypatch):
    """The broken twin: the settings change, and what was kept for who was let in before stays."""
    monkeypatch.setattr(Server, "reconfigure", lambda server, new: setattr(server, "settings", new))
    with pytest.raises(AssertionError):
        test_other_tokens_are_valid_at_once_and_no_connection_closes(store, settings, token, serve)


def test_ready_says_no_with_the_reason_and_health_says_yes(store, settings, serve_operations, exchange, caplog):
    reason: list[str] = []
    server = serve_operations(store, settings, Operations(unready=lambda: reason[0] if reason else None))
    assert status(exchange(server, request("/ready"))) == 200
    reason.append("a source can't be read for 130 s")
    answer = exchange(server, request("/ready"))
    assert status(answer) == 503
    assert b"\r\nRetry-After: 1\r\n" in answer
    assert json.loads(answer.split(b"\r\n\r\n")[1]) == {
        "Status": "Error",
        "Message": "Not ready: a source can't be read for 130 s",
        "Meta": None,
    }
    head = exchange(server, request("/ready", method="HEAD"))
    assert status(head) == 503
    assert head.endswith(b"\r\n\r\n")
    assert status(exchange(server, request("/health"))) == 200
    assert "not ready: a source can't be read" in caplog.text


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


def busy_statuses(serve, settings, token, exchange, *requests):
    """What others get while the one question that may run does run."""
    store = Waiting()
    server = serve(store, settings, questions=1, wait_s=0.2)
    asking = threading.Thread(target=exchange, args=(server, request(QUESTION, token)))
    asking.start()
    try:
        assert store.asked.acquire(timeout=10)
        return [status(exchange(server, each)) for each in requests]
    finally:
        store.may_answer.set()
        asking.join(10)


def test_without_a_valid_token_it_is_401_while_all_questions_wait(settings, token, serve, exchange):
    found = busy_statuses(
        serve,
        settings,
        token,
        exchange,
        request(QUESTION),
        request(QUESTION, "wrong"),
        request("/nowhere", "wrong", method="POST"),
        request(QUESTION, token),
    )
    assert found == [401, 401, 401, 503]


def test_a_turn_before_the_token_would_be_caught(settings, token, serve, exchange, monkeypatch):
    """The broken twin: whoever asks waits for a turn first."""
    monkeypatch.setattr(Server, "_needs_no_turn", lambda server, asked: False)
    with pytest.raises(AssertionError):
        test_without_a_valid_token_it_is_401_while_all_questions_wait(settings, token, serve, exchange)


@pytest.mark.parametrize("url", ["https://stats.example", "http://h:8080/prefix", "https://h/a/b"])
def test_a_public_url_is_scheme_host_and_prefix(url):
    assert Settings(tokens=Tokens([]), public_url=url).public_url == url


@pytest.mark.parametrize(
    "url", ["stats.example", "ftp://h", "https://", "https://h/", "https://h?x", "https://u@h"]
)
def test_what_is_no_public_url_is_refused(url):
    with pytest.raises(ValueError, match="public_url must be http"):
        Settings(tokens=Tokens([]), public_url=url)
