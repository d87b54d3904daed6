"""What kills, lost connections and lost answers may do to a merge: nothing, or one whole batch, once.

Each test also runs against a twin that is broken on purpose, and must catch it:

- ``unfenced``: a state is merged whatever marks it bears (plain ``$inc`` with retry);
- ``position apart``: the position is written outside of the transaction;
- ``lane a process``: a source's lane depends on who reads it;
- ``duplicates are done``: a document that another made at the same moment is taken as written.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pymongo
import pytest
import tyk_endpoint_stats_mongodb.lanes as lanes_module
import tyk_endpoint_stats_mongodb.sources as sources_module
from histories import batch, child, is_exact, write_forever
from mongo_proxy import Proxy
from mongo_servers import MongoServer, start_replica_set
from pymongo.monitoring import CommandListener
from tyk_endpoint_stats_mongodb.layout import LANES, lane_of
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb, store_in

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, answer_of, run_together

SOURCES = [f"file:{number}" for number in range(4)]
WAYS = ["replica_set", "standalone"]
Patch = pytest.MonkeyPatch


@pytest.fixture
def url(server: MongoServer) -> Iterator[str]:
    name = f"faults_{uuid4().hex[:12]}"
    yield server.database_url(name)
    server.drop(name)


@pytest.fixture
def soon_back(monkeypatch: Patch) -> None:
    """After a lost connection the driver looks again for its server at once instead of half a second later."""
    monkeypatch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(lanes_module, "_PAUSE_S", 0.01)


# --- the twins


def unfenced(patch: Patch) -> None:
    fenced = lanes_module.fenced_writes

    def writes(wanted: Any, known: Any, lane: int, seq: int) -> list[Any]:
        made = fenced(wanted, known, lane, seq)
        for write in made:
            if isinstance(write, pymongo.UpdateOne):
                write._filter.pop("$or")
        return made

    patch.setattr(lanes_module, "fenced_writes", writes)


def position_apart(patch: Patch) -> None:
    apply = sources_module.Advance.apply
    patch.setattr(sources_module.Advance, "apply", lambda self, sources, session=None: apply(self, sources))


def lane_a_process(patch: Patch) -> None:
    patch.setattr(lanes_module, "lane_of", lambda source: os.getpid() % LANES)


def duplicates_are_done(patch: Patch) -> None:
    refused = lanes_module._refused

    def none(*arguments: Any) -> list[int]:
        refused(*arguments)
        return []

    patch.setattr(lanes_module, "_refused", none)


# --- a client is killed at every command of a batch


class _AtCommand(CommandListener):
    """Does something just before the ``number``-th command is sent."""

    def __init__(self, number: int, act: Callable[[str], None]) -> None:
        self.left, self.act = number, act

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        self.left -= 1
        if self.left == -1:
            self.act(event.command_name)

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


def kills_at_every_command(server: MongoServer, url: str) -> Iterator[bool]:
    """For each command of a merge: is the store exact after a kill before it, and after merging again?"""
    sources: list[str] = []
    for number in range(60):
        sources.append(f"file:{number}")

        def merge_and_die(source: str = sources[-1], number: int = number) -> None:
            listener = _AtCommand(10**6, lambda _: os.kill(os.getpid(), signal.SIGKILL))
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


# --- the connection is lost at every command of a batch, before it is run or before it is answered


def losses_at_every_command(server: MongoServer, url: str, *, answered: bool) -> Iterator[bool]:
    """For each command of a merge: is the store exact though the connection was lost at it?"""
    sources: list[str] = []
    open_mongodb(url).close()
    with Proxy(server.address) as proxy:
        reached: list[str] = []

        def lose(name: str) -> None:
            reached.append(name)
            if answered:
                proxy.swallow_next_answer()
            else:
                failing = {"failCommands": [name], "closeConnection": True}
                server.admin("configureFailPoint", "failCommand", mode={"times": 1}, data=failing)

        listener = _AtCommand(10**6, lose)
        through = f"mongodb://{proxy.address}/{url.rpartition('/')[2].partition('?')[0]}"
        with (
            pymongo.MongoClient(through, directConnection=True, event_listeners=[listener]) as client,
            store_in(client.get_default_database()) as store,
        ):
            for number in range(60):
                sources.append(f"file:{number}")
                store.merge(batch(sources[-1], 0, 4))
                reached.clear()
                listener.left = number
                merged = store.merge(batch(sources[-1], 4, 9))
                listener.left = 10**6
                yield merged and store.position(sources[-1]) == "9" and is_exact(store, sources)
                if not reached:
                    return
    raise AssertionError("a merge has fewer than 60 commands")


@pytest.mark.usefixtures("soon_back")
@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(False, id="before it is run", marks=pytest.mark.torture),
        pytest.param(True, id="before it is answered"),
    ],
)
def test_a_connection_lost_at_any_command_costs_nothing(server: MongoServer, url: str, answered: bool) -> None:
    exact = list(losses_at_every_command(server, url, answered=answered))
    assert len(exact) > 6
    assert all(exact)


@pytest.mark.usefixtures("soon_back")
@pytest.mark.parametrize("server", ["standalone"], indirect=True)
def test_lost_answers_catch_a_merge_without_a_fence(server: MongoServer, url: str, monkeypatch: Patch) -> None:
    unfenced(monkeypatch)
    assert not all(losses_at_every_command(server, url, answered=True))


@pytest.mark.usefixtures("soon_back")
@pytest.mark.parametrize("server", ["replica_set"], indirect=True)
def test_lost_connections_catch_a_position_apart(server: MongoServer, url: str, monkeypatch: Patch) -> None:
    position_apart(monkeypatch)
    assert not all(losses_at_every_command(server, url, answered=False))


@pytest.mark.parametrize(
    "failure",
    [
        {"errorCode": 13},
        {"errorCode": 11601},
        {"writeConcernError": {"code": 64, "errmsg": "waiting", "errInfo": {"wtimeout": True}}},
    ],
    ids=["not allowed", "interrupted", "write concern timeout"],
)
def test_what_the_server_refuses_is_raised_and_can_be_done_again(
    server: MongoServer, url: str, failure: dict[str, Any]
) -> None:
    with open_mongodb(url) as store:
        store.merge(batch(SOURCES[0], 0, 4))
        commands = ["update", "insert", "commitTransaction"]
        try:
            server.admin(
                "configureFailPoint", "failCommand", mode="alwaysOn", data={"failCommands": commands, **failure}
            )
            with pytest.raises(StoreError):
                store.merge(batch(SOURCES[0], 4, 9))
        finally:
            server.admin("configureFailPoint", "failCommand", mode="off")
        assert is_exact(store, SOURCES)
        store.merge(batch(SOURCES[0], 4, 9))
        assert store.position(SOURCES[0]) == "9"
        assert is_exact(store, SOURCES)


# --- lanes that make the same documents at the same moment


def make_the_same_documents(url: str, rounds: int) -> bool:
    """Four writers in four lanes insert the same documents, round by round; whether all of it was counted."""
    sources: dict[int, str] = {}
    for number in range(1000):
        sources.setdefault(lane_of(f"s{number}"), f"s{number}")
    with ExitStack() as opened:
        stores = [opened.enter_context(open_mongodb(url)) for _ in range(4)]
        for turn in range(rounds):
            records = [hit(path=f"/{turn}/{number}") for number in range(200)]
            run_together(
                *(
                    lambda store=store, source=sources[lane], turn=turn, records=records: store.merge(
                        batch_of(records, source, str(turn) if turn else None, str(turn + 1))
                    )
                    for lane, store in enumerate(stores)
                )
            )
        answer = answer_of(stores[0], Selection(ALL_DAYS, EVERYTHING))
    return len(answer) == 200 * rounds and {stats.hits for stats in answer.values()} == {4}


def test_writers_that_make_the_same_documents_lose_none(url: str) -> None:
    assert make_the_same_documents(url, 4)


@pytest.mark.torture
def test_writers_that_make_the_same_documents_lose_none_for_long(url: str) -> None:
    assert make_the_same_documents(url, 40)


@pytest.mark.parametrize("server", ["standalone"], indirect=True)
def test_the_same_documents_catch_duplicates_taken_as_done(url: str, monkeypatch: Patch) -> None:
    duplicates_are_done(monkeypatch)
    assert not make_the_same_documents(url, 4)


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
        writers = [start(number) for number in range(4)]
        events = ["kill"] * kills + ["freeze"] * freezes + ["server"] * server_kills
        rng.shuffle(events)
        for event in events:
            time.sleep(rng.uniform(0.05, 0.3))
            number = rng.randrange(4)
            if event == "server":
                server.kill()
                server.start()
                server.wait_until_writable()
            elif event == "freeze":
                os.kill(writers[number], signal.SIGSTOP)
                time.sleep(rng.uniform(0.1, 0.6))
                os.kill(writers[number], signal.SIGCONT)
            else:
                os.kill(writers[number], signal.SIGKILL)
                writers[number] = start(number)
        time.sleep(0.3)
    with open_mongodb(url) as store:
        positions = [int(store.position(source) or 0) for source in SOURCES]
        assert sum(positions) > 5 * len(events), "too little was merged to say anything"
        exact = is_exact(store, SOURCES)
        return exact and journal_is_empty(store)


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
