"""Where nothing is atomic but a document: a day's growth takes in each batch once, whoever finishes it."""

from typing import Any

import pytest
from pymongo import UpdateOne
from tyk_endpoint_stats_mongodb import lanes as lanes_module
from tyk_endpoint_stats_mongodb.documents import growth_of
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.testing.exam import run_together

pytestmark = pytest.mark.parametrize("server", ["standalone"], indirect=True)

HISTORY = ((2, 7, 5), (2, 7, 5), (2, 6, 5), (3, 1, 10), (2, 7, 10), (2, 8, 15), (3, 1, 15))
"""Lane, place in it, and the hits that are there when it was finished."""


def apply(store: MongoStore, lane: int, seq: int) -> dict[int, Grown]:
    store._lanes._apply_growth(growth_of(Batch(growth={3: Grown(5, 10**15)})), lane, seq)
    return dict(store.growth())


def is_right(store: MongoStore) -> bool:
    store._layout.growth.delete_many({})
    return all(apply(store, lane, seq) == {3: Grown(hits, 10**15)} for lane, seq, hits in HISTORY)


def test_a_batch_that_is_finished_twice_is_added_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin looks at no mark."""
    with open_mongodb(url) as store:
        assert is_right(store)

        def unfenced(key: Any, update: Any, lane: int, seq: int) -> UpdateOne:
            return UpdateOne({"_id": key}, update, upsert=True)

        monkeypatch.setattr(lanes_module, "fenced", unfenced)
        assert not is_right(store)


def test_lanes_that_meet_in_a_day_lose_nothing(url: str) -> None:
    with open_mongodb(url) as store:
        for seq in range(1, 4):
            run_together(*[lambda lane=lane, seq=seq: apply(store, lane, seq) for lane in range(6)])
            assert store.growth()[3].hits == seq * 6 * 5
