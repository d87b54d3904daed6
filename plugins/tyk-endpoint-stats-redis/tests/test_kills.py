"""Two producers, two readers of one store, and ``kill -9`` at random: every record counts once."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from redis import Redis
from redis_server import BASE, keys, push
from tyk_elements import msgpack_element, protobuf_element, traffic

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.testing import batch_of
from tyk_endpoint_stats.testing.exam import snapshot

PROGRAM = Path(__file__).with_name("killed_reader.py")
LISTS = (BASE, f"{BASE}_protobuf", f"{BASE}_4", f"{BASE}_4_protobuf")
DRAINED_WITHIN_S = 60.0


class Readers:
    """Two programs that are killed and started again."""

    def __init__(self, how, server, store_url):
        self.command = [sys.executable, str(PROGRAM), how, server.url, store_url]
        self.running = []
        for _ in range(2):
            self.start()

    def start(self):
        reader = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        self.running.append(reader)
        reader.stdout.readline()  # from here on it reads

    def kill(self, index=0):
        reader = self.running.pop(index)
        reader.kill()
        reader.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        while self.running:
            self.kill()


def produce(server, elements, burst, random):
    with Redis(port=server.port) as client:
        for start in range(0, len(elements), burst):
            name = random.choice(LISTS)
            form = 1 if name.endswith("_protobuf") else 0
            push(client, name, [both[form] for both in elements[start : start + burst]])
            time.sleep(0.02)


def states_after_kills(how, server, store_url, *, records, kills, seed):
    """What the store says in the end, and what it should."""
    random = Random(seed)
    given, json_objects = traffic(records, seed)
    elements = [(msgpack_element(each), protobuf_element(each)) for each in json_objects]
    half, burst = records // 2, max(records // 200, 1)
    producers = [
        Thread(target=produce, args=(server, part, burst, Random(random.random())), daemon=True)
        for part in (elements[:half], elements[half:])
    ]
    with Redis(port=server.port) as client, Readers(how, server, store_url) as readers:
        for producer in producers:
            producer.start()
        for _ in range(kills):
            time.sleep(random.uniform(0.02, 0.2))
            readers.kill(random.randrange(2))
            readers.start()
        for producer in producers:
            producer.join(DRAINED_WITHIN_S)
        deadline = time.monotonic() + DRAINED_WITHIN_S
        while any(":lease:" not in key for key in keys(client)):
            assert time.monotonic() < deadline, keys(client)
            time.sleep(0.05)
        time.sleep(0.3 if how == "pop" else 0)  # it may have popped what it has not written yet
    with open_store(store_url) as store, open_store("memory://") as expected:
        expected.merge(batch_of(given))
        read = sum(progress.counts.read for progress in store.sources())
        return snapshot(store)[:2], snapshot(expected)[:2], read


def test_two_readers_killed_at_random_count_every_record_once(server, client, tmp_path, seed):
    url = f"sqlite:///{tmp_path}/stats.db"
    found, expected, read = states_after_kills("claim", server, url, records=6_000, kills=5, seed=seed)
    assert found == expected
    assert read == 6_000


def test_a_reader_that_pops_before_it_writes_loses_records(server, client, tmp_path, seed):
    """The broken twin: the test above would catch it."""
    url = f"sqlite:///{tmp_path}/stats.db"
    found, expected, _ = states_after_kills("pop", server, url, records=6_000, kills=5, seed=seed)
    assert found != expected


@pytest.mark.torture
def test_two_readers_killed_all_the_time_count_every_record_once(server, client, tmp_path, seed):
    url = f"sqlite:///{tmp_path}/stats.db"
    found, expected, read = states_after_kills("claim", server, url, records=120_000, kills=60, seed=seed)
    assert found == expected
    assert read == 120_000
