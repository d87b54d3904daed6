"""A program that reads a server into a store until it is killed; its second form is broken on purpose.

usage: killed_reader.py claim|pop REDIS_URL STORE_URL
"""

import sys
import time

from tyk_endpoint_stats_redis import server

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.stores.contract import Store

server.LEASE_MS = 300  # before reading.py takes it; the dead are followed soon, and now and then the living too

from tyk_endpoint_stats_redis import reading, source  # noqa: E402
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of  # noqa: E402
from tyk_endpoint_stats_redis.lists import serializer_of  # noqa: E402

source.LOOK_EVERY_S = 0.1
reading._LARGEST_PIECE = 200
POP = 500


def claim(redis_url: str, store: Store) -> None:
    (found,) = open_sources(redis_url)
    while True:
        ingest(store, found, IngestOptions(limits=Limits(seconds=0.01)))
        time.sleep(0.01)


def pop(redis_url: str, store: Store) -> None:
    """As Tyk Pump does: what is read is gone before it is written."""
    (found,) = open_sources(redis_url)
    assert isinstance(found, source.RedisSource)
    client, names = found._server._client, found._server.names
    while True:
        for name in names:
            pipeline = client.pipeline(transaction=True)
            pipeline.lrange(name, 0, POP - 1)
            pipeline.ltrim(name, POP, -1)
            elements = pipeline.execute()[0]
            if elements:
                chunk = decode_elements(decoder_of(serializer_of(name)), name, 1, elements, "")
                aggregator = Aggregator()
                aggregator.add(chunk.records, chunk.instant_of)
                time.sleep(0.02)  # a database that takes its time
                store.merge(aggregator.close())


if __name__ == "__main__":
    how, redis_url, store_url = sys.argv[1:]
    with open_store(store_url) as opened:
        print("reading", flush=True)
        {"claim": claim, "pop": pop}[how](redis_url, opened)
