"""What the logs say of requests: one line each, nothing secret, nothing that a terminal would obey."""

import logging
import socket
import time
import urllib.error
import urllib.request
from hashlib import sha256

import pytest

from tyk_endpoint_stats.web.log_lines import LineFormatter, one_line, safe_target

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
DAYS = "13/10/2020/14/10/2020"


def digest(text):
    return "~" + sha256(text.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/health", "/health"),
        (f"/api/activity/keys/endpoint/a-key/{DAYS}", f"/api/activity/keys/endpoint/{digest('a-key')}/{DAYS}"),
        (f"/api/activity/keys/a%2Fb%20c/{DAYS}?p=2", f"/api/activity/keys/{digest('a/b c')}/{DAYS}?p=2"),
        (f"/api/activity/keys/k/{DAYS}?api_id=x&p=2", f"/api/activity/keys/{digest('k')}/{DAYS}?p=2..."),
        ("/?token=" + TOKEN, "/?..."),
        ("/?p=1&p=2", "/?..."),
        ("/" + TOKEN, "/" + digest(TOKEN)),
        ("http://user:password@h/health", "/health"),
        ("/%zz", "/" + digest("%zz")),
        ("*", digest("*")),
        (f"//api/usage/{DAYS}?res=day&p=-1", f"/api/usage/{DAYS}?res=day&p=-1"),
        (f"/api/usage/{DAYS}?res=secret&by=hITS&sort=-1", f"/api/usage/{DAYS}?by=hITS&sort=-1..."),
        (f"/api/usage/apis/an-api/{DAYS}", f"/api/usage/apis/{digest('an-api')}/{DAYS}"),
        (f"/api/activity/keys/aggregate/k1,k2,/{DAYS}", f"/api/activity/keys/aggregate/{digest('k1,k2,')}/{DAYS}"),
        (
            "/v1/series?consumer=key:secret&from=2020-10-01&to=2020-10-31&interval=1h",
            "/v1/series?from=2020-10-01&to=2020-10-31&interval=1h...",
        ),
        (
            "/v1/pairs?sort=-p95&limit=10&fields=hits,p95&status=5xx&compare=previous&format=csv&kind=key",
            "/v1/pairs?sort=-p95&limit=10&fields=hits,p95&status=5xx&compare=previous&format=csv&kind=key",
        ),
        (
            "/v1/pairs?sort=secret&limit=secret&fields=secret&status=secret&zone=secret&q=x&cursor=y",
            "/v1/pairs?...",
        ),
        ("/v1/pairs?from=secret&to=2020-10-01T00:00:00Z&compare=a..b", "/v1/pairs?to=2020-10-01T00:00:00Z..."),
        ("/v1/totals?limit=5&limit=5", "/v1/totals?..."),
        ("/\x1b[31m\r\nGET", "/" + digest("\x1b[31m\r\nGET")),
        ("/" + "a/" * 2000, "/" + (digest("a") + "/") * 23 + "..."),
    ],
)
def test_a_target_shows_its_words_and_numbers_only(target, shown):
    assert safe_target(target) == shown
    assert safe_target(target).isascii()
    assert safe_target(target).isprintable()


def test_a_problem_is_one_line_with_its_causes():
    def fail():
        try:
            raise OSError("disk\r\n\x1b[2J\u202e\u2028\x85é")
        except OSError as cause:
            raise ValueError("bad") from cause

    with pytest.raises(ValueError) as problem:
        fail()
    line = one_line(problem.value)
    assert line.startswith(
        "ValueError: bad; OSError: disk\\r\\n\\x1b[2J\\u202e\\u2028\\x85\\xe9; at test_log_lines.py:"
    )
    assert line.isascii()
    assert line.isprintable()


def test_whatever_others_log_is_one_line_too():
    formatter = LineFormatter("%(levelname)s %(message)s")
    try:
        raise ValueError("\x1b[2Jé\u2028\u202e")
    except ValueError as problem:
        caught = (type(problem), problem, problem.__traceback__)
    line = formatter.format(logging.LogRecord("x", logging.ERROR, "f.py", 1, "a\r\nb \\x1b %s", ("c\x07",), caught))
    assert line.startswith("ERROR a\\r\\nb \\x1b c\\x07\\nTraceback ")
    assert line.endswith("ValueError: \\x1b[2J\\xe9\\u2028\\u202e")
    assert line.isascii()
    assert line.isprintable()


