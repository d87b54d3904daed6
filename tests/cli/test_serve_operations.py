"""``serve`` as it is operated: sockets, systemd, signals, probes, metrics and logs."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import msgspec
import pytest

from tests.cli.serving import LINE, NEW_TOKEN, TOKEN, curl, serving
from tests.waiting import wait_for
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.core.record import Record

pytestmark = pytest.mark.slow

QUESTION = "/api/activity/keys/endpoint/k/13/10/2026/13/10/2026"


def token_file(folder, *tokens):
    path = folder / "tokens"
    path.write_text("".join(f"{token}\n" for token in tokens))
    path.chmod(0o600)
    return path


def asked(url, token, *options):
    return curl(*options, "-H", f"authorization: {token}", url + QUESTION)[0]


def test_at_a_unix_socket_curl_is_answered_as_is_printed(tmp_path):
    with serving(tmp_path, "--unix", "http.sock", "--unix-mode", "600", "--store", "memory://") as running:
        path = tmp_path / "http.sock"
        assert running.first == f"Serving on unix:{path}, days in UTC. Ctrl-C stops.\n"
        assert path.stat().st_mode & 0o777 == 0o600
        line = [running.program.stdout.readline().strip() for _ in range(3)][2]
        assert line.startswith("curl --unix-socket http.sock -H 'authorization: ")
        done = subprocess.run(["bash", "-c", f"{line} --silent"], capture_output=True, check=True, cwd=tmp_path)
        assert json.loads(done.stdout) == {"data": [], "pages": 1}
        # One that lives keeps its socket; a second server says so.
        second = subprocess.run(
            [sys.executable, "-m", "tyk_endpoint_stats", "serve", "--store", "memory://", "--unix", "http.sock"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert "can't listen at http.sock: a server listens there already; try another --unix" in second.stderr
        assert curl("--unix-socket", str(path), "http://localhost/health")[0] == 200
    assert not path.exists()


def test_a_killed_servers_socket_is_taken_over(tmp_path):
    options = ("--unix", "http.sock", "--token", TOKEN, "--store", "memory://")
    with pytest.raises(AssertionError), serving(tmp_path, *options) as killed:
        killed.program.kill()
    assert tmp_path.joinpath("http.sock").is_socket()
    with serving(tmp_path, *options):
        assert curl("--unix-socket", str(tmp_path / "http.sock"), "http://localhost/health")[0] == 200


def test_days_that_are_too_old_are_dropped_while_it_answers(tmp_path):
    today = datetime.now(UTC)
    new = LINE.replace(b"2026-10-13T10:00:00Z", f"{today:%Y-%m-%d}T00:00:00Z".encode())
    url = f"sqlite:///{tmp_path}/stats.db"
    with open_store(url) as store:
        store.ingest(msgspec.json.Decoder(Record).decode(line) for line in (LINE.replace(b"2026", b"2020"), new))
    with serving(tmp_path, "--retain", "400d", "--port", "0", "--token", TOKEN, "--store", url) as running:

        def hits(day):
            status, body = curl("-H", f"authorization: {TOKEN}", f"{running.url}{QUESTION[:-21]}{day}/{day}")
            assert status == 200, body
            return [row["hits"] for row in json.loads(body)["data"]]

        wait_for(lambda: hits("13/10/2020") == [])
        assert hits(f"{today:%-d/%-m/%Y}") == [1]
        wait_for(lambda: "retention: " in running.err)
    assert "rows older than 400 days were dropped" in running.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--unix", "s", "--port", "80"), "leave --host and --port out"),
        (("--unix", "s", "--unix-mode", "rw"), "'rw' is no file mode"),
        (("--idle-timeout", "0"), "x>0"),
        (("--stalled-after", "1"), "x>=2"),
        (("--public-url", "stats.example"), "public_url must be http:// or https://"),
        (("--metrics", "all"), "'token', 'open', 'off'"),
        (("--log-format", "xml"), "'text', 'json'"),
    ],
)
def test_wrong_usage_is_named(run, arguments, message):
    result = run("serve", "--store", "memory://", "--token", TOKEN, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_idle_connection_has_the_time_that_is_said(tmp_path):
    with serving(
        tmp_path, "--port", "0", "--token", TOKEN, "--store", "memory://", "--idle-timeout", "0.3"
    ) as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            assert sock.recv(65_536).startswith(b"HTTP/1.1 200 ")
            began = time.monotonic()
            assert sock.recv(1) == b""
            assert 0.2 < time.monotonic() - began < 3


def test_examples_show_the_url_that_clients_use(tmp_path):
    options = ("--port", "0", "--store", "memory://", "--public-url", "https://stats.example/usage/")
    with serving(tmp_path, *options) as running:
        line = [running.program.stdout.readline() for _ in range(3)][2]
        assert re.fullmatch("  curl -H '[^']+' 'https://stats.example/usage/api/activity/keys/[^']+'\n", line)


def test_systemd_hears_of_start_reload_end_and_life(tmp_path):
    tokens = token_file(tmp_path, TOKEN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)

        def heard():
            return systemd.recv(4096).decode().split("\n")[0]

        def heard_besides_life():
            while (state := heard()) == "WATCHDOG=1":
                pass
            return state

        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        options = ("--port", "0", "--store", "memory://", "--token-file", str(tokens))
        with serving(tmp_path, *options, **environment) as running:
            assert heard() == "READY=1"
            assert curl(f"{running.url}/health")[0] == 200, "and it is"
            assert [heard(), heard()] == ["WATCHDOG=1"] * 2
            running.program.send_signal(signal.SIGHUP)
            assert [heard_besides_life(), heard_besides_life()] == ["RELOADING=1", "READY=1"]
        assert heard_besides_life() == "STOPPING=1"


def test_sighup_reads_the_tokens_again_and_drains_nothing(tmp_path):
    tokens = token_file(tmp_path, TOKEN)
    with serving(tmp_path, "--port", "0", "--store", "memory://", "--token-file", str(tokens)) as running:
        port = int(running.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as kept:
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert [asked(running.url, each) for each in (TOKEN, NEW_TOKEN)] == [200, 401]
            token_file(tmp_path, NEW_TOKEN, "third-token-0123456789 org")
            running.program.send_signal(signal.SIGHUP)
            wait_for(lambda: "2 are valid now" in running.err)
            assert [asked(running.url, each) for each in (TOKEN, NEW_TOKEN)] == [401, 200]
            # What can't be used changes nothing, and is said.
            for text in ("", "one two three\n", "twice org1\ntwice org2\n"):
                tokens.write_text(text)
                before = running.err.count("the tokens stay as they were: ")
                running.program.send_signal(signal.SIGHUP)
                wait_for(lambda before=before: running.err.count("stay as they were: ") > before)
                assert [asked(running.url, each) for each in (TOKEN, NEW_TOKEN)] == [401, 200]
            tokens.unlink()
            running.program.send_signal(signal.SIGHUP)
            wait_for(lambda: "can't be read: No such file" in running.err)
            assert [asked(running.url, each) for each in (TOKEN, NEW_TOKEN)] == [401, 200]
            kept.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
            assert kept.recv(65_536).startswith(b"HTTP/1.1 200 "), "the same connection, through five of them"
        assert TOKEN not in running.err
        assert NEW_TOKEN not in running.err


def test_sighup_without_a_file_changes_nothing(tmp_path):
    with serving(tmp_path, "--port", "0", "--store", "memory://", "--token", TOKEN) as running:
        running.program.send_signal(signal.SIGHUP)
        wait_for(lambda: "there is no --token-file to read again" in running.err)
        assert asked(running.url, TOKEN) == 200


def test_where_sighup_says_that_the_terminal_is_gone_serving_ends_as_by_sigterm(tmp_path):
    child, terminal = pty.fork()
    if child == 0:  # it has the terminal as its own, as a shell's program has
        os.chdir(tmp_path)
        arguments = ["serve", "--port", "0", "--store", "memory://", "--token", TOKEN]
        os.execv(sys.executable, [sys.executable, "-m", "tyk_endpoint_stats", *arguments])
    try:
        shown = b""
        while b"Ctrl-C stops." not in shown:
            shown += os.read(terminal, 4096)
    finally:
        os.close(terminal)  # the window is closed; the kernel sends SIGHUP
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    assert not os.WIFSIGNALED(ended[1]), "drained, not killed"


def test_ready_tells_a_stalled_ingest_from_a_working_one(tmp_path):
    store = f"sqlite:///{tmp_path}/stats.db"
    log = tmp_path / "log"
    log.write_bytes(LINE)
    options = ("--port", "0", "--store", store, "--token", TOKEN, "--ingest", str(log), "--stalled-after", "2")
    with serving(tmp_path, *options) as running:
        ready = f"{running.url}/ready"
        wait_for(lambda: '"hits":1' in curl("-H", f"authorization: {TOKEN}", running.url + QUESTION)[1])
        # The store's lock is held by another process, as by a copy that hangs; readers are answered all the same.
        blocker = subprocess.Popen(
            [sys.executable, "-c", BLOCKER, f"{tmp_path}/stats.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert blocker.stdout.readline() == "held\n"
            with log.open("ab") as grown:
                grown.write(LINE)
            wait_for(lambda: curl(ready)[0] == 503)
            body = json.loads(curl(ready)[1])
            assert body["Message"].startswith("Not ready: the ingest has stood still for ")
            assert str(tmp_path) not in body["Message"]
            assert curl(f"{running.url}/health")[0] == 200
            assert asked(running.url, TOKEN) == 200
            metrics = curl("-H", f"authorization: {TOKEN}", f"{running.url}/metrics")[1]
            assert "\ntyk_endpoint_stats_ingest_stalled 1.0\n" in metrics
        finally:
            blocker.communicate("\n")
        wait_for(lambda: '"hits":2' in curl("-H", f"authorization: {TOKEN}", running.url + QUESTION)[1])
        wait_for(lambda: curl(ready)[0] == 200)


BLOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def test_metrics_count_what_is_ingested_and_answered(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(LINE * 3 + b"no record\n")
    options = ("--port", "0", "--store", "memory://", "--token", TOKEN, "--ingest", str(log))
    with serving(tmp_path, *options) as running:

        def metrics():
            return curl("-H", f"authorization: Bearer {TOKEN}", f"{running.url}/metrics")[1].splitlines()

        wait_for(lambda: 'tyk_endpoint_stats_records_total{outcome="counted"} 3.0' in metrics())
        assert 'tyk_endpoint_stats_records_total{outcome="malformed"} 1.0' in metrics()
        assert asked(running.url, "wrong") == 401
        wait_for(lambda: 'tyk_endpoint_stats_answers_total{status="401"} 1.0' in metrics())
        lag = next(line for line in metrics() if line.startswith("tyk_endpoint_stats_lag_seconds "))
        assert abs(time.time() - 1_791_885_600 - float(lag.split()[1])) < 60
        assert curl(f"{running.url}/metrics")[0] == 401
    with serving(tmp_path, "--port", "0", "--store", "memory://", "--token", TOKEN, "--metrics", "off") as running:
        assert curl("-H", f"authorization: {TOKEN}", f"{running.url}/metrics")[0] == 404


def test_logs_for_programs_are_one_object_a_line_without_a_secret(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(LINE)
    options = ("--port", "0", "--store", "sqlite:///stats.db", "--token-file", str(token_file(tmp_path, TOKEN)))
    with serving(tmp_path, *options, "--ingest", "later*", "--log-format", "json") as running:
        assert curl("-H", f"authorization: {TOKEN}", f"{running.url}{QUESTION}?p=1")[0] == 200
        assert curl(f"{running.url}/{TOKEN}")[0] == 401
        running.program.send_signal(signal.SIGHUP)
        wait_for(lambda: "1 are valid now" in running.err)
        wait_for(lambda: "waiting" in running.err)
        wait_for(lambda: running.err.count('"peer"') == 2)
    events = [json.loads(line) for line in running.err.splitlines()]
    for event in events:
        assert {"time", "level", "logger", "message"} <= set(event)
        assert time.strptime(event["time"][:19], "%Y-%m-%dT%H:%M:%S")
        assert event["time"][19:].endswith("Z")
    answers = [event for event in events if "peer" in event]
    assert [(event["method"], event["status"], event["taken"]) for event in answers] == [
        ("GET", 200, True),
        ("GET", 401, True),
    ]
    assert answers[0]["target"].startswith("/api/activity/keys/endpoint/~")
    assert answers[0]["target"].endswith("/13/10/2026/13/10/2026?p=1")
    assert all(event["ms"] >= 0 and event["bytes"] > 0 for event in answers)
    said = [event["message"] for event in events]
    assert "sqlite:///stats.db is new and empty" in said
    assert any(message.startswith("waiting: ") and "later*" in message for message in said)
    assert TOKEN not in running.err


def test_a_store_that_is_new_and_empty_is_named(tmp_path, run):
    tmp_path.joinpath("log").write_bytes(LINE)
    assert run("ingest", "--store", "sqlite:///full.db", "log").exit_code == 0
    for name, is_said in (("typo", True), ("typo", True), ("full", False)):
        with serving(tmp_path, "--port", "0", "--token", TOKEN, "--store", f"sqlite:///{name}.db") as running:
            hint = f"ingest --store sqlite:///{name}.db FILE"
            text = f"sqlite:///{name}.db is new and empty; to fill it: tyk-endpoint-stats {hint}"
            assert (text in running.err) is is_said
