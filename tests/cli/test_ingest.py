"""``ingest``: reports, exit codes, rejects, rules, and what grew."""

import gzip
import json
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.ingest import parallel
from tyk_endpoint_stats.stores.sqlite import SQLiteStore

pytestmark = pytest.mark.slow

STORE = ("--store", "sqlite:///stats.db")


def line(path="/a", key="k", **members):
    record = {"path": path, "api_key": key, "response_code": 200, "timestamp": "2026-10-13T10:00:00Z"}
    return json.dumps(record | members).encode() + b"\n"


def hits(folder):
    with open_store(f"sqlite:///{folder}/stats.db") as store:
        return sum(row.hits for row in store.consumers())


def test_the_report_says_what_became_of_every_record(run, tmp_path):
    tmp_path.joinpath("a.jsonl").write_bytes(
        line() * 3
        + line(response_code=-1)
        + line(mcp_stats={"is_mcp": True})
        + b"{half\n"
        + line(timestamp="")
        + line(latency={"total": -1, "upstream": 0})
    )
    result = run("ingest", *STORE, "a.jsonl")
    assert result.exit_code == 0
    report = result.stdout
    assert report.startswith("a.jsonl: 8 read in ")
    assert "records/s" in report
    for pattern in ("counted                4  (1 repaired)", "skipped                2  (mcp 1, tcp 1)"):
        assert pattern in report
    assert "malformed              2  (" in report
    assert "a.jsonl: line 6 (byte " in report
    assert "--rejects FILE keeps malformed lines" in report
    assert hits(tmp_path) == 4


def test_again_adds_only_what_is_new_however_the_file_is_called_now(run, tmp_path):
    file = tmp_path / "log"
    file.write_bytes(line() * 5)
    assert "5 read" in run("ingest", *STORE, "log").stdout
    assert "log: 0 read" in run("ingest", *STORE, "log").stdout
    file = file.rename(tmp_path / "log.1")
    assert "log.1: 0 read" in run("ingest", *STORE, "log*").stdout
    with file.open("ab") as grown:
        grown.write(line(path="/b") * 2)
    assert "2 read" in run("ingest", *STORE, "log.1").stdout
    tmp_path.joinpath("log.2.gz").write_bytes(gzip.compress(file.read_bytes() + line()))
    file.unlink()
    assert "1 read" in run("ingest", *STORE, "log.2.gz").stdout
    assert hits(tmp_path) == 8


def test_several_sources_have_a_line_each_and_a_sum(run, tmp_path):
    for name, count in (("a", 1), ("b", 2)):
        tmp_path.joinpath(f"{name}.jsonl").write_bytes(line(path=f"/{name}") * count)
    report = run("ingest", *STORE, "a.jsonl", "b.jsonl").stdout.splitlines()
    assert report[0].startswith("a.jsonl: 1 read, 1 counted")
    assert report[1].startswith("b.jsonl: 2 read, 2 counted")
    assert report[2].startswith("2 sources: 3 read")


def test_a_source_that_fails_does_not_stop_the_others(run, tmp_path):
    whole = gzip.compress(line(path="/gz") * 100)
    tmp_path.joinpath("cut.jsonl.gz").write_bytes(whole[:-10])
    tmp_path.joinpath("b.jsonl").write_bytes(line(path="/b"))
    result = run("ingest", *STORE, "missing", "cut.jsonl.gz", ".", "b.jsonl")
    assert result.exit_code == 1
    assert "Error: missing: there is no such file" in result.stderr
    assert "Error: cut.jsonl.gz: this gzip file is cut off or corrupt" in result.stderr
    assert "Error: .: is a directory; name the files in it" in result.stderr
    assert hits(tmp_path) == 1