def test_causes_in_a_circle_end():
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    assert one_line(first) == "ValueError: 1; ValueError: 2"


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as problem:
        problem.close()
        return problem.code


def access_lines(caplog, count):
    """So many lines of the access log: a line is written after its answer, by the thread of the connection."""
    deadline = time.monotonic() + 10
    while True:
        lines = [each.getMessage() for each in caplog.records if each.name == "tyk_endpoint_stats.access"]
        if len(lines) >= count or time.monotonic() > deadline:
            return lines
        time.sleep(0.01)


def test_each_request_is_one_line_without_a_secret(store, settings, serve, caplog, exchange):
    server = serve(store, settings)
    with caplog.at_level(logging.INFO):
        assert get(f"{server.url}/api/activity/keys/my-secret-key/{DAYS}?p=1", Authorization=TOKEN) == 200
        access_lines(caplog, 1)
        assert get(f"{server.url}/api/activity/keys/my-secret-key/{DAYS}", Authorization="wrong-" + TOKEN) == 401
        access_lines(caplog, 2)
        assert get(f"{server.url}/{TOKEN}?token={TOKEN}", Authorization="Bearer " + TOKEN) == 404
        access_lines(caplog, 3)
        exchange(server, b"GET /x\x1b[31m\r\n\r\n")
        lines = access_lines(caplog, 4)
    assert [line.split(" ")[:3] for line in lines] == [
        ["127.0.0.1", "GET", f"/api/activity/keys/{digest('my-secret-key')}/{DAYS}?p=1"],
        ["127.0.0.1", "GET", f"/api/activity/keys/{digest('my-secret-key')}/{DAYS}"],
        ["127.0.0.1", "GET", f"/{digest(TOKEN)}?..."],
        ["127.0.0.1", "-", "-"],
    ]
    assert [line.split(" ")[3] for line in lines] == ["200", "401", "404", "400"]
    assert TOKEN not in caplog.text
    assert "my-secret-key" not in caplog.text
    assert "\x1b" not in caplog.text


def test_an_answer_that_nobody_took_is_logged_as_such(store, settings, serve, caplog):
    from tyk_endpoint_stats.web.messages import json_response

    server = serve(store, settings, write_s=0.1)
    server.respond = lambda request: json_response(200, b"x" * 20_000_000)
    with caplog.at_level(logging.INFO):
        with socket.create_connection(server.server_address[:2], timeout=5) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            deadline = time.monotonic() + 5
            while not caplog.records:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        (line,) = [record.getMessage() for record in caplog.records if record.name == "tyk_endpoint_stats.access"]
    assert line.startswith("127.0.0.1 GET /health 200 20000000 ")
    assert line.endswith("ms, not taken")


def test_a_wrong_token_is_logged_once_a_second_an_address_without_its_value(store, settings, serve, caplog):
    server = serve(store, settings)
    for _ in range(20):
        assert get(server.url + "/", Authorization="guess-0123456789") == 401
    assert get(server.url + "/", Authorization=TOKEN) == 404  # a right one always passes
    said = [record.getMessage() for record in caplog.records if "token" in record.getMessage()]
    assert said in (["wrong or missing token from 127.0.0.1"], ["wrong or missing token from 127.0.0.1"] * 2)
    assert "guess" not in caplog.text


def test_the_note_of_who_was_logged_stays_small(store, settings, serve):
    server = serve(store, settings)
    for number in range(5000):
        assert server._may_say(str(number))
    assert len(server._said_at) <= 1_024


def test_short_tokens_are_warned_of_at_the_start(store, settings, caplog):
    from msgspec import structs

    from tyk_endpoint_stats.web.server import make_server
    from tyk_endpoint_stats.web.tokens import Tokens

    with make_server(store, settings=structs.replace(settings, tokens=Tokens(["short"])), port=0):
        pass
    assert "fewer than 16" in caplog.text
    assert "short" not in caplog.text
