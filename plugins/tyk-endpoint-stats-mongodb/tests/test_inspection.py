"""Damage in the collections that no answer shows is found by ``damage``, each kind of it; nothing else is."""

from collections.abc import Callable, Iterator
from typing import Any

import pymongo
import pytest
from histories import batch
from mongo_servers import MongoServer
from pymongo.database import Database
from tyk_endpoint_stats_mongodb.layout import lane_of
from tyk_endpoint_stats_mongodb.store import MongoStore, open_mongodb

from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY

LANE = lane_of("s")
Damaging = Callable[[Database[Any]], object]


@pytest.fixture
def name(server: MongoServer) -> Iterator[str]:
    name = server.take()
    yield name
    server.give_back(name)


def fill(store: MongoStore) -> None:
    store.merge(batch("s", 0, 4))
    store.merge(batch("s", 4, 9))
    store.merge(batch_of([hit(path="/$a.b\0", alias="Ann", code=-7)]))
    assert store.damage() == []


def changed(collection: str, change: Any, which: Any = None) -> Damaging:
    return lambda database: database[f"endpoint_stats.{collection}"].update_many(which or {}, change)


def with_other_key(collection: str, **change: Any) -> Damaging:
    def damage(database: Database[Any]) -> None:
        documents = database[f"endpoint_stats.{collection}"]
        (one,) = documents.find().limit(1)
        documents.delete_one({"_id": one["_id"]})
        key = {name: value for name, value in (one["_id"] | change).items() if value is not None}
        documents.insert_one(one | {"_id": key})

    return damage


def in_journal(lane: int, seq: int) -> Damaging:
    part = {"_id": {"lane": lane, "seq": seq, "mark": "m", "part": 0}, "of": "rows", "documents": []}
    return lambda database: database["endpoint_stats.journal"].insert_one(part)


@pytest.mark.parametrize("server", ["replica_set"], indirect=True)
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (with_other_key("day_rows", consumer=None), "1 documents of day_rows have not the key of a row"),
        (with_other_key("day_rows", of="lamp"), "1 documents of day_rows have not the key of a row"),
        (with_other_key("day_rows", day=1.5), "1 documents of day_rows have not the key of a row"),
        (with_other_key("day_rows", more=1), "1 documents of day_rows have not the key of a row"),
        (with_other_key("day_rows", kind="lamp"), "1 documents of day_rows are of consumers of no kind"),
        (
            changed("day_rows", {"$unset": {"first_hit_us": 1}}, {"_id.path": "/get"}),
            "documents of day_rows lack a num",
        ),
        (
            changed("day_rows", {"$set": {"hits": 2.0**63}}, {"_id.path": "/get"}),
            "documents of day_rows lack a number",
        ),
        (changed("day_rows", {"$set": {"min_latency_non_error_ms": None}}), "documents of day_rows lack a number"),
        (
            changed("day_rows", {"$set": {"distribution": ["x"]}}),
            "have no pieces in distribution",
        ),
        (
            changed("day_rows", {"$set": {"quarter_hours": b"x"}}),
            "have no pieces in quarter_hours",
        ),
        (
            changed("day_rows", {"$unset": {"quarter_hours": 1}}),
            "have no pieces in quarter_hours",
        ),
        (changed("day_rows", {"$inc": {"hits": 10**15}}), "by the lanes none is over"),
        (changed("day_rows", {"$set": {f"ap.{LANE}": 99}}), f"a batch that lane {LANE} has not come to"),
        (with_other_key("names", of="lamp"), "1 documents of names have not the key of a name"),
        (changed("names", {"$set": {"seen": ["Ann", 1]}}, {"_id.of": "consumer"}), "have no name, or not when"),
        (changed("names", {"$set": {"seen": "Ann"}}, {"_id.of": "consumer"}), "have no name, or not when"),
        (changed("sources", {"$unset": {"skipped": 1}}), "1 documents of sources have no counts"),
        (changed("sources", {"$set": {"read": "1"}}), "1 documents of sources have no counts"),
        (lambda database: database["endpoint_stats.lanes"].delete_one({"_id": 3}), "lane 3 does not exist"),
        (changed("lanes", {"$set": {"state": "lamp"}}, {"_id": 3}), "lane 3 is in no state that it can be in"),
        (changed("lanes", {"$set": {"seq": "1"}}, {"_id": 3}), "lane 3 is in no state that it can be in"),
        (in_journal(LANE, 99), f"the journal has a batch that lane {LANE} has not come to"),
        (in_journal(99, 1), "the journal has batches of lanes that do not exist: ['99']"),
        (
            lambda database: database["endpoint_stats.day_rows"].drop_index("by_consumer"),
            "index endpoint_stats.day_rows.by_consumer does not exist",
        ),
    ],
)
def test_damage_in_collections_is_found(server: MongoServer, name: str, damage: Damaging, says: str) -> None:
    """On one kind of server: the look is the same on both."""
    with open_mongodb(server.database_url(name)) as store:
        fill(store)
    damage(server.client[name])
    with open_mongodb(server.database_url(name)) as store:
        found = [*store.damage()]
        assert any(says in text for text in found), found
        assert [problem.what for problem in verify(store).problems][: len(found)] == found


def test_what_writers_leave_behind_is_no_damage(server: MongoServer, name: str) -> None:
    """A batch that lost its place in the lane, and quarter hours that came while they were pruned."""
    with open_mongodb(server.database_url(name)) as store:
        fill(store)
        of_day = store.day(FIRST_DAY)
        store.prune(10**17)
        (row, *_) = of_day.rows
        which = {"_id.of": "endpoint of consumer", "_id.day": row.day}
        assert store._layout.day_rows.update_one(
            which, {"$set": {"quarter_hours": [row.quarter_hours]}}
        ).modified_count
        (lane,) = store._layout.lanes.find({"_id": LANE})
        in_journal(LANE, lane["seq"] + 1)(store._layout.database)
        assert verify(store).problems == []
        assert not any(row.quarter_hours for row in store.day(FIRST_DAY).rows), "a copy gets none of them"
        assert store.prune(10**17).rows == 1


def test_what_the_server_finds_in_its_files_is_named(
    server: MongoServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where the user may not ask it, the rest is looked at all the same."""
    command = Database.command

    def asked(answer: Any) -> Any:
        def answered(self: Any, what: Any, *arguments: Any, **options: Any) -> Any:
            if what != "validate":
                return command(self, what, *arguments, **options)
            if isinstance(answer, Exception):
                raise answer
            return answer(command(self, what, *arguments, **options))

        return answered

    with open_mongodb(server.database_url(name)) as store:
        fill(store)
        broken = asked(lambda found: found | {"valid": False, "errors": ["a page is gone"]})
        monkeypatch.setattr(Database, "command", broken)
        assert "collection endpoint_stats.day_rows is damaged: a page is gone" in store.damage()
        forbidden = pymongo.errors.OperationFailure("not authorized", 13)
        monkeypatch.setattr(Database, "command", asked(forbidden))
        assert store.damage() == []
        unused = store._layout.lanes.find_one_and_delete({"seq": 0})
        assert store.damage() == [f"lane {unused['_id']} does not exist"]
