"""How fast is an answer from MongoDB: states, beside its own ``$group`` over raw documents with an index?"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from mongo_servers import MongoServer
from pymongo import MongoClient

from benchmarks import ours
from tyk_endpoint_stats.core.instants import to_datetime

pytestmark = pytest.mark.benchmark(group="busiest key, 250 endpoints, 30 days, MongoDB")
_AT_ONCE = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    with MongoServer(tmp_path_factory.mktemp("mongod") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def hits(scale):
    return sum(key == ours.KEY for key, *_ in ours.requests(scale, 30))


@pytest.fixture(scope="module")
def documents(server, scale) -> Iterator[Any]:
    """A document for each request, as Tyk Pump writes it, and the index that the question wants."""
    with MongoClient(server.database_url("raw")) as client:
        collection = client.get_default_database()["tyk_analytics"]
        made = []
        for key, at_us, api_id, path, code, total, upstream in ours.requests(scale, 30):
            latency = {"total": total, "upstream": upstream}
            request = {"apikey": key, "timestamp": to_datetime(at_us), "apiid": api_id, "path": path}
            made.append(request | {"responsecode": code, "requesttime": total, "latency": latency})
            if len(made) == _AT_ONCE:
                collection.insert_many(made)
                made = []
        if made:
            collection.insert_many(made)
        collection.create_index([("apikey", 1), ("timestamp", 1)])
        yield collection


def test_ours(benchmark, server, scale, hits):
    with ours.fill(server.database_url("states"), scale, 30) as store:
        assert benchmark(ours.ask, store, 30) == hits


def test_group_over_documents(benchmark, documents, hits):
    assert benchmark(group, documents) == hits


def group(collection: Any) -> int:
    """The question to the server over raw documents; all hits of its answer."""
    start: datetime = to_datetime(ours.START_US + 335 * 86_400_000_000)
    end: datetime = to_datetime(ours.START_US + 365 * 86_400_000_000)
    code = "$responsecode"
    pipeline = [
        {"$match": {"apikey": ours.KEY, "timestamp": {"$gte": start, "$lt": end}}},
        {
            "$group": {
                "_id": {"api": "$apiid", "path": "$path"},
                "hits": {"$sum": 1},
                "success": {"$sum": {"$cond": [{"$and": [{"$gte": [code, 200]}, {"$lt": [code, 300]}]}, 1, 0]}},
                "error": {"$sum": {"$cond": [{"$gte": [code, 400]}, 1, 0]}},
                "request_time": {"$avg": "$requesttime"},
                "latency": {"$avg": "$latency.total"},
                "upstream": {"$avg": "$latency.upstream"},
                "max_latency": {"$max": "$latency.total"},
                "max_upstream": {"$max": "$latency.upstream"},
                "min_latency": {"$min": "$latency.total"},
                "min_upstream": {"$min": "$latency.upstream"},
                "last_hit": {"$max": "$timestamp"},
            }
        },
        {"$sort": {"hits": -1}},
    ]
    return sum(row["hits"] for row in collection.aggregate(pipeline))
