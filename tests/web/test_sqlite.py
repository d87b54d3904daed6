"""The routes over the default store: the same answers as over memory, and what its failures look like outside."""

import json
import logging
from contextlib import ExitStack

import msgspec
import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.stores.sqlite import connections
from tyk_endpoint_stats.stores.sqlite import store as store_module

DAYS = "13/10/2020/14/10/2020"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stats-of-a-customer.db"


@pytest.fixture
def sqlite(path, samples):
    with open_store(f"sqlite:///{path}") as store:
        store.ingest(msgspec.convert([r for sample in samples for r in sample["records"]], list[Record]))
        yield store


def test_the_documented_answers_come_out_of_sqlite(samples, sqlite, ask):
    for sample in samples:
        wanted = json.dumps(sample["expected"], separators=(",", ":"))
        assert ask(sqlite, sample["path"]).body.decode() == wanted
    assert ask(sqlite, "/ready").status == 200


def test_a_closed_store_is_a_fixed_text(samples, sqlite, ask, caplog):
    sqlite.close()
    answer = ask(sqlite, samples[0]["path"])
    assert answer.status == 500
    assert json.loads(answer.body)["Message"] == "Failed to fetch analytics."
    assert "StoreClosed" in caplog.text
    assert ask(sqlite, "/ready", authorization=None).status == 503


def test_a_corrupt_file_is_a_fixed_text_and_the_log_has_the_cause(samples, sqlite, ask, path, caplog):
    sqlite.close()
    size = path.stat().st_size
    with caplog.at_level(logging.ERROR), open_store(f"sqlite:///{path}") as store:
        with path.open("r+b") as file:  # behind its back: opening would find it
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        answer = ask(store, samples[0]["path"])
    assert answer.status == 500
    assert json.loads(answer.body)["Message"] == "Failed to fetch analytics."
    assert "malformed" in caplog.text


def test_a_question_past_its_deadline_is_a_503_that_says_when_to_come_back(
    samples, sqlite, ask, caplog, monkeypatch
):
    monkeypatch.setattr(store_module, "READ_TIMEOUT_S", 0.0)
    monkeypatch.setattr(store_module, "_STEPS_BETWEEN_LOOKS", 1)
    answer = ask(sqlite, samples[0]["path"])
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "1")
    assert json.loads(answer.body)["Message"] == "Busy, try again"
    assert "no answer within the deadline" in caplog.text


def test_without_a_reader_left_it_is_a_503_too(samples, sqlite, ask, caplog, monkeypatch):
    monkeypatch.setattr(connections, "READER_WAIT_S", 0.05)
    with ExitStack() as stack:
        for _ in range(connections.READERS):
            stack.enter_context(sqlite._readers.lend())
        assert ask(sqlite, samples[0]["path"]).status == 503
        assert ask(sqlite, "/ready", authorization=None).status == 503
        assert ask(sqlite, "/health", authorization=None).status == 200
    assert ask(sqlite, samples[0]["path"]).status == 200