@pytest.mark.parametrize("bad", [b"{half\n", line(timestamp="")])
def test_on_error_fail_stops_at_the_first_problem(run, tmp_path, bad):
    tmp_path.joinpath("a.jsonl").write_bytes(line() + bad + line())
    tmp_path.joinpath("b.jsonl").write_bytes(line(path="/b"))
    result = run("ingest", *STORE, "--on-error", "fail", "a.jsonl", "b.jsonl")
    assert result.exit_code == 1
    assert "a.jsonl: line 2 (byte " in result.stderr
    assert hits(tmp_path) == 0
    assert run("ingest", *STORE, "a.jsonl", "b.jsonl").exit_code == 0
    assert hits(tmp_path) == 3


def test_rejects_are_kept_whole_and_for_the_owner_alone(run, tmp_path):
    bad = [b"{half\n", b"\xff\xfe\n", line(timestamp="", raw_request="secret"), b"[1]\n"]
    tmp_path.joinpath("a.jsonl").write_bytes(line() + b"".join(bad))
    result = run("ingest", *STORE, "--rejects", "bad.jsonl", "a.jsonl")
    assert result.exit_code == 0
    kept = tmp_path / "bad.jsonl"
    assert sorted(kept.read_bytes().splitlines(True)) == sorted(bad)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "secret" not in result.stdout + result.stderr
    tmp_path.joinpath("a.jsonl").write_bytes(tmp_path.joinpath("a.jsonl").read_bytes() + b"{more\n")
    run("ingest", *STORE, "--rejects", "bad.jsonl", "a.jsonl")
    assert kept.read_bytes().endswith(b"\n{more\n")
    assert sorted(kept.read_bytes().splitlines(True)) == sorted([*bad, b"{more\n"])


def test_a_file_of_rejects_that_others_could_read_is_closed_to_them(run, tmp_path):
    tmp_path.joinpath("bad.jsonl").touch(0o644)
    tmp_path.joinpath("a.jsonl").write_bytes(b"{bad\n")
    run("ingest", *STORE, "--rejects", "bad.jsonl", "a.jsonl")
    assert tmp_path.joinpath("bad.jsonl").read_bytes() == b"{bad\n"
    assert stat.S_IMODE(tmp_path.joinpath("bad.jsonl").stat().st_mode) == 0o600


def test_rejects_that_can_not_be_written_are_a_clear_error_and_no_wait(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody reads it
    tmp_path.joinpath("a.jsonl").write_bytes(b"{bad\n")
    for target in ("pipe", "/dev/full"):
        result = run("ingest", *STORE, "--rejects", target, "a.jsonl")
        assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
        assert f"Error: {target}: rejects can't be written there: No s" in result.stderr


def test_a_new_file_of_rejects_has_its_name_on_disk_before_a_batch_counts(run, tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda of: synced.append(Path(f"/proc/self/fd/{of}").readlink()) or fsync(of))
    for number in (1, 2):
        with tmp_path.joinpath("a.jsonl").open("ab") as file:
            file.write(b"{bad\n")
        run("ingest", *STORE, "--rejects", "bad.jsonl", "a.jsonl")
        assert synced.count(tmp_path) == 1, "the first time, and not again"
        assert synced.count(tmp_path / "bad.jsonl") == number


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("folder", "is a directory"),
        ("a.zip", "a zip archive"),
        ("a.gz", "cut off or corrupt"),
        ("a.log", "can't be read"),
        ("redis://127.0.0.1:1/0", "127.0.0.1"),
    ],
)
def test_no_store_is_made_for_a_source_that_can_not_be_opened(run, tmp_path, source, message):
    tmp_path.joinpath("folder").mkdir()
    tmp_path.joinpath("a.zip").write_bytes(b"PK\x03\x04" + bytes(600))
    tmp_path.joinpath("a.gz").write_bytes(gzip.compress(line() * 9)[:-3])
    tmp_path.joinpath("a.log").symlink_to("a.log")
    result = run("ingest", *STORE, source)
    assert result.exit_code == 1
    assert message in result.stderr
    assert not list(tmp_path.glob("stats.db*"))
    tmp_path.joinpath("good").write_bytes(line())
    assert run("ingest", *STORE, source, "good").exit_code == 1
    assert hits(tmp_path) == 1, "another one can be opened"


