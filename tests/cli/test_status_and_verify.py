"""``status`` and ``verify``: what they print, and when they fail."""

import json
import sqlite3
from contextlib import closing

import pytest


def test_status_shows_what_the_ingest_reported(run, store):
    shown = run("status", "--store", store).stdout
    for pattern in ("store       sqlite:///stats.db\n", "schema      2\n", "\nread        3,000\n", "\nsource "):
        assert pattern in shown
    (line,) = (line for line in shown.splitlines() if line.startswith("file:"))
    assert "3,000" in line.split()


def test_status_as_json_adds_up(run, store):
    told = json.loads(run("status", "--store", store, "--timezone", "Asia/Kolkata", "--format", "json").stdout)
    counts = told["counts"]
    assert counts["read"] == 3000
    assert counts["read"] == counts["counted"] + sum(counts["skipped"].values()) + sum(counts["malformed"].values())
    assert [source["counts"] for source in told["sources"]] == [counts]
    assert told["first_hit"].endswith("+05:30")
    assert told["hits"] >= counts["counted"]
    assert told["size_bytes"] > 10_000
    assert told["first_day"] < told["last_day"]


def test_status_of_a_store_in_memory_knows_less(run):
    shown = run("status", "--store", "memory://").stdout
    assert "days        0\n" in shown
    assert "size" not in shown


def test_verify_is_content_with_an_ingest(run, store):
    result = run("verify", "--store", store)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Nothing is wrong; 1 sources, 30 days, ")


def test_verify_says_what_is_wrong_and_fails(run, store, tmp_path):
    with closing(sqlite3.connect(tmp_path / "stats.db")) as connection:
        connection.execute("UPDATE sources SET read = read + 1, source = 'file:\x1b[2J'")
        connection.commit()
    result = run("verify", "--store", store)
    assert result.exit_code == 1
    assert result.stdout.count("\n") == 1
    assert "3,001 records were read" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr.startswith("1 wrong; ")


def test_verify_of_what_can_not_be_opened_fails_too(run, tmp_path):
    tmp_path.joinpath("text.db").write_text("no database\n" * 100)
    result = run("verify", "--store", "sqlite:///text.db")
    assert result.exit_code == 1
    assert "no SQLite file" in result.stderr


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_store_that_is_not_there_is_not_made(run, tmp_path, command):
    result = run(command, "--store", "sqlite:///typo.db")
    assert result.exit_code == 1
    assert "typo.db does not exist" in result.stderr
    assert not list(tmp_path.iterdir())
