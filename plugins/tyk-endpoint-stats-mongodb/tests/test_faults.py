"""What lost connections and lost answers may do to a merge: nothing, or one whole batch, once."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pymongo
import pytest
import tyk_endpoint_stats_mongodb.lanes as lanes_module
from at_command import AtCommand
from broken_twins import duplicates_are_done, position_apart, unfenced
from histories import batch, is_exact
from mongo_proxy import Proxy
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb.layout import lane_of
from tyk_endpoint_stats_mongodb.store import open_mongodb, store_in

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, EVERYTHING, answer_of, run_together

SOURCES = [f"file:{number}" for number in range(4)]
Patch = pytest.MonkeyPatch


@pytest.fixture
def soon_back(monkeypatch: Patch) -> None:
    """After a lost connection the driver looks again for its server at once instead of half a second later."""
    monkeypatch.setattr("pymongo.common.MIN_HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(lanes_module, "_PAUSE_S", 0.01)


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

        listener = AtCommand(10**6, lose)
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


def make_the_same_documents(url: str, rounds: int, documents: int) -> bool:
    """Four writers in four lanes insert the same documents, round by round; whether all of it was counted."""
    sources: dict[int, str] = {}
    for number in range(1000):
        sources.setdefault(lane_of(f"s{number}"), f"s{number}")
    with ExitStack() as opened:
        stores = [opened.enter_context(open_mongodb(url)) for _ in range(4)]
        for turn in range(rounds):
            records = [hit(path=f"/{turn}/{number}") for number in range(documents)]
            run_together(
                *(
                    lambda store=store, source=sources[lane], turn=turn, records=records: store.merge(
                        batch_of(records, source, str(turn) if turn else None, str(turn + 1))
                    )
                    for lane, store in enumerate(stores)
                )
            )
        answer = answer_of(stores[0], Selection(ALL_DAYS, EVERYTHING))
    return len(answer) == documents * rounds and {stats.hits for stats in answer.values()} == {4}


@pytest.mark.parametrize(("rounds", "documents"), [(2, 60), pytest.param(40, 200, marks=pytest.mark.torture)])
def test_writers_that_make_the_same_documents_lose_none(url: str, rounds: int, documents: int) -> None:
    assert make_the_same_documents(url, rounds, documents)


@pytest.mark.parametrize("server", ["standalone"], indirect=True)
def test_the_same_documents_catch_duplicates_taken_as_done(url: str, monkeypatch: Patch) -> None:
    duplicates_are_done(monkeypatch)
    assert not make_the_same_documents(url, 2, 60)