def test_a_store_that_is_there_is_opened_once(run, tmp_path, monkeypatch):
    tmp_path.joinpath("log").write_bytes(line())
    opened = []
    made = SQLiteStore.__init__
    monkeypatch.setattr(SQLiteStore, "__init__", lambda self, path: (opened.append(path), made(self, path))[1])
    for _ in range(2):  # the first time it is made
        assert run("ingest", *STORE, "log").exit_code == 0
    assert len(opened) == 2


def test_rejects_are_not_written_through_a_link_or_into_a_missing_folder(run, tmp_path):
    tmp_path.joinpath("precious").write_text("precious")
    tmp_path.joinpath("link").symlink_to("precious")
    for target in ("link", "missing/file"):
        result = run("ingest", *STORE, "--rejects", target, "-", stdin=b"{bad\n")
        assert result.exit_code == 1
        assert f"{target}: rejects can't be written there" in result.stderr
    assert tmp_path.joinpath("precious").read_text() == "precious"


def test_rules_are_taken_from_options(run, tmp_path):
    lines = line(path="/t", track_path=True) + line() + line(path="/g", graphql_stats={"IsGraphQL": True})
    tmp_path.joinpath("a.jsonl").write_bytes(lines)
    report = run("ingest", "--store", "memory://", "--tracked-only", "a.jsonl").stdout
    assert "(graphql 1, untracked 1)" in report
    assert "counted                3" in run("ingest", *STORE, "--include", "graphql, mcp", "a.jsonl").stdout
    wrong = run("ingest", *STORE, "--include", "soap", "a.jsonl")
    assert wrong.exit_code == 2
    assert "soap: not one of graphql, mcp" in wrong.stderr


def test_paths_are_counted_without_their_ids_by_any_number_of_processes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "WORTH_BYTES", 0)
    with tmp_path.joinpath("demo.jsonl").open("wb") as file:
        for number in range(3000):
            file.write(line(path=f"/user/{number}/orders/{number:032x}", key="many"))
    options = ("--normalise", "uuid, number", "--pattern", "ord.rs")
    days = ("--from", "2026-10-13", "--to", "2026-10-13", "--format", "ndjson")
    for jobs in (1, 2):
        store = ("--store", f"sqlite:///{jobs}.db")
        assert run("ingest", *store, "--jobs", jobs, *options, "demo.jsonl").exit_code == 0
        rows = run("endpoints", *store, "--key", "many", *days).stdout.splitlines()
        assert [(row["path"], row["hits"]) for row in map(json.loads, rows)] == [("/user/{id}/{var}/{uuid}", 3000)]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--pattern", "(a"), "'(a' is no regular expression: missing )"),
        (("--pattern", "a*"), "'a*' matches the empty text"),
        (("--normalise", "guid"), "guid: not one of uuid, ulid, number"),
    ],
)
def test_a_rule_that_can_not_work_is_wrong_usage(run, tmp_path, option, message):
    result = run("ingest", *STORE, *option, "missing.jsonl")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_the_report_says_that_there_are_very_many_paths_and_what_helps(run, tmp_path):
    with tmp_path.joinpath("a.jsonl").open("wb") as file:
        file.writelines(line(path=f"/x/{number}", key="a.raw.key") for number in range(11_800))
        file.write(line(path="/few", key="0" * 8))
    report = run("ingest", *STORE, "--jobs", 1, "a.jsonl").stdout
    assert "11,801 distinct paths in one batch" in report
    assert "--normalise uuid,ulid,number" in report
    assert "a.raw.key" not in report  # where the gateway does not hash keys, one is a secret
    folded = run("ingest", "--store", "memory://", "--normalise", "number", "a.jsonl").stdout
    assert "counted           11,801" in folded
    assert "distinct paths" not in folded


