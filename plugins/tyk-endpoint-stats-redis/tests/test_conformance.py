"""The exam of sources: each serializer, and several lists at once."""

from pathlib import Path

import pytest
from redis import Redis
from redis_server import BASE, push
from tyk_elements import json_object, msgpack_element, protobuf_element
from tyk_endpoint_stats_redis import reading

from tyk_endpoint_stats import open_sources
from tyk_endpoint_stats.testing import PeekableSourceConformance


class RedisConformance(PeekableSourceConformance):
    many = 120  # pieces of 10, 40 and 70
    suffix = ""
    element = staticmethod(msgpack_element)
    malformed = (b"\xc1", b"", msgpack_element({"api_key": "k", "timestamp": ""}))

    @pytest.fixture(autouse=True)
    def _server(self, server, monkeypatch):
        monkeypatch.setattr(reading, "_FIRST_PIECE", 10)
        self.server = server

    def push(self, place, elements):
        with Redis(port=self.server.port) as client:
            push(client, f"{place.name}-{BASE.removeprefix('analytics-')}{self.suffix}", elements)

    def add_records(self, place, records):
        self.push(place, [self.element(json_object(record)) for record in records])

    def add_malformed(self, place):
        self.push(place, self.malformed)
        return len(self.malformed)

    def open_source(self, place: Path):
        (source,) = open_sources(f"{self.server.url}?prefix={place.name}-")
        return source


class TestMsgpack(RedisConformance):
    """One list, the gateway's default."""


class TestProtobuf(RedisConformance):
    suffix = "_7_protobuf"
    element = staticmethod(protobuf_element)
    malformed = (b"\xff", protobuf_element({"api_key": "k", "timestamp": ""}))
