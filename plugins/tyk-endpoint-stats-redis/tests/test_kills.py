"""Two producers, two readers of one store, and ``kill -9`` at random: every record counts once."""

import time
from contextlib import ExitStack
from random import Random
from threading import Thread

import killed_reader
import pytest
from redis import Redis
from redis_server import BASE, keys, push
from tyk_elements import msgpack_element, protobuf_element, traffic

from tests.children import child
from tests.waiting import wait_for
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.testing import batch_of
from tyk_endpoint_stats.testing.exam import snapshot

LISTS = (BASE, f"{BASE}_protobuf", f"{BASE}_4", f"{BASE}_4_protobuf")
BURST = 20


def produce(port, elements, random):
    with Redis(port=port) as client:
        for start in range(0, len(elements), BURST):
            name = random.choice(LISTS)
            form = 1 if name.endswith("_protobuf") else 0
            push(client, name, [both[form] for both in elements[start : start + BURST]])


def lengths(client):
    return [client.llen(name) for name in LISTS]


def states_after_kills(how, server, store_url, *, kills, records_a_kill, seed):
    """What the store says in the end, what it should, and how many records it read."""
    random = Random(seed)
    given, json_objects = traffic(kills * records_a_kill, seed)
    elements = [(msgpack_element(each), protobuf_element(each)) for each in json_objects]
    read = lambda: how(server.url, store_url)  # noqa: E731
    with ExitStack() as stack:
        client = stack.enter_context(Redis(port=server.port))
        open_store(store_url).close()
        for number in range(kills):
            readers = ExitStack()
            for _ in range(2):
                readers.enter_context(child(read))
            mine = elements[number * records_a_kill : (number + 1) * records_a_kill]
            producers = [
                Thread(target=produce, args=(server.port, half, Random(random.random())), daemon=True)
                for half in (mine[::2], mine[1::2])
            ]
            with readers:
                for producer in producers:
                    producer.start()
                for producer in producers:
                    producer.join()
                there = sum(lengths(client))
                wait_for(lambda there=there: sum(lengths(client)) < max(there, 1))
                time.sleep(random.uniform(0, 0.03))  # a random moment of what a reader does with what it took
        for _ in range(2):
            stack.enter_context(child(read))
        wait_for(lambda: all(":lease:" in key for key in keys(client)))
        time.sleep(0.5 if how is killed_reader.pop else 0)  # it may have popped what it has not written yet
    with open_store(store_url) as store, open_store("memory://") as expected:
        expected.merge(batch_of(given))
        read_in_all = sum(progress.counts.read for progress in store.sources())
        return snapshot(store)[:2], snapshot(expected)[:2], read_in_all


@pytest.mark.parametrize(
    ("kills", "records_a_kill"), [(5, 400), pytest.param(60, 2_000, marks=pytest.mark.torture)]
)
def test_readers_killed_at_random_count_every_record_once(server, tmp_path, seed, kills, records_a_kill):
    url = f"sqlite:///{tmp_path}/stats.db"
    found, expected, read = states_after_kills(
        killed_reader.claim, server, url, kills=kills, records_a_kill=records_a_kill, seed=seed
    )
    assert found == expected
    assert read == kills * records_a_kill


def test_a_reader_that_pops_before_it_writes_loses_records(server, tmp_path, seed):
    """The broken twin: the test above would catch it."""
    url = f"sqlite:///{tmp_path}/stats.db"
    found, expected, _ = states_after_kills(killed_reader.pop, server, url, kills=2, records_a_kill=400, seed=seed)
    assert found != expected
