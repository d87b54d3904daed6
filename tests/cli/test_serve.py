"""``serve``: what it prints answers, tokens, errors."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.waiting import wait_for

pytestmark = pytest.mark.slow

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


PROGRAM = (sys.executable, "-m", "tyk_endpoint_stats")
SMALL_DEMO = """
import tyk_endpoint_stats.cli.serve as serve
from tyk_endpoint_stats.__main__ import main
serve._DEMO["records"] = 2_000
main()
"""


@contextmanager
def serving(folder, *arguments, program=PROGRAM, **environment):
    program = subprocess.Popen(
        [*program, "serve", "--port", "0", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        first = program.stdout.readline()
        yield program, first
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=20)
        assert program.returncode == 0
    finally:
        program.kill()
        program.communicate()


def get(url, token, method="GET"):
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request(
        method, parts.path + (f"?{parts.query}" if parts.query else ""), headers={"authorization": token}
    )
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What a demo prints, while it serves; it must leave no file."""
    folder = tmp_path_factory.mktemp("demo")
    with serving(folder, "--demo") as (program, first):
        printed = []
        for line in program.stdout:
            printed.append(line.rstrip("\n"))
            if "/ui/login?once=" in line:
                break
        yield first, printed
    assert not list(folder.iterdir())


def test_the_demo_prints_urls_and_curl_lines_that_answer(demo):
    first, printed = demo
    assert re.fullmatch(r"Serving on http://127\.0\.0\.1:\d+, days in UTC\. Ctrl-C stops\.\n", first)
    token = printed[0].removeprefix("Token, made for this run: ")
    assert re.fullmatch("[0-9a-f]{40}", token)
    urls = [line.strip() for line in printed if line.startswith("  http") and "/ui/" not in line]
    assert [("/keys/" in url, "/oauthid/" in url) for url in urls] == [(True, False), (False, True)]
    for url in urls:
        status, answer = get(url, token)
        assert status == 200
        assert len(answer["data"]) > 10
    for curl in [line.strip() for line in printed if line.startswith("  curl")]:
        done = subprocess.run(["bash", "-c", f"{curl} --silent"], capture_output=True, check=True)
        assert len(json.loads(done.stdout)["data"]) > 10
    assert get(urls[0], "wrong")[0] == 401


def test_a_store_is_served_in_the_zone_and_pages_asked_for(run, store, traffic, tmp_path):
    from tyk_endpoint_stats import Kind

    key = traffic.busiest(Kind.KEY).id
    asked = f"/api/activity/keys/endpoint/{key}/2/10/2026/31/10/2026"
    options = ("--store", store, "--token", TOKEN, "--timezone", "Asia/Kolkata", "--page-size", "3")
    with serving(tmp_path, *options) as (_, first):
        url = re.search("http://[^,]+", first)[0]
        _, answer = get(url + asked, TOKEN)
        _, page = get(f"{url}{asked}?p=2", TOKEN)
    printed = run(
        *("endpoints", "--store", store, "--key", key, "--from", "2026-10-02", "--to", "2026-10-31"),
        *("--timezone", "Asia/Kolkata", "--format", "tyk"),
    ).stdout
    assert answer == json.loads(printed)
    assert page["data"] == answer["data"][3:6]
    assert page["pages"] == -(-len(answer["data"]) // 3)


def test_an_answer_of_more_rows_than_is_said_is_refused(store, traffic, tmp_path):
    from tyk_endpoint_stats import Kind

    asked = f"/api/activity/keys/endpoint/{traffic.busiest(Kind.KEY).id}/1/10/2026/31/10/2026"
    with serving(tmp_path, "--store", store, "--token", TOKEN, "--max-rows", "3") as (_, first):
        status, answer = get(re.search("http://[^,]+", first)[0] + asked, TOKEN)
    assert status == 400
    assert answer["Message"].startswith("The answer has more than 3 rows, ")


def test_the_last_day_can_be_left_out(store, traffic, tmp_path):
    from tyk_endpoint_stats import Kind

    key = traffic.busiest(Kind.KEY).id
    with serving(tmp_path, "--store", store, "--token", TOKEN, "--end-date", "exclusive") as (_, first):
        url = re.search("http://[^,]+", first)[0]
        one_day = get(f"{url}/api/activity/keys/endpoint/{key}/20/10/2026/21/10/2026", TOKEN)[1]
        none = get(f"{url}/api/activity/keys/endpoint/{key}/20/10/2026/20/10/2026", TOKEN)[1]
    assert none == {"data": [], "pages": 1}
    assert {row["last_hit"][:10] for row in one_day["data"]} == {"2026-10-20"}


def test_without_a_token_one_is_made_and_a_curl_line_printed(tmp_path):
    with serving(tmp_path) as (program, first):
        assert first.startswith("Serving on http://127.0.0.1:")
        token = program.stdout.readline().rpartition(" ")[2].strip()
        program.stdout.readline()
        curl = program.stdout.readline().strip()
        assert curl.startswith(f"curl -H 'authorization: {token}' 'http://127.0.0.1:")
        done = subprocess.run(["bash", "-c", f"{curl} --silent"], capture_output=True, check=True)
        assert json.loads(done.stdout) == {"data": [], "pages": 1}
    assert tmp_path.joinpath("tyk-endpoint-stats.db").exists()


def test_a_token_that_was_given_is_never_printed(tmp_path):
    tmp_path.joinpath("tokens").write_text(f"{TOKEN}\nanother-token-of-length org1\n")
    tmp_path.joinpath("tokens").chmod(0o600)
    few = (sys.executable, "-c", SMALL_DEMO)
    with serving(tmp_path, "--demo", "--token-file", "tokens", program=few) as (program, first):
        url = re.search("http://[^,]+", first)[0]
        assert get(f"{url}/api/activity/keys/endpoint/k/1/1/2026/1/1/2026", TOKEN)[0] == 200
        assert (
            get(f"{url}/api/activity/keys/endpoint/k/1/1/2026/1/1/2026", "bearer another-token-of-length")[0] == 200
        )
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=20)
    assert program.returncode == 0
    assert "made for this run" not in out
    for token in (TOKEN, "another-token-of-length"):
        assert token not in out + err
    assert "authorization: $TOKEN" in out


