"""``ingest`` as a program: stdin, several processes, following, signals, a terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_ingest import STORE, hits, line
from tests.waiting import wait_for
from tyk_endpoint_stats.cli import opening
from tyk_endpoint_stats.ingest import parallel

pytestmark = pytest.mark.slow


def started(folder, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "tyk_endpoint_stats", "ingest", *STORE, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ended(program):
    """Nothing is left of it, whatever went wrong."""
    program.kill()
    if not program.stdout.closed:
        program.communicate()


def test_stdin_is_a_source(tmp_path):
    program = started(tmp_path, "-")
    out, _ = program.communicate(line() * 3, timeout=30)
    assert program.returncode == 0
    assert b"stdin: 3 read" in out
    assert hits(tmp_path) == 3


def test_all_cores_give_the_same_as_one(tmp_path, run, monkeypatch):
    from tyk_endpoint_stats.demo import Traffic

    monkeypatch.setattr(parallel, "WORTH_BYTES", 2**20)
    monkeypatch.setattr(parallel, "_LEAST_PIECE_BYTES", 2**18)
    with tmp_path.joinpath("demo.jsonl").open("wb") as file:
        Traffic(records=2_000, full=True).write(file)
    assert tmp_path.joinpath("demo.jsonl").stat().st_size > 2 * 2**20
    answers = []
    for jobs in (1, 3):
        url = f"sqlite:///{jobs}.db"
        result = run("ingest", "--store", url, "--jobs", jobs, "demo.jsonl")
        assert result.exit_code == 0
        assert "demo.jsonl: 2,000 read" in result.stdout
        assert "demo.jsonl: 0 read" in run("ingest", "--store", url, "demo.jsonl").stdout
        answers.append(run("consumers", "--store", url, "--format", "json").stdout)
    assert answers[0] == answers[1]
    assert len(answers[0]) > 10_000


def test_following_ends_where_the_signal_comes_while_the_first_source_is_looked_for(run, tmp_path, monkeypatch):
    # Where waiting and following each caught signals for themselves, this one was lost and the program went on.
    tmp_path.joinpath("log").write_bytes(line())
    finder = opening.source_finder

    def finder_that_signals(plugins):
        find = finder(plugins)

        def find_and_signal(name):
            if not signalled:
                signalled.append(True)
                signal.raise_signal(signal.SIGTERM)
            return find(name)

        return find_and_signal

    signalled = []
    monkeypatch.setattr(opening, "source_finder", finder_that_signals)
    monkeypatch.chdir(tmp_path)
    done = run("ingest", *STORE, "--follow", "log")
    assert signalled
    assert done.exit_code == 0
    assert "Stopping" in done.stderr


def test_following_reads_on_finds_new_files_and_ends_well(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(line() * 2)
    program = started(tmp_path, "--follow", "log*", "later.jsonl")
    try:
        wait_for(lambda: tmp_path.joinpath("stats.db").exists() and hits(tmp_path) == 2)
        with log.open("ab") as grown:
            grown.write(line() + line(path="/half")[:-20])
        wait_for(lambda: hits(tmp_path) == 3)
        with log.open("ab") as grown:
            grown.write(line(path="/half")[-20:])
        log.rename(tmp_path / "log.1")
        log.write_bytes(line(path="/new"))
        tmp_path.joinpath("later.jsonl").write_bytes(line(path="/later"))
        wait_for(lambda: hits(tmp_path) == 6)
        program.send_signal(signal.SIGTERM)
        out, err = program.communicate(timeout=20)
    finally:
        ended(program)
    assert program.returncode == 0
    assert b"Waiting: later.jsonl: there is no such file" in err
    assert b"all sources: 6 read" in out
    assert hits(tmp_path) == 6


def test_ctrl_c_merges_what_was_read_and_says_how_to_go_on(tmp_path):
    total = 0
    program = started(tmp_path, "-")
    try:
        for _ in range(20):
            program.stdin.write(line() * 1000)
            program.stdin.flush()
            total += 1000
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(line(), timeout=20)
    finally:
        ended(program)
    assert program.returncode == 1
    assert b"Stopping after what was read so far" in err
    assert b"run it again to go on" in err
    assert 0 < hits(tmp_path) <= total + 1
    read = int(out.split(b" read")[0].rpartition(b" ")[2].replace(b",", b""))
    assert read == hits(tmp_path)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there is no terminal to open")
def test_progress_is_shown_on_a_terminal_and_cleared(tmp_path):
    Path(tmp_path / "a.jsonl").write_bytes(line() * 20_000)
    leader, follower = os.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "tyk_endpoint_stats", "ingest", *STORE, "a.jsonl"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    out, _ = program.communicate(timeout=30)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert b"\r\x1b[2Ka.jsonl  " in shown
    assert b"MiB/s" in shown
    assert shown.endswith(b"\r\x1b[2K")
    assert b"\x1b" not in out
