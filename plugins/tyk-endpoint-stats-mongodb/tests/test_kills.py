"""What kills of clients and of servers may do to a merge: nothing, or one whole batch, once."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

import pymongo
import pytest
from at_command import AtCommand
from broken_twins import lane_a_process, position_apart, unfenced
from histories import batch, is_exact, write_forever
from mongo_servers import MongoServer, start_replica_set
from tyk_endpoint_stats_mongodb.layout import LANES, lane_of
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb, store_in

from tests.children import child, in_child, kill
from tests.waiting import wait_for
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of

pytestmark = pytest.mark.slow

SOURCES = [f"file:{number}" for number in range(4)]
MERGES_WITHIN_S = 200.0  # a transaction that was left open holds others up for a minute
WAYS = ["replica_set", "standalone"]
Patch = pytest.MonkeyPatch


# --- a client is killed at every command of a batch


def kills_at_every_command(server: MongoServer, url: str) -> Iterator[bool]:
    """For each command of a merge: is the store exact after a kill before it, and after merging again?"""
    sources: list[str] = []
    with open_mongodb(url) as store:
        for number in range(60):
            sources.append(f"file:{number}")

            def merge_and_die(source: str = sources[-1], number: int = number) -> None:
                listener = AtCommand(10**6, lambda _: os.kill(os.getpid(), signal.SIGKILL))
                with pymongo.MongoClient(url, event_listeners=[listener]) as client:
                    own = store_in(client.get_default_database())
                    listener.left = number
                    own.merge(batch(source, 4, 9))

            store.merge(batch(sources[-1], 0, 4))
            with child(merge_and_die) as pid:
                _, status = os.waitpid(pid, 0)
            # A transaction left open ends by itself after a while; this does not wait for it.
            server.admin("killAllSessions", [])
            whole = is_exact(store, sources)
            store.merge(batch(sources[-1], 4, 9))
            has_ended = os.waitstatus_to_exitcode(status) == 0
            # Whether merging again was exact the next look tells, which is at all of them.
            yield whole and store.position(sources[-1]) == "9" and (not has_ended or is_exact(store, sources))
            if has_ended:
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
def name(server: MongoServer) -> Iterator[str]:
    """A database whose writers may leave transactions open."""
    name = server.take()
    yield name
    server.admin("killAllSessions", [])
    server.give_back(name)


class Writers:
    """Four of them, every source read by three."""

    def __init__(self, server: MongoServer, url: str, rng: random.Random) -> None:
        self._server, self._url, self._rng = server, url, rng
        self._names = count()
        self._running: list[tuple[int, str]] = []

    def __enter__(self) -> Self:
        self._running = [self._start(number) for number in range(4)]
        return self

    def __exit__(self, *_: object) -> None:
        for pid, _name in self._running:
            kill(pid)
        self._server.admin("killAllSessions", [])

    def _start(self, number: int) -> tuple[int, str]:
        mine, seed = [source for index, source in enumerate(SOURCES) if index != number], self._rng.getrandbits(32)
        name = f"writer-{next(self._names)}"
        url = f"{self._url}{'&' if '?' in self._url else '?'}appName={name}"
        return in_child(lambda: write_forever(url, mine, seed)), name

    def kill_one(self) -> None:
        """And what it left open is ended, for which the server would take a minute by itself."""
        number = self._rng.randrange(4)
        pid, name = self._running[number]
        kill(pid)
        of_it: list[Any] = [{"$currentOp": {"idleSessions": True}}, {"$match": {"appName": name}}]
        sessions = [{"id": one["lsid"]["id"]} for one in self._server.admin_aggregate(of_it) if "lsid" in one]
        if sessions:  # of none the server would make everybody's
            self._server.admin("killSessions", sessions)
        self._running[number] = self._start(number)

    @contextmanager
    def one_frozen(self) -> Iterator[None]:
        pid, _ = self._running[self._rng.randrange(4)]
        os.kill(pid, signal.SIGSTOP)
        yield
        os.kill(pid, signal.SIGCONT)


def kill_at_random(server: MongoServer, name: str, seed: int, kills: int, freezes: int, server_kills: int) -> bool:
    """Four writers, every source read by three of them; whether the store is exact in the end."""
    rng = random.Random(seed)
    url = server.database_url(name)
    open_mongodb(url).close()
    with Writers(server, url, rng) as writers:
        events = ["kill"] * kills + ["freeze"] * freezes + ["server"] * server_kills
        rng.shuffle(events)
        for event in events:
            wait_for_more(server, name, units=rng.randint(1, 20))
            if event == "server":
                server.kill()
                server.start()
                server.wait_until_writable()
            elif event == "freeze":
                with writers.one_frozen():
                    wait_for_more(server, name, units=rng.randint(1, 20))
            else:
                writers.kill_one()
        wait_for_more(server, name, units=20)
    with open_mongodb(url) as store:
        exact = is_exact(store, SOURCES) and verify(store).problems == []
        return exact and journal_is_empty(store)


def wait_for_more(server: MongoServer, name: str, units: int) -> None:
    """Until so much more was merged, whoever does it, and however long it takes on this machine."""
    sources = server.client[name]["endpoint_stats.sources"]

    def merged() -> int:
        return sum(int(source["position"]) for source in sources.find({}, {"position": 1}))

    at_first = merged()
    wait_for(lambda: merged() >= at_first + units, MERGES_WITHIN_S)


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


@pytest.mark.parametrize(
    ("kills", "freezes", "server_kills"),
    [(3, 1, 1), pytest.param(50, 6, 20, marks=pytest.mark.torture)],
)
def test_random_kills_of_writers_and_servers_leave_the_store_exact(
    server: MongoServer, name: str, seed: int, kills: int, freezes: int, server_kills: int
) -> None:
    assert kill_at_random(server, name, seed, kills, freezes, server_kills)


@pytest.mark.parametrize(
    ("server", "twin"),
    [
        pytest.param("replica_set", position_apart, marks=pytest.mark.torture),
        pytest.param("standalone", unfenced, marks=pytest.mark.torture),
        ("standalone", lane_a_process),
    ],
    indirect=["server"],
)
def test_random_kills_catch(
    server: MongoServer, name: str, seed: int, twin: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    """Those that a kill at every command catches too are among the long ones."""
    twin(monkeypatch)
    try:
        assert not kill_at_random(server, name, seed, kills=3, freezes=1, server_kills=0)
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
