"""How fast do records leave Redis? Our decoders beside msgpack-python, and the whole way into states and SQLite."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgpack
import msgspec
import pytest
from redis import Redis
from redis_server import BASE, RedisServer, push
from tyk_elements import msgpack_element, protobuf_element
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of

from tyk_endpoint_stats import open_sources, open_store
from tyk_endpoint_stats.core.aggregator import Aggregator
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.ingest import IngestReport

ROUNDS = 3
A_PIECE = 1000
SUFFIXES = {"msgpack": "", "protobuf": "_protobuf"}


@pytest.fixture(scope="module")
def elements(scale: int) -> dict[str, list[bytes]]:
    """Full records of 30 days, 1.5 kB each in msgpack, as the gateway pushes them."""
    objects = [msgspec.json.decode(line) for line in Traffic(records=scale).lines()]
    return {
        "msgpack": [msgpack_element(each) for each in objects],
        "protobuf": [protobuf_element(each) for each in objects],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    found = RedisServer(tmp_path_factory.mktemp("redis"))
    yield found
    found.kill()


@pytest.mark.benchmark(group="Redis: decode")
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_ours(benchmark, elements, serializer):
    decode = decoder_of(serializer).decode
    paths = benchmark.pedantic(
        lambda: sum(len(decode(element).path) for element in elements[serializer]), rounds=ROUNDS
    )
    assert paths == sum(len(msgpack.unpackb(element)["Path"]) for element in elements["msgpack"])


@pytest.mark.benchmark(group="Redis: decode")
def test_msgpack_python(benchmark, elements):
    paths = benchmark.pedantic(
        lambda: sum(len(msgpack.unpackb(element)["Path"]) for element in elements["msgpack"]), rounds=ROUNDS
    )
    assert paths == sum(len(decoder_of("msgpack").decode(element).path) for element in elements["msgpack"])


@pytest.mark.benchmark(group="Redis: decode and aggregate")
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_into_states(benchmark, elements, serializer, scale):
    decoder, given = decoder_of(serializer), elements[serializer]

    def aggregate() -> Aggregator:
        aggregator = Aggregator()
        for first in range(0, scale, A_PIECE):
            chunk = decode_elements(decoder, BASE, first + 1, given[first : first + A_PIECE], "")
            assert not aggregator.add(chunk.records, chunk.instant_of)
        return aggregator

    assert benchmark.pedantic(aggregate, rounds=ROUNDS).counts.read == scale


@pytest.mark.benchmark(group="Redis: list into store, durable")
@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_into_store(benchmark, elements, server, serializer, store, scale, tmp_path: Path):
    numbers = count()

    def filled() -> tuple[tuple[str], dict[str, object]]:
        with Redis(port=server.port) as client:
            client.flushall()
            push(client, BASE + SUFFIXES[serializer], elements[serializer])
        url = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/{next(numbers)}.db"
        return (url,), {}

    def ingest(url: str) -> IngestReport:
        with open_store(url) as opened:
            return opened.ingest(*open_sources(server.url))

    report = benchmark.pedantic(ingest, setup=filled, rounds=ROUNDS)
    assert report.read == scale
    assert report.counts.counted > scale * 0.9
