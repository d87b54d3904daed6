"""What is taken away is gone, all of it and nothing else, also while others write; and the version says so."""

from collections.abc import Callable
from typing import Any

import pytest
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb import retention
from tyk_endpoint_stats_mongodb.store import MongoStore, ReplicaSetStore, open_mongodb

from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS, answer_of
from tyk_endpoint_stats.testing.generators import FIRST_DAY

BY_CONSUMER = frozenset({Dimension.CONSUMER})
BEFORE = (FIRST_DAY + 2) * DAY_US


def records(days: int = 4) -> list[Record]:
    return [
        hit(FIRST_DAY + day, 900 * number, api_key=key, org_id=org_id, oauth_id="k1", path=f"/{number}", alias=key)
        for day in range(days)
        for number in range(2)
        for key in ("k1", "k2")
        for org_id in ("org-1", "org-2")
    ]


def hits(store: MongoStore, **question: Any) -> int:
    return sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS, **question)).values())


def test_pruning_empties_the_quarter_hours_of_earlier_days_alone(url: str) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of(records()))
        assert store.prune(BEFORE).rows == 2 * 2 * (2 + 1) * 2
        left = store._layout.day_rows.find({"quarter_hours": {"$ne": []}}, {"_id.day": 1})
        assert {row["_id"]["day"] for row in left} == {FIRST_DAY + 2, FIRST_DAY + 3}
        assert hits(store) == 32
        assert verify(store).problems == []


def test_days_are_dropped_with_their_totals_and_positions_stay(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 7)
    with open_mongodb(url) as store:
        store.merge(batch_of(records(), "s", None, "1"))
        there = store._layout.day_rows.count_documents({})
        assert store.drop(BEFORE) == there // 2
        assert list(store.outline().days) == [FIRST_DAY + 2, FIRST_DAY + 3]
        assert (hits(store), store.position("s"), store.drop(BEFORE)) == (16, "1", 0)
        store.merge(batch_of([hit(FIRST_DAY)], "s", "1", "2"))
        assert hits(store) == 17, "late records are counted"


@pytest.mark.parametrize("org_id", [None, "org-1"])
def test_a_consumer_is_forgotten_and_everyone_stays(url: str, org_id: str | None) -> None:
    with open_mongodb(url) as store:
        store.merge(batch_of(records()))
        before = hits(store)
        assert store.forget(Consumer.key("k1"), org_id) == (2 if org_id is None else 1) * 4 * 3
        assert hits(store) == before
        left = {group.consumer: stats.hits for group, stats in store.read(Selection(ALL_DAYS, BY_CONSUMER))}
        assert left.pop(Consumer.key("k1"), 0) == (0 if org_id is None else 8)
        assert left == {Consumer.key("k2"): 16, Consumer.oauth_client("k1"): 32}, "a client of that id is another"
        assert {key[0] for key in store.outline().aliases if key[1:] == ("key", "k1")} == (
            {"org-2"} if org_id else set()
        )
        assert verify(store).problems == []


def meanwhile(store: MongoStore, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Once, between two pieces of what is taken away, something happens."""
    remove, left = type(store)._remove_some, [act]

    def and_then(self: MongoStore, which: Any) -> int:
        removed = remove(self, which)
        if left:
            left.pop()()
        return removed

    monkeypatch.setattr(type(store), "_remove_some", and_then)


def test_of_a_batch_that_comes_meanwhile_no_part_stays_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twin: a store that looks at its rows once leaves totals that do not fit."""
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 9)
    late = [hit(FIRST_DAY, 5, path=f"/late/{number}") for number in range(3)]
    with open_mongodb(url) as store:
        store.merge(batch_of(records()))
        with monkeypatch.context() as patch:
            meanwhile(store, patch, lambda: store.merge(batch_of(late, "s", None, "1")))
            store.drop(BEFORE)
        assert list(store.outline().days) == [FIRST_DAY + 2, FIRST_DAY + 3]
        assert verify(store).problems == []


@pytest.fixture
def replica_store(replica_set: MongoServer) -> Any:
    name = "versions"
    with open_mongodb(replica_set.database_url(name)) as store:
        yield store
    replica_set.drop(name)


def test_the_version_is_another_one_before_anything_that_is_taken_away_is_missed(
    replica_store: ReplicaSetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the one who takes away dies amid it."""
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 9)
    store = replica_store
    store.merge(batch_of(records()))
    seen: list[tuple[str, int]] = []
    for change in (
        lambda: store.prune(BEFORE),
        lambda: store.drop(BEFORE),
        lambda: store.forget(Consumer.key("k1")),
    ):
        seen.append((store.version(), hits(store, group_by=BY_CONSUMER)))
        with monkeypatch.context() as patch:
            meanwhile(store, patch, lambda: seen.append((store.version(), hits(store, group_by=BY_CONSUMER))))
            change()
    seen.append((store.version(), hits(store, group_by=BY_CONSUMER)))
    assert len({version for version, _ in seen}) == len(seen)
    assert [found for _, found in seen] == sorted((found for _, found in seen), reverse=True)


def test_answers_of_secondaries_have_no_version_that_comes_again(replica_set: MongoServer) -> None:
    url = replica_set.database_url("versions_secondary")
    with open_mongodb(f"{url}&readPreference=secondaryPreferred") as store:
        assert isinstance(store, ReplicaSetStore)
        assert store.version() != store.version()
    replica_set.drop("versions_secondary")