def test_tokens_come_by_variable_too(tmp_path):
    with serving(tmp_path, TYK_ENDPOINT_STATS_SERVE_TOKEN=f"{TOKEN} {TOKEN}x") as (_, first):
        url = re.search("http://[^,]+", first)[0]
        for token, status in ((TOKEN, 200), (f"{TOKEN}x", 200), ("x", 401)):
            assert get(f"{url}/api/activity/keys/endpoint/k/1/1/2026/1/1/2026", token)[0] == status


def test_a_port_that_is_taken_is_a_clear_error(tmp_path, run):
    with serving(tmp_path, "--token", TOKEN) as (_, first):
        port = re.search(r":(\d+),", first)[1]
        result = run("serve", "--port", port, "--token", TOKEN, "--store", "memory://")
    assert result.exit_code == 1
    assert f"can't listen at 127.0.0.1 port {port}: Address already in use; try another --port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--demo", "--store", "memory://"), "leave --store out"),
        (("--timezone", "Mars/Olympus"), "'Mars/Olympus' is not known"),
        (("--port", "99999"), "0<=x<=65535"),
        (("--page-size", "0"), "x>=1"),
        (("--max-rows", "0"), "x>=1"),
        (("--token-file", "missing"), "token file missing can't be read: No such file"),
        (("--token", "with space"), "token 1 has white space"),
        (("--token", ""), "token 1 is empty"),
        (("--end-date", "open"), "'inclusive', 'exclusive'"),
    ],
)
def test_wrong_usage_is_named(run, arguments, message):
    result = run("serve", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


LINE = b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'


def hits_of(answer):
    return sum(row["hits"] for row in answer["data"])


def test_one_process_reads_and_answers_and_loses_nothing_when_it_ends(tmp_path):
    asked = "/api/activity/keys/endpoint/k/13/10/2026/13/10/2026"
    log, other = tmp_path / "log", tmp_path / "other.log"
    log.write_bytes(LINE * 3)
    options = ("--store", "sqlite:///stats.db", "--token", TOKEN, "--ingest", "log", "--ingest", "other*")
    with serving(tmp_path, *options) as (_, first):
        url = re.search("http://[^,]+", first)[0] + asked
        wait_for(lambda: hits_of(get(url, TOKEN)[1]) == 3)
        other.write_bytes(b'{"path":"/other"' + LINE[12:])
        wait_for(lambda: hits_of(get(url, TOKEN)[1]) == 4)
        with log.open("ab") as grown:
            grown.write(LINE * 100_000)
        wait_for(lambda: hits_of(get(url, TOKEN)[1]) > 4)  # in the middle of it
    options = ("--store", "sqlite:///stats.db", "--token", TOKEN, "--ingest", "log")
    with serving(tmp_path, *options) as (_, first):
        url = re.search("http://[^,]+", first)[0] + asked
        wait_for(lambda: hits_of(get(url, TOKEN)[1]) == 100_004)


def test_stdin_is_followed_too_and_what_came_is_merged_before_the_end(tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-m", "tyk_endpoint_stats", "serve", "--port", "0", "--token", TOKEN, "--ingest", "-"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        url = re.search("http://[^,]+", program.stdout.readline().decode())[0]
        program.stdin.write(LINE * 1000)
        program.stdin.flush()
        url += "/api/activity/keys/endpoint/k/13/10/2026/13/10/2026"
        wait_for(lambda: hits_of(get(url, TOKEN)[1]) == 1000)
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0
    finally:
        program.kill()
        program.communicate()


def test_a_source_that_no_plugin_knows_is_wrong_usage(run):
    result = run("serve", "--port", "0", "--token", TOKEN, "--ingest", "gopher://x")
    assert result.exit_code == 2
    assert "scheme 'gopher' is not known as a source" in result.stderr
    demo = run("serve", "--demo", "--ingest", "log")
    assert demo.exit_code == 2
    assert "--demo serves generated traffic alone" in demo.stderr


def test_a_pattern_that_is_none_is_wrong_usage(run):
    result = run("serve", "--port", "0", "--pattern", "(", "--ingest", "log")
    assert result.exit_code == 2
    assert "'(' is no regular expression" in result.stderr


def test_the_demo_prints_a_link_that_signs_in_once_and_shows_a_consumer(demo):
    _, printed = demo
    parts = urlsplit(printed[-1].strip())

    def ask(target, cookie=""):
        connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.request("GET", target, headers={"cookie": cookie})
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response, body

    response, _ = ask(f"{parts.path}?{parts.query}")
    assert response.status == 303
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    page, body = ask(f"/ui/{response.headers['Location']}", cookie)
    assert page.status == 200
    assert "What changed since the 30 days before" in body
    again, _ = ask(f"{parts.path}?{parts.query}")
    assert again.headers["Location"] == "login?failed=2"


@pytest.mark.parametrize("value", ["", "d", "0d", "-1d", "4.5d", "１d", "400days"])
def test_retention_is_a_number_of_days(run, value):
    result = run("serve", "--demo", f"--retain={value}")
    assert (result.exit_code, "say how many days are kept: 400d" in result.output) == (2, True)
