"""How a MongoDB store is opened, and what is said where it can't be: URLs, options, servers, schemas, deadlines."""

import time

import pymongo
import pytest
from mongo_proxy import Proxy
from mongo_servers import MongoServer
from tyk_endpoint_stats_mongodb.store import (
    open_existing_mongodb,
    open_mongodb,
    store_in,
)

from tyk_endpoint_stats.core.selection import Selection
from tyk_endpoint_stats.errors import PluginError, StoreBusy, StoreError, UnusableStore
from tyk_endpoint_stats.opening import open_store
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.exam import ALL_DAYS


def test_a_url_without_a_database_has_one_by_default(standalone: MongoServer) -> None:
    with open_mongodb(standalone.url) as store:
        assert store._layout.day_rows.full_name == "tyk_endpoint_stats.endpoint_stats.day_rows"
    standalone.drop("tyk_endpoint_stats")


def test_options_are_keywords(url: str) -> None:
    with open_store(url, prefix="one.") as one, open_store(url, prefix="other.", read_timeout_s=7.0) as other:
        one.merge(batch_of([hit()], "s", None, "1"))
        assert (one.position("s"), other.position("s")) == ("1", None)
    with pytest.raises(TypeError, match="no_such"):
        open_store(url, no_such=1)


def test_a_client_can_be_passed_in_and_stays_open(url: str) -> None:
    with pymongo.MongoClient(url) as client:
        with store_in(client.get_default_database()) as store:
            store.merge(batch_of([hit()]))
        assert client.admin.command("ping")["ok"] == 1
        with store_in(client.get_default_database()) as store:
            client.close()
            with pytest.raises(StoreError):
                store.read(Selection(ALL_DAYS))


def test_a_store_that_is_not_there_is_not_made_for_a_question(url: str) -> None:
    with pytest.raises(UnusableStore, match="an ingest makes it"):
        open_existing_mongodb(url)
    open_mongodb(url).close()
    open_existing_mongodb(url).close()


def test_a_newer_schema_is_left_alone(url: str) -> None:
    with open_mongodb(url) as store:
        store._layout.meta.update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(UnusableStore, match=r"schema 99.*upgrade"):
        open_mongodb(url)


def test_a_server_too_old_is_refused_by_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tyk_endpoint_stats_mongodb.store._OLDEST_WIRE", 999)
    with pytest.raises(UnusableStore, match=r"MongoDB 5\.0 or newer"):
        open_mongodb(url)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://user:p%40ss-word@127.0.0.1:99999/stats",
        "mongodb://user:p@ss-word@127.0.0.1/stats",
        "mongodb://",
    ],
)
def test_what_is_no_url_is_wrong_usage_and_shows_no_password(url: str) -> None:
    with pytest.raises(PluginError) as caught:
        open_mongodb(url)
    shown = f"{caught.value} {caught.value.__cause__}"
    assert "ss-word" not in shown
    assert "user" not in str(caught.value).partition("://")[2].partition(":")[0]


def test_a_server_that_is_not_there_is_said_so_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(StoreBusy, match=r"no answer within 0\.3 s") as caught:
        open_mongodb("mongodb://user:secret@127.0.0.1:1/stats", connect_timeout_s=0.3)
    assert time.monotonic() - began < 3
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_said_so_without_it(standalone: MongoServer) -> None:
    url = f"mongodb://user:secret@{standalone.address}/stats?authSource=admin"
    with pytest.raises(UnusableStore, match="the user name or the password is wrong") as caught:
        open_mongodb(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("call", ["read", "merge", "position"])
def test_a_server_that_stops_answering_costs_no_more_than_the_deadline(server: MongoServer, call: str) -> None:
    name = server.take()
    with Proxy(server.address) as proxy:
        url = f"mongodb://{proxy.address}/{name}?directConnection=true"
        with open_mongodb(url, read_timeout_s=0.4, merge_timeout_s=0.4) as store:
            proxy.freeze()
            began = time.monotonic()
            with pytest.raises(StoreBusy):
                {
                    "read": lambda: store.read(Selection(ALL_DAYS)),
                    "merge": lambda: store.merge(batch_of([hit()], "s", None, "1")),
                    "position": lambda: store.position("s"),
                }[call]()
            assert time.monotonic() - began < 5
    server.give_back(name)
