"""``callers``, ``series`` and ``compare``; and CSV on a terminal."""

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from itertools import pairwise

import pytest

from tyk_endpoint_stats import Consumer, Kind, open_store
from tyk_endpoint_stats.cli.program import COMMANDS

OCTOBER = ("--from", "2026-10-01", "--to", "2026-10-31")


@pytest.fixture
def busiest(store):
    with open_store(store) as opened:
        return opened.pairs(sort="-hits")[0]


def asked(run, *arguments):
    result = run(*arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_callers_are_all_consumers_of_one_endpoint(run, store, busiest):
    rows = asked(run, "callers", "--store", store, "--path", busiest.path, "--api-id", busiest.api_id, *OCTOBER)
    with open_store(store) as opened:
        expected = {
            (pair.kind, pair.id): pair.hits
            for pair in opened.pairs(path=busiest.path, api_id=busiest.api_id)
            if pair.last_hit.month == 10
        }
    assert {(row["kind"], row["id"]): row["hits"] for row in rows} == expected
    assert rows[0]["error_rate"] == pytest.approx(rows[0]["error"] / rows[0]["hits"])
    assert rows[0]["first_hit"] <= rows[0]["last_hit"]
    in_every_api = asked(run, "callers", "--store", store, "--path", busiest.path, *OCTOBER)
    assert len(in_every_api) >= len(rows)
    oauth = asked(run, "callers", "--store", store, "--path", busiest.path, "--kind", "oauth", *OCTOBER)
    assert oauth == [row for row in in_every_api if row["kind"] == "oauth"]


def test_the_table_of_callers_ends_in_the_total_and_says_whose_times_these_are(run, store, busiest):
    result = run("callers", "--store", store, "--path", busiest.path, *OCTOBER, "--sort", "-last_hit", "--limit", 2)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["kind", "consumer", "alias", "hits", "success", "error", "err", "%", "last", "hit"]
    assert lines[3].startswith("total ")
    assert lines[4] == "Hits from 2026-10-01 to 2026-10-31 (UTC)."


def test_hits_of_nobody_are_told_apart_from_callers(run, tmp_path):
    hit = {"path": "/open", "api_id": "a", "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"}
    lines = [json.dumps(one) + "\n" for one in (hit, hit, {**hit, "api_key": "k"})]
    tmp_path.joinpath("open.jsonl").write_text("".join(lines))
    assert run("ingest", "--store", "sqlite:///open.db", "open.jsonl").exit_code == 0
    result = run("callers", "--store", "sqlite:///open.db", "--path", "/open", *OCTOBER)
    assert "At least 2 hits more were without a key and a client." in result.stderr
    assert "total" in result.stdout
    every = asked(run, "series", "--store", "sqlite:///open.db", *OCTOBER, "--interval", "1mo")
    assert [row["hits"] for row in every] == [3], "of everybody every hit counts once"


def test_series_of_anybody_a_consumer_and_a_path_are_those_of_the_library(run, store, busiest):
    with open_store(store) as opened:
        consumer = Consumer(Kind(busiest.kind), busiest.id)
        every = opened.totals().hits
        own = opened.totals(consumer=consumer).hits
        of_path = opened.totals(path=busiest.path).hits

    def total(*arguments):
        return sum(row["hits"] for row in asked(run, "series", "--store", store, "--from", "all", *arguments))

    assert total() == total("--interval", "1h") == every
    assert total("--consumer", busiest.id) == own
    assert total("--path", busiest.path, "--interval", "1w") == of_path


@pytest.mark.parametrize(
    ("interval", "pieces"), [("15m", 31 * 96), ("1h", 31 * 24), ("1d", 31), ("1w", 5), ("1mo", 1)]
)
def test_every_piece_of_time_is_a_row(run, store, interval, pieces):
    rows = asked(run, "series", "--store", store, *OCTOBER, "--interval", interval)
    assert len(rows) == pieces
    assert rows[0]["start"] == "2026-10-01T00:00:00Z"
    assert all(one["end"] == other["start"] for one, other in pairwise(rows))


def test_series_have_bars_where_they_can_be_written_and_the_same_rows_in_csv(run, store):
    table = run("series", "--store", store, *OCTOBER).stdout.splitlines()
    rows = asked(run, "series", "--store", store, *OCTOBER)
    most = max(range(31), key=lambda number: rows[number]["hits"])
    assert "█" * 12 in table[most + 1]
    assert table[32].split()[:2] == ["total", f"{sum(row['hits'] for row in rows):,}"]
    done = subprocess.run(
        [sys.executable, "-m", "tyk_endpoint_stats", "series", "--store", store, *OCTOBER],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert b"2588" not in done.stdout
    assert "█" not in done.stdout.decode("latin-1")
    text = run("series", "--store", store, *OCTOBER, "--format", "csv").stdout
    assert [int(row["hits"]) for row in csv.DictReader(io.StringIO(text))] == [row["hits"] for row in rows]


def test_stores_that_are_equal_compare_equal(run, store):
    assert run("copy", "--from", store, "--to", "sqlite:///copy.db").exit_code == 0
    result = run("compare", "--store", store, "--with", "sqlite:///copy.db", *OCTOBER)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "rows are equal, from 2026-10-01 to 2026-10-31 (UTC)." in result.stderr


def test_a_store_that_tracks_less_differs_and_is_explained(run, tmp_path):
    hit = {"api_id": "a", "api_key": "k", "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"}
    lines = [
        json.dumps({**hit, "path": path, "track_path": path == "/in"}) + "\n" for path in ("/in", "/out", "/out")
    ]
    tmp_path.joinpath("some.jsonl").write_text("".join(lines))
    assert run("ingest", "--store", "sqlite:///all.db", "some.jsonl").exit_code == 0
    assert run("ingest", "--store", "sqlite:///tracked.db", "--tracked-only", "some.jsonl").exit_code == 0
    compared = ("compare", "--store", "sqlite:///all.db", "--with", "sqlite:///tracked.db", *OCTOBER)
    result = run(*compared)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["k", "/out", "hits", "2", "-", "-", "untracked", "path"]
    assert lines[3].startswith("untracked path: The other store has nothing of this endpoint")
    assert "1 of 2 rows differ" in result.stderr
    (row,) = json.loads(run(*compared, "--format", "json").stdout)
    assert (row["member"], row["ours"], row["theirs"], row["reason"]) == ("hits", 2, None, "untracked path")
    other_way = run("compare", "--store", "sqlite:///tracked.db", "--with", "sqlite:///all.db", *OCTOBER)
    assert other_way.exit_code == 1
    assert "not known" in other_way.stdout
    assert run(*compared, "--key", "nobody").exit_code == 0


def test_a_csv_on_a_terminal_has_no_control_characters(run, tmp_path):
    """A file gets the text itself; a terminal would do what it says."""
    hit = {"path": "/\x1b]0;title\x07", "api_key": "k", "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"}
    tmp_path.joinpath("esc.jsonl").write_text(json.dumps(hit) + "\n")
    assert run("ingest", "--store", "sqlite:///esc.db", "esc.jsonl").exit_code == 0
    command = ["endpoints", "--store", "sqlite:///esc.db", "--key", "k", *OCTOBER, "--format", "csv"]
    assert "\x1b" in run(*command).stdout
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-m", "tyk_endpoint_stats", *command], stdout=theirs, check=True)
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    assert "\x1b" not in shown
    assert r"/\x1b]0;title\x07" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does_and_its_examples_have_options_that_there_are(run, command):
    text = run(command, "--help").stdout
    assert text.startswith(f"Usage: tyk-endpoint-stats {command}")
    about, _, options = text.partition("\nOptions:\n")
    assert about.splitlines()[2].strip(), "what it does"
    known = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", options, re.MULTILINE))
    for example in re.findall(rf"^ +tyk-endpoint-stats {command} .*", text, re.MULTILINE):
        assert set(re.findall(r" (--[\w-]+)", example.partition("$(")[0])) <= known, example
