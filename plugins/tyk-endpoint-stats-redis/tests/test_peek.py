"""What is said at the start, and looking without taking; through the command line."""

import json
import re
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner
from redis_server import BASE, keys, opened, push
from tyk_elements import elements

from tests.waiting import wait_for
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.cli.program import program
from tyk_endpoint_stats.sources.contract import Peekable

pytestmark = pytest.mark.slow


def ingest(folder, *arguments):
    """The command, in this process."""
    return CliRunner().invoke(program, ["ingest", "--store", f"sqlite:///{folder}/stats.db", *arguments])


def test_peeking_counts_and_leaves_everything_as_it_is(server, client, tmp_path):
    push(client, BASE, elements(1200))
    push(client, f"{BASE}_7_protobuf", [b"x"] * 3)
    client.expire(BASE, 50)
    client.set(f"{BASE}_2", "no list")
    with open_store("memory://") as store, opened(server).parts()[1].open(store.position) as half_read:
        next(half_read.chunks())
        before = {key: client.dump(key) for key in keys(client)}
        result = ingest(tmp_path, "--peek", server.url)
        assert {key: client.dump(key) for key in keys(client)} == before
    assert result.exit_code == 0
    first, *lines = result.stdout.splitlines()
    assert first == f"{server.url}: 1,203 records wait"
    texts = [line.split(None, 2) for line in lines]
    assert texts[0][:2] == [BASE, "1,200"]
    assert re.fullmatch("msgpack, expires in [34][0-9] s|msgpack, expires in 50 s", texts[0][2])
    assert texts[1] == [f"{BASE}_2", "0", texts[1][2]]
    assert "can't be read: WRONGTYPE" in texts[1][2]
    assert texts[2][0].startswith(f"{{{BASE}_7_protobuf}}:claim:")
    assert texts[2][1:] == ["3", "claimed, being read"]
    assert client.pttl(BASE) > 0


def test_the_source_says_that_it_can_be_looked_into(server):
    assert isinstance(opened(server), Peekable)
    assert list(opened(server).peek()) == []


@pytest.fixture
def warned(server):
    return lambda: " ".join(opened(server).warnings)


def test_that_it_competes_with_tyk_pump_is_said_always(server, client, warned, tmp_path):
    assert "as Tyk Pump does" in warned()
    assert "each record goes to only one of the two" in warned()
    push(client, BASE, elements(2))
    result = ingest(tmp_path, server.url)
    assert "Warning: redis://127.0.0.1" in result.stderr
    assert "stop the pump" in result.stderr
    assert "counted                2" in result.stdout


def test_an_empty_server_is_explained(client, warned):
    assert "analytics_config.type: rpc" in warned()
    push(client, BASE, elements(1))
    assert "rpc" not in warned()


def test_lists_that_expire_are_warned_of(client, warned):
    push(client, BASE, elements(1))
    assert "expire" not in warned()
    client.expire(BASE, 30)
    assert "storage_expiration_time" in warned()
    assert "--follow" in warned()


def test_an_eviction_policy_is_warned_of_where_memory_is_limited(client, warned):
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "maxmemory-policy" not in warned(), "without a limit nothing is thrown away"
    client.config_set("maxmemory", 10**9)
    assert "maxmemory-policy allkeys-lru" in warned()
    client.config_set("maxmemory-policy", "noeviction")
    assert "maxmemory-policy" not in warned()


def test_records_in_the_hands_of_others_are_warned_of(server, client, warned):
    push(client, BASE, elements(5))
    with open_store("memory://") as store, opened(server).parts()[0].open(store.position):
        assert "5 records are in the hands of other readers" in warned()
    assert "in the hands" not in warned()


def test_following_takes_what_comes_and_leaves_nothing_when_it_is_stopped(server, client, tmp_path):
    url = "sqlite:///stats.db"
    follower = subprocess.Popen(
        [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", url, "--follow", server.url],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(3):
            push(client, f"{BASE}_1", elements(10))
            wait_for(lambda: not keys(client))
        follower.terminate()
        out, said = follower.communicate(timeout=60)
    finally:
        follower.kill()
    assert follower.returncode == 0
    assert "counted               30" in out
    assert said.count("as Tyk Pump does") == 1
    with open_store(f"sqlite:///{tmp_path}/stats.db") as store:
        assert sum(row.hits for row in store.consumers()) == 30


def test_one_process_reads_and_answers(server, client, tmp_path):
    """Pushed by a gateway, answered over HTTP; stopped, nothing is left half read."""
    push(client, BASE, elements(40))
    serving = subprocess.Popen(
        [
            *(sys.executable, "-m", "tyk_endpoint_stats", "serve", "--store", "sqlite:///stats.db", "--port", "0"),
            *("--token", "0123456789abcdef", "--ingest", server.url),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        url = re.search(r"http://[^ ,]+", serving.stdout.readline())[0]
        question = Request(
            f"{url}/api/activity/keys/endpoint/k/1/10/2026/31/10/2026",
            headers={"authorization": "0123456789abcdef"},
        )
        wait_for(lambda: len(json.load(urlopen(question))["data"]) == 40)
        push(client, BASE, elements(5))
        serving.terminate()
        serving.communicate(timeout=60)
    finally:
        serving.kill()
    assert serving.returncode == 0
    with open_store(f"sqlite:///{tmp_path}/stats.db") as store:
        store.ingest(opened(server))
        assert sum(row.hits for row in store.consumers()) == 45
    assert keys(client) == set()
