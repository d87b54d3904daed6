"""A database becomes a store by named steps: a lower version gets what it lacks, others are refused by name."""

import pytest
from tyk_endpoint_stats_mongodb import schema
from tyk_endpoint_stats_mongodb.layout import LANES, Layout
from tyk_endpoint_stats_mongodb.store import open_existing_mongodb, open_mongodb

from tyk_endpoint_stats.errors import UnusableStore
from tyk_endpoint_stats.maintenance.verify import verify
from tyk_endpoint_stats.testing import batch_of, hit


def as_it_is(url: str) -> dict[str, object]:
    with open_mongodb(url) as store:
        assert store.merge(batch_of([hit()]))
        assert verify(store).problems == []
        return dict(store._layout.meta.find_one({"_id": "schema"}) or {})


def test_a_new_store_has_taken_every_step(url: str) -> None:
    names = [name for name, _ in schema.STEPS]
    assert as_it_is(url) == {"_id": "schema", "version": schema.NEWEST, "steps": names}
    assert [int(name[:4]) for name in names] == list(range(2, schema.NEWEST + 1))


@pytest.mark.parametrize("version", [2, 3])
def test_a_lower_version_gets_the_steps_that_it_lacks(url: str, version: int) -> None:
    """As a program leaves it that is killed between two steps; also where nothing may be made."""
    with open_mongodb(url) as store:
        layout = store._layout
        lacking = [name for name, _ in schema.STEPS[version - 1 :]]
        layout.meta.update_one({"_id": "schema"}, {"$set": {"version": version}, "$pullAll": {"steps": lacking}})
        if version < 3:
            layout.day_rows.drop_indexes()
        layout.lanes.delete_many({})
    with open_existing_mongodb(url) as store:
        assert store._layout.lanes.count_documents({}) == LANES
        assert "by_consumer" in store._layout.day_rows.index_information()
    assert as_it_is(url)["version"] == schema.NEWEST


def test_a_new_step_is_taken_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_it_is(url)
    taken: list[str] = []

    def mark_rows(layout: Layout) -> None:
        taken.append("x")
        layout.day_rows.update_many({}, {"$set": {"mark": 1}})

    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("0006_mark", mark_rows)))
    monkeypatch.setattr(schema, "NEWEST", schema.NEWEST + 1)
    for _ in range(2):
        with open_mongodb(url) as store:
            assert store._layout.day_rows.count_documents({"mark": 1}) == 4
    assert taken == ["x"]
    monkeypatch.undo()
    with pytest.raises(UnusableStore, match=rf"schema {schema.NEWEST + 1}, .*up to {schema.NEWEST}: upgrade"):
        open_mongodb(url)


def test_what_the_first_release_left_is_refused_and_not_touched(url: str) -> None:
    with open_mongodb(url) as store:
        meta = store._layout.meta
        meta.delete_many({})
        meta.insert_one({"_id": "schema", "version": 1})
        before = store._layout.database.command("dbHash")["collections"]
        for opening in (open_mongodb, open_existing_mongodb):
            with pytest.raises(UnusableStore, match=r"made by version 0\.1\.0.*ingest again into another database"):
                opening(url)
        assert store._layout.database.command("dbHash")["collections"] == before
