"""One look through the documents finds what asking for every day finds, and what that can't."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from mongo_servers import MongoServer
from pymongo.collection import Collection
from tyk_endpoint_stats.core.rows import NO_HIT
from tyk_endpoint_stats_mongodb.documents import MAXIMA, MINIMA, SUMS, Document
from tyk_endpoint_stats_mongodb.store import MongoStore, ReplicaSetStore, open_mongodb

from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.stores.contract import LookedThrough
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY

DAY_US = 86_400_000_000
DAMAGES = 25
HIDDEN = ["day 2020-10-13: states or quarters are damaged in a way that no answer shows"]
Damaging = Callable[[Collection[Document]], object]


@pytest.fixture
def store(url: str) -> Iterator[MongoStore]:
    with open_mongodb(url) as store:
        for day in range(3):
            times = (0, 1, 2, 899, 900, 86_399)
            hits = [hit(FIRST_DAY + day, at, path=f"/{at % 4}", oauth_id="c", latency_ms=at % 97) for at in times]
            hits.append(hit(FIRST_DAY + day, 899, path="/3", code=500, oauth_id="c"))
            store.merge(batch_of(hits, "file:a", str(day) if day else None, str(day + 1)))
        both = [hit(FIRST_DAY, 900 * n, org_id=f"org-{n}", api_key="both") for n in range(2)]
        store.merge(batch_of(both))
        yield store


@pytest.fixture
def states(server: MongoServer, url: str, store: MongoStore) -> Iterator[Collection[Document]]:
    with pymongo.MongoClient[Any](url) as client:
        yield client.get_default_database()["endpoint_stats.states"]


def problems(store: MongoStore) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in verify(store).problems]


def problems_by_questions(store: MongoStore, patch: pytest.MonkeyPatch) -> list[str]:
    """The plain twin: every day is asked for through the contract."""
    with patch.context() as asking:
        asking.setattr(type(store), "look_through", lambda self: LookedThrough())
        return problems(store)


def damage_at_random(states: Collection[Document], chosen: random.Random) -> None:
    """A value of a state, or a state, is not what it was: of a day, or of a quarter."""
    key = chosen.choice([state["_id"] for state in states.find({}, {"_id": 1}).sort("_id", 1)])
    if chosen.random() < 0.2:
        states.delete_one({"_id": key})
        return
    name = chosen.choice((*SUMS, *MAXIMA, *MINIMA, "codes.200", "histogram.3"))
    change = chosen.choice(
        ({"$inc": {name: 1}}, {"$inc": {name: -1}}, {"$inc": {name: 96}}, {"$set": {name: -1}}, {"$set": {name: 0}})
    )
    states.update_one({"_id": key}, change)


@pytest.mark.parametrize("pruned", [False, True])
def test_one_look_finds_what_questions_find(
    store: MongoStore, states: Collection[Document], monkeypatch: pytest.MonkeyPatch, pruned: bool, seed: int
) -> None:
    chosen = random.Random(seed)
    if pruned:
        store.prune((FIRST_DAY + 1) * DAY_US)
    sound = list(states.find())
    looked = store.look_through()
    assert (looked.suspects, sum(looked.days.values()), len(looked.pruned)) == (set(), 26, int(pruned))
    found = 0
    for _ in range(DAMAGES):
        damage_at_random(states, chosen)
        expected = problems_by_questions(store, monkeypatch)
        # What one organisation's states hide from answers over all of them can't be found by asking.
        assert [one for one in problems(store) if "no answer shows" not in one] == expected
        found += bool(expected)
        states.delete_many({})
        states.insert_many(sound)
    assert found > DAMAGES // 2


def test_what_organisations_hide_from_each_other_is_found_in_a_snapshot(
    store: MongoStore, states: Collection[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the twin: by questions nothing is seen, for a consumer of two organisations is one consumer.

    Without snapshots, what does not fit may be a batch that is being merged: it is left to questions.
    """
    for organisation, by in (("org-0", 1), ("org-1", -1)):
        which = {"_id.consumer": "both", "_id.org_id": organisation, "_id.width": "day"}
        assert states.update_one(which, {"$inc": {"total_request_time_ms": by}}).modified_count == 1
    assert problems(store) == (HIDDEN if isinstance(store, ReplicaSetStore) else [])
    assert problems_by_questions(store, monkeypatch) == []


@pytest.mark.parametrize("minimum", [-1, NO_HIT])
def test_what_is_no_minimum_does_not_pass_for_none(
    store: MongoStore, states: Collection[Document], minimum: int
) -> None:
    """In days and quarters alike, of states that have errors alone."""
    error = {"codes": {"500": 1}, "success": 0, "error": 1, "min_latency_non_error_ms": minimum}
    of_one_hit = {"_id.consumer": "both"}
    states.update_many(of_one_hit, {"$set": error, "$unset": {"min_upstream_latency_non_error_ms": 1}})
    assert any(f"min_latency_non_error_ms is {minimum}" in problem for problem in problems(store))
