"""What kills of clients and of servers may do to a merge: nothing, or one whole batch, once."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymongo
import pytest
from at_command import AtCommand
from broken_twins import lane_a_process, position_apart, unfenced
from histories import batch, child, is_exact, write_forever
from mongo_servers import MongoServer, start_replica_set
from tyk_endpoint_stats_mongodb.layout import LANES, lane_of
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb, store_in

from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of

SOURCES = [f"file:{number}" for number in range(4)]
MERGES_WITHIN_S = 100.0  # a transaction that was killed holds others up for some seconds
WAYS = ["replica_set", "standalone"]
Patch = pytest.MonkeyPatch


# --- a client is killed at every command of a batch


def kills_at_every_command(server: MongoServer, url: str) -> Iterator[bool]:
    """For each command of a merge: is the store exact after a kill before it, and after merging again?"""
    sources: list[str] = []
    for number in range(60):
        sources.append(f"file:{number}")

        def merge_and_die(source: str = sources[-1], number: int = number) -> None:
            listener = AtCommand(10**6, lambda _: os.kill(os.getpid(), signal.SIGKILL))
            with pymongo.MongoClient(url, event_listeners=[listener]) as client:
                store = store_in(client.get_default_database())
                listener.left = number
                store.merge(batch(source, 4, 9))

        with open_mongodb(url) as store:
            store.merge(batch(sources[-1], 0, 4))
        with child(merge_and_die) as pid:
            _, status = os.waitpid(pid, 0)
        # A transaction left open ends by itself after transactionLifetimeLimitSeconds; this does not wait for it.
        server.admin("killAllSessions", [])
        with open_mongodb(url) as store:
            whole = is_exact(store, sources)
            store.merge(batch(sources[-1], 4, 9))
            yield whole and store.position(sources[-1]) == "9" and is_exact(store, sources)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    raise AssertionError("a merge has fewer than 60 commands")


def test_a_client_killed_at_any_command_leaves_whole_batches(server: MongoServer, url: str) -> None:
    exact = list(kills_at_every_command(server, url))
    assert len(exact) > 6
    assert all(exact)


@pytest.mark.parametrize(("server", "twin"), [(WAYS[0], position_apart), (WAYS[1], unfenced)], indirect=["server"])
def test_those_kills_catch(
    server: MongoServer, url: str, twin: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    twin(monkeypatch)
    assert not all(kills_at_every_command(server, url))


# --- writers and servers are killed at random


@pytest.fixture
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MongoServer]:
    """One to be killed; its abandoned transactions end after 5 s."""
    if request.param == "replica_set":
        (server,) = start_replica_set(tmp_path / "rs", lifetime_limit_s=5)
    else:
        server = MongoServer(tmp_path / "alone", lifetime_limit_s=5)
        server.start()
    yield server
    server.stop()


def kill_at_random(server: MongoServer, seed: int, kills: int, freezes: int, server_kills: int) -> bool:
    """Four writers, every source read by three of them; whether the store is exact in the end."""
    rng = random.Random(seed)
    url = server.database_url("stats")
    with ExitStack() as running:

        def start(number: int) -> int:
            mine = [source for index, source in enumerate(SOURCES) if index != number]
            work = lambda: write_forever(url, mine, rng.getrandbits(32))  # noqa: E731
            return running.enter_context(child(work))

        open_mongodb(url).close()
        client = running.enter_context(pymongo.MongoClient[Any](url))
        writers = [start(number) for number in range(4)]
        events = ["kill"] * kills + ["freeze"] * freezes + ["server"] * server_kills
        rng.shuffle(events)
        for event in events:
            wait_for_more(client, units=rng.randint(1, 60))
            number = rng.randrange(4)
            if event == "server":
                server.kill()
                server.start()
                server.wait_until_writable()
            elif event == "freeze":
                os.kill(writers[number], signal.SIGSTOP)
                wait_for_more(client, units=rng.randint(1, 60))
                os.kill(writers[number], signal.SIGCONT)
            else:
                os.kill(writers[number], signal.SIGKILL)
                writers[number] = start(number)
        wait_for_more(client, units=60)
    with open_mongodb(url) as store:
        exact = is_exact(store, SOURCES) and verify(store).problems == []
        return exact and journal_is_empty(store)


def wait_for_more(client: pymongo.MongoClient[Any], units: int) -> None:
    """Until so much more was merged, whoever does it, and however long it takes on this machine."""

    def merged() -> int:
        found = client["stats"]["endpoint_stats.sources"].find({}, {"position": 1})
        return sum(int(source["position"]) for source in found)

    deadline, at_first = time.monotonic() + MERGES_WITHIN_S, merged()
    while merged() < at_first + units:
        assert time.monotonic() < deadline, "nothing is merged any more"
        time.sleep(0.01)


def journal_is_empty(store: MongoStore) -> bool:
    """What writers left behind that lost their place in a lane goes when the lane is used again."""
    lanes: set[int] = set()
    number = 0
    while len(lanes) < LANES:
        source = f"sweep {number}"
        store.merge(batch_of([], source, None, "1"))
        lanes.add(lane_of(source))
        number += 1
    return store._layout.journal.count_documents({}) == 0


@pytest.mark.parametrize("own_server", WAYS, indirect=True)
def test_random_kills_of_writers_and_servers_leave_the_store_exact(own_server: MongoServer, seed: int) -> None:
    assert kill_at_random(own_server, seed, kills=6, freezes=2, server_kills=1)


@pytest.mark.torture
@pytest.mark.parametrize("own_server", WAYS, indirect=True)
def test_many_random_kills_leave_the_store_exact(own_server: MongoServer, seed: int) -> None:
    assert kill_at_random(own_server, seed, kills=50, freezes=6, server_kills=20)


@pytest.mark.parametrize(
    ("own_server", "twin"),
    [("replica_set", position_apart), ("standalone", unfenced), ("standalone", lane_a_process)],
    indirect=["own_server"],
)
def test_random_kills_catch(
    own_server: MongoServer, seed: int, twin: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    twin(monkeypatch)
    try:
        assert not kill_at_random(own_server, seed, kills=3, freezes=1, server_kills=0)
    except StoreError:
        pass  # so broken that the store itself notices


# --- a replica set loses its primary


@pytest.mark.torture
def test_a_set_of_three_loses_its_primary_again_and_again(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    servers = start_replica_set(tmp_path / "rs", members=3, lifetime_limit_s=5)
    url = servers[0].database_url("stats")
    try:
        open_mongodb(url).close()
        with ExitStack() as running:
            for number in range(4):
                mine = [source for index, source in enumerate(SOURCES) if index != number]
                running.enter_context(child(lambda mine=mine: write_forever(url, mine, rng.getrandbits(32))))
            for _ in range(6):
                time.sleep(rng.uniform(1, 3))
                (primary, *_) = [server for server in servers if server.is_primary()]
                primary.kill()
                deadline = time.monotonic() + 60
                while not any(server.is_primary() for server in servers if server is not primary):
                    assert time.monotonic() < deadline, "no new primary"
                    time.sleep(0.1)
                time.sleep(rng.uniform(0.5, 2))
                primary.start()
        with open_mongodb(url) as store:
            assert sum(int(store.position(source) or 0) for source in SOURCES) > 100
            assert is_exact(store, SOURCES)
    finally:
        for server in servers:
            server.stop()