@pytest.mark.parametrize("element", ["null", '{"api_key":"k"}'])
def test_a_line_of_many_malformed_records_is_kept_once(run, tmp_path, element):
    """Cache with each of them, 16 MiB would become 300 GB."""
    array = b"[" + b",".join([element.encode()] * 1000) + b"]\n"
    tmp_path.joinpath("a.jsonl").write_bytes(array + b"{bad\n" + array)
    assert "malformed          2,001" in run("ingest", *STORE, "--rejects", "bad", "a.jsonl").stdout
    assert sorted(tmp_path.joinpath("bad").read_bytes().splitlines(True)) == sorted([array, b"{bad\n", array])


def test_the_report_and_status_name_days_and_months_that_grew(run, tmp_path):
    """A closed month that grows changes a bill; the broken twin is a report that says nothing of it."""
    files = {
        "a": line(timestamp="2020-10-13T08:00:00Z") * 3 + line(timestamp="2020-10-14T08:00:00Z"),
        "b": line(timestamp="2020-10-13T09:00:00Z") * 2 + line(timestamp="9999-01-01T00:00:00Z"),
        "late": line(timestamp="2020-10-13T23:00:00Z") * 1_240 + line(timestamp="2020-10-15T08:00:00Z"),
    }
    for name, lines in files.items():
        tmp_path.joinpath(f"{name}.jsonl").write_bytes(lines)
    assert "grew" not in run("ingest", *STORE, "a.jsonl", "b.jsonl").stdout, "what is loaded first is new"
    assert "grew" not in run("ingest", *STORE, "a.jsonl", "b.jsonl").stdout, "nothing of it was merged"
    assert "grew" not in run("status", *STORE).stdout
    first = datetime.now(UTC).date()
    shown = run("ingest", *STORE, "late.jsonl").stdout
    last = json.loads(run("status", *STORE, "--format", "json").stdout)["grown"][0]["last"]
    assert first <= datetime.fromisoformat(last).date()
    grew = f"2020-10 by 1,240 hits, last on {last[:10]}: 2020-10-13 by 1,240\n"
    assert f"  grew       {grew}" in shown
    assert f"\ngrew        {grew}" in run("status", *STORE).stdout
    assert "grew" not in run("ingest", *STORE, "late.jsonl").stdout
    with tmp_path.joinpath("late.jsonl").open("ab") as file:
        file.write(line(timestamp="2020-10-15T08:00:00Z"))
    assert f"  grew       2020-10 by 1 hits, last on {first.year}" in run("ingest", *STORE, "late.jsonl").stdout
    (month,) = json.loads(run("status", *STORE, "--format", "json").stdout)["grown"]
    assert (month["month"], month["hits"]) == ("2020-10", 1_241)
    assert [(day["day"], day["hits"]) for day in month["days"]] == [("2020-10-13", 1_240), ("2020-10-15", 1)]


def test_many_months_and_days_that_grew_are_summed_up(run, tmp_path):
    days = [*(f"2020-09-{day:02}" for day in range(1, 9)), "2020-08-31", "2020-01-01"]
    months = [f"2019-{month:02}-05" for month in range(1, 13)]
    lines = b"".join(line(timestamp=f"{day}T00:00:00Z") for day in [*days, *days[-2:], *months])
    tmp_path.joinpath("a.jsonl").write_bytes(lines)
    run("ingest", *STORE, "a.jsonl")
    tmp_path.joinpath("late.jsonl").write_bytes(line(timestamp="2018-01-01T00:00:00Z") + lines)
    shown = run("ingest", *STORE, "late.jsonl").stdout
    on = rf"last on {datetime.now(UTC):%Y}-\d\d-\d\d"
    assert re.search(
        rf"""  grew       2020-09 by 8 hits, {on}: 3 earlier days, 2020-09-04 by 1, 2020-09-05 by 1, .*
             2020-08 by 2 hits, {on}: 2020-08-31 by 2
             2020-01 by 2 hits, {on}: 2020-01-01 by 2
             2019-12 by 1 hits, {on}: 2019-12-05 by 1
             2019-11 by 1 hits, {on}: 2019-11-05 by 1
             10 earlier months, 2019-01 to 2019-10, by 10 hits
""",
        shown,
    )
