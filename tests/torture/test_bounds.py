"""Memory stays bounded, whatever comes in."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest

from tyk_endpoint_stats import Record, open_store

pytestmark = pytest.mark.slow


def peak_mb(folder, twin, *arguments):
    """The most memory that a command and its workers had, each."""
    code = twin + (
        "import re, resource, runpy, sys\n"
        "sys.argv = ['tyk-endpoint-stats', *sys.argv[1:]]\n"
        "try: runpy.run_module('tyk_endpoint_stats', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        # Not its own ru_maxrss: a new process inherits that of the process that started it, which is pytest's.
        "print(re.search('VmHWM:\\\\s*([0-9]+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return max(int(text) for text in done.stderr.split()[-2:]) / 1024, done.stdout


def ingest_distinct_paths(folder, records, jobs, twin=""):
    """The peak of memory while records are ingested of which each has a path of its own."""
    rest = '"api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"'
    with (folder / "paths.jsonl").open("w") as file:
        for number in range(records):
            file.write(f'{{"path":"/v1/items/{number}",{rest}}}\n')
    peak, printed = peak_mb(folder, twin, "ingest", "--store", "sqlite:///s.db", "--jobs", str(jobs), "paths.jsonl")
    print(f"\n{records:,} paths, {jobs} jobs: {peak:.0f} MB")
    assert f"counted    {records:>13,}" in printed
    return peak


def test_distinct_paths_do_not_fill_the_memory(tmp_path):
    assert ingest_distinct_paths(tmp_path, 40_000, jobs=1) < 256


@pytest.mark.torture
@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_a_million_distinct_paths(tmp_path, jobs):
    assert ingest_distinct_paths(tmp_path, 1_000_000, jobs) < 256


@pytest.mark.torture
def test_a_file_of_twice_the_length_takes_no_more(tmp_path):
    """Batches that wait to be merged are bounded too, however fast they are made."""
    peaks = []
    for name, records in (("one", 1_000_000), ("two", 2_000_000)):
        (tmp_path / name).mkdir()
        peaks.append(ingest_distinct_paths(tmp_path / name, records, jobs=2))
    assert peaks[1] < peaks[0] * 1.2


@pytest.mark.torture
def test_that_catches_batches_that_never_end(tmp_path):
    """The broken twin."""
    endless = (
        "from tyk_endpoint_stats.ingest.options import IngestOptions, Limits, Wanted\n"
        "endless = Limits(states=10**9, bytes=2**60, held_bytes=2**60, seconds=1e9)\n"
        "IngestOptions.wanted = lambda options, states: Wanted(limits=endless)\n"
    )
    assert ingest_distinct_paths(tmp_path, 500_000, 1, endless) > 256


QUESTIONS, ENDPOINTS = 16, 200_000
TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


@pytest.fixture(scope="module")
def many_endpoints(tmp_path_factory):
    """A store with a key that has 200,000 endpoints, and two that have as many as a server gives."""
    url = f"sqlite:///{tmp_path_factory.mktemp('endpoints')}/stats.db"
    with open_store(url) as store:
        store.ingest(
            Record(
                path=f"/v1/items/{number}/{rest}",
                api_key=key,
                response_code=200,
                timestamp="2026-10-13T10:00:00Z",
                api_id="79fc7cb80df940cc5089772200bd4926",
            )
            for key, endpoints, rest in (
                ("all", ENDPOINTS, ""),
                ("some", 10_000, ""),
                ("long", 10_000, "é" * 1_000),
            )
            for number in range(endpoints)
        )
    return url


def ask_at_once(server, key, query=""):
    """So many clients ask the same at once; the statuses of their answers."""
    statuses = []

    def ask():
        connection = HTTPConnection(*server.address, timeout=120)
        target = f"/api/activity/keys/endpoint/{key}/13/10/2026/13/10/2026{query}"
        connection.request("GET", target, headers={"authorization": TOKEN})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(QUESTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    print(f"\n{QUESTIONS} ask for {key}{query}: {sorted(set(statuses))}, peak {server.peak_mb():.0f} MB")
    assert len(statuses) == QUESTIONS
    return set(statuses)


@pytest.mark.torture
def test_no_question_fills_the_memory(start, many_endpoints):
    """Neither one whose answer is too large, nor one whose answer is as large as may be."""
    server = start("serve", "--port", "0", "--store", many_endpoints)
    assert ask_at_once(server, "all") == {400}
    assert ask_at_once(server, "all", "?p=1") == {400}
    statuses = ask_at_once(server, "some")
    assert 200 in statuses
    assert statuses <= {200, 503}
    assert ask_at_once(server, "long") <= {400, 503}
    assert server.peak_mb() < 256


@pytest.mark.torture
def test_clients_that_ask_for_much_and_take_nothing_do_not_fill_it_either(start, many_endpoints):
    server = start("serve", "--port", "0", "--store", many_endpoints)
    target = "/api/activity/keys/endpoint/some/13/10/2026/13/10/2026"
    with ExitStack() as stack:
        for _ in range(200):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(server.address)
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {TOKEN}\r\n\r\n".encode())
        deadline = time.monotonic() + 30
        while ask_at_once(server, "nobody") != {200}:
            assert time.monotonic() < deadline
    assert server.peak_mb() < 256


@pytest.mark.torture
def test_that_catches_a_server_that_gives_all(start, many_endpoints):
    """The broken twin."""
    server = start("serve", "--port", "0", "--store", many_endpoints, "--max-rows", str(ENDPOINTS))
    ask_at_once(server, "all")
    assert server.peak_mb() > 256
