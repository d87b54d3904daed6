"""What a reader does until it is killed, in a process of its own; ``pop`` is broken on purpose."""

import time

from tyk_endpoint_stats_redis import reading, server, source
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of
from tyk_endpoint_stats_redis.lists import serializer_of

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions

__all__ = ["claim", "pop"]

POP = 500


def claim(redis_url: str, store_url: str) -> None:
    """As the command reads, but that the dead are followed soon, and now and then the living too."""
    server.LEASE_MS, reading._RENEW_AFTER_S = 300, 0.1
    source.LOOK_EVERY_S = 0.1
    reading._FIRST_PIECE, reading._LARGEST_PIECE = 20, 50
    (found,) = open_sources(redis_url)
    with open_store(store_url) as store:
        while True:
            ingest(store, found, IngestOptions(limits=Limits(seconds=0.01)))
            time.sleep(0.01)


def pop(redis_url: str, store_url: str) -> None:
    """As Tyk Pump does: what is read is gone before it is written."""
    (found,) = open_sources(redis_url)
    assert isinstance(found, source.RedisSource)
    client, names = found._server._client, found._server.names
    with open_store(store_url) as store:
        while True:
            time.sleep(0.01)
            for name in names:
                pipeline = client.pipeline(transaction=True)
                pipeline.lrange(name, 0, POP - 1)
                pipeline.ltrim(name, POP, -1)
                elements = pipeline.execute()[0]
                if elements:
                    chunk = decode_elements(decoder_of(serializer_of(name)), name, 1, elements, "")
                    aggregator = Aggregator()
                    aggregator.add(chunk.records, chunk.instant_of)
                    time.sleep(0.1)  # a database that takes its time
                    store.merge(aggregator.close())
