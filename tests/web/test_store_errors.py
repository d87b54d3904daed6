"""What the client and the log learn when the store fails."""

import json
import logging
import sqlite3
from urllib.parse import quote

import pytest

from tyk_endpoint_stats.core.fingerprint import fingerprint
from tyk_endpoint_stats.errors import (
    EdgeInsideBucket,
    InvalidQuestion,
    QuarterHoursPruned,
    StoreBusy,
    StoreClosed,
    StoreError,
)
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web import log_lines
from tyk_endpoint_stats.web.log_lines import safe_target
from tyk_endpoint_stats.web.routes import respond

TARGET = "/api/activity/keys/endpoint/secret-key/13/10/2020/14/10/2020"


class Failing(ReadableStore):
    def __init__(self, problem):
        self.problem = problem

    def read(self, selection):
        raise self.problem

    def close(self):
        pass


def caused(problem, cause):
    problem.__cause__ = cause
    return problem


@pytest.mark.parametrize(
    "problem",
    [
        StoreClosed("this store is closed"),
        caused(StoreError("can't read"), sqlite3.DatabaseError("malformed\nimage")),
        MemoryError(),
        RuntimeError("a driver's own\r\nerror \x1b[31m\u2028"),
        AssertionError(),
    ],
)
def test_a_failing_store_is_a_fixed_text_and_one_line_in_the_log(ask, caplog, problem):
    answer = ask(Failing(problem), TARGET)
    assert answer.status == 500
    assert json.loads(answer.body)["Message"] == "Failed to fetch analytics."
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert line.exc_info is None
    text = line.getMessage()
    assert type(problem).__name__ in text
    assert text.isascii()
    assert text.isprintable()
    assert "secret-key" not in text
    if problem.__cause__:
        assert "DatabaseError: malformed\\nimage" in text


SECRET_TARGET = "/api/activity/keys/endpoint/%s/13/10/2020/14/10/2020"


@pytest.mark.parametrize("secret", ["a-key-as-it-was-sent", "kéy 'of' \"someone\"\\", "ключ/ключ"])
@pytest.mark.parametrize("kind", [StoreError, StoreBusy, KeyError])
def test_what_a_driver_quotes_of_the_question_shows_as_in_the_access_log(ask, caplog, secret, kind):
    problem = caused(kind(f"no answer to {secret}"), ValueError(f"command {{'consumer': {secret!r}}} failed"))
    target = SECRET_TARGET % quote(secret, safe="")
    assert ask(Failing(problem), target).status in (500, 503)
    (line,) = caplog.records
    text = line.getMessage()
    assert secret not in text
    assert secret.encode("unicode_escape").decode() not in text
    assert text.count(fingerprint(secret)) == 2
    assert fingerprint(secret) in safe_target(target)


def test_that_test_catches_a_log_that_quotes_the_question(ask, caplog, monkeypatch):
    """The broken twin."""
    monkeypatch.setattr(log_lines, "_without_segments", lambda text, target: text)
    with pytest.raises(AssertionError):
        test_what_a_driver_quotes_of_the_question_shows_as_in_the_access_log(ask, caplog, "a-key", StoreError)


def test_a_busy_store_is_a_503_that_says_when_to_come_back(ask, caplog):
    answer = ask(Failing(StoreBusy("no reader within 5 s")), TARGET)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "1")
    assert json.loads(answer.body)["Status"] == "Error"
    assert "no reader within 5 s" in caplog.text


def test_a_question_for_pruned_quarters_is_told_so(ask, make_store, make_record):
    store = make_store([make_record(timestamp="2020-10-13T12:00:00Z")])
    store.prune(1_700_000_000_000_000)
    answer = ask(store, "/api/activity/keys/k/13/10/2020/13/10/2020")  # a day in Kolkata needs quarters
    assert answer.status == 400
    assert "pruned" in json.loads(answer.body)["Message"]
    assert ask(Failing(QuarterHoursPruned()), TARGET).status == 400


def test_a_question_with_an_edge_inside_a_stored_hour_is_told_so(ask):
    answer = ask(Failing(EdgeInsideBucket("of table secret")), TARGET)
    assert answer.status == 400
    assert "another time zone" in json.loads(answer.body)["Message"]
    assert "secret" not in answer.body.decode()


def test_a_question_that_the_store_cannot_be_asked_is_told_so(ask):
    answer = ask(Failing(InvalidQuestion("this store has no OAuth clients")), TARGET)
    assert answer.status == 400
    assert json.loads(answer.body)["Message"] == "this store has no OAuth clients"


def test_a_store_is_not_asked_before_the_question_is_clear(ask):
    failing = Failing(AssertionError("asked"))
    for target in ("/nowhere", "/api/activity/keys/k/0/0/0/0/0/0", TARGET + "?p=x", "/%zz"):
        assert ask(failing, target).status in (400, 404)
    assert ask(failing, TARGET, authorization="wrong").status == 401
    assert ask(failing, TARGET, method="POST").status == 405


@pytest.mark.parametrize("problem", [StoreBusy("b"), StoreClosed("c"), OSError("d")])
def test_ready_asks_the_store_and_health_does_not(ask, caplog, problem):
    failing = Failing(problem)
    answer = ask(failing, "/ready", authorization=None)
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "1")
    assert json.loads(answer.body) == {"Status": "Error", "Message": "Not ready", "Meta": None}
    assert type(problem).__name__ in caplog.text
    assert ask(failing, "/health", authorization=None).status == 200
    assert ask(failing, "/health", method="HEAD").body == b""


def test_respond_never_raises_for_what_a_caller_hands_in(store, settings, token):
    from tyk_endpoint_stats.web.messages import Request

    for target in (
        "",
        "\ud800",
        "/\ud800",
        "/\x00",
        "http://",
        "/?p=\ud800",
        "/api/activity/keys/\udcff/1/1/1/1/1/1",
    ):
        for headers in ({}, {"authorization": token}, {"authorization": "\ud800"}):
            assert respond(Request("GET", target, headers), store, settings).status in (400, 401, 404)
