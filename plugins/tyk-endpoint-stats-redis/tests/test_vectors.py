"""The bytes that Tyk's own serializers wrote, in a real server, count as the JSON of the same records does."""

import json
from urllib.parse import quote

import pytest
from msgspec import Struct
from msgspec.structs import astuple
from redis_server import BASE, push
from tyk_elements import VECTORS, msgpack_element, protobuf_element, traffic
from tyk_endpoint_stats_redis import msgpack_records, protobuf_records
from tyk_endpoint_stats_redis.decoding import decode_elements, decoder_of
from tyk_endpoint_stats_redis.lists import list_names, serializer_of
from tyk_endpoint_stats_redis.times import instant_of

from tyk_endpoint_stats import open_sources, open_store, read_records
from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.instants import parse_rfc3339
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.testing.exam import snapshot

EVERYTHING = Rules(include=frozenset({"graphql", "mcp"}))


def counted(source, rules):
    """What a store answers after reading it, and the report."""
    with open_store("memory://") as store:
        report = store.ingest(source, rules=rules)
        return snapshot(store)[:2], report.counts


@pytest.mark.parametrize("rules", [Rules(), EVERYTHING, Rules(tracked_only=True)])
@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_each_serializer_counts_as_json_does(server, client, vectors, tmp_path, serializer, rules):
    records = [record for record in vectors if f"{serializer}_hex" in record]
    assert len(records) >= 6
    lines = tmp_path / "lines.jsonl"
    lines.write_text("".join(json.dumps(record["json"]) + "\n" for record in records))
    suffix = "_protobuf" if serializer == "protobuf" else ""
    push(client, BASE + suffix, [bytes.fromhex(record[f"{serializer}_hex"]) for record in records])
    states, counts = counted(*open_sources(server.url), rules)
    expected_states, expected_counts = counted(read_records(lines), rules)
    assert states == expected_states
    assert len(states[0]) >= 2
    assert (counts.read, counts.counted, counts.skipped, counts.malformed) == (
        expected_counts.read,
        expected_counts.counted,
        expected_counts.skipped,
        expected_counts.malformed,
    )
    assert not list(client.scan_iter()), "what is merged is deleted"


@pytest.mark.parametrize("serializer", ["msgpack", "protobuf"])
def test_the_fields_that_matter_are_those_expected(vectors, serializer):
    for record in vectors:
        if f"{serializer}_hex" not in record:
            continue
        decoder = decoder_of(serializer)
        chunk = decode_elements(decoder, BASE, 1, [bytes.fromhex(record[f"{serializer}_hex"])], "1:1")
        (found,), expected = chunk.records, record["expect"]
        timestamp_us = found.timestamp[0] * 10**6 + found.timestamp[1] // 1000
        assert (timestamp_us, found.request_time) == (expected["timestamp_us"], expected["request_time"])
        assert (found.latency.total, found.latency.upstream) == (
            expected["latency_total"],
            expected["latency_upstream"],
        )
        assert (found.graphql_stats.is_graphql, found.mcp_stats.is_mcp) == (expected["graphql"], expected["mcp"])
        for name in ("org_id", "api_id", "api_name", "path", "api_key", "oauth_id", "alias", "response_code"):
            assert getattr(found, name) == expected[name]
        assert found.track_path is expected["track_path"]


def test_bytes_that_are_not_utf_8_are_repaired_and_count(server, client, vectors):
    (record,) = (each for each in vectors if each["name"] == "invalid_utf8_path")
    push(client, BASE, [bytes.fromhex(record["msgpack_hex"])])
    with open_store("memory://") as store:
        counts = store.ingest(*open_sources(server.url)).counts
        assert (counts.counted, counts.repaired, counts.malformed) == (1, 1, {})
        assert store.consumers()[0].hits == 1


def test_the_elements_of_these_tests_are_those_of_tyk(vectors):
    for record in vectors:
        if record["name"] == "invalid_utf8_path":
            continue
        assert msgpack_element(record["json"]) == bytes.fromhex(record["msgpack_hex"])
        ours = protobuf_records.decode(protobuf_element(record["json"]))
        assert ours == protobuf_records.decode(bytes.fromhex(record["protobuf_hex"]))


def test_the_lists_are_tyks_in_pumps_order():
    keys = json.loads((VECTORS / "stores.json").read_text())["redis_keys"]
    assert list(list_names()) == keys["order_popped_by_pump"]
    assert len(set(list_names())) == 22
    for name in keys["list_keys"]:
        assert (serializer_of(name), serializer_of(name + keys["protobuf_suffix"])) == ("msgpack", "protobuf")


@pytest.mark.parametrize("prefix", ["analytics-", "my*[gate]way?:{a}\\-"])
def test_all_lists_are_read_each_by_its_own_serializer(server, client, vectors, prefix):
    record = vectors[0]["json"]
    for number, name in enumerate(list_names(prefix)):
        element = protobuf_element if name.endswith("_protobuf") else msgpack_element
        push(client, name, [element(record | {"path": f"/{number}"})] * (number + 1))
    push(client, f"{prefix}tyk-system-analytics_10", [b"not ours"])
    client.set("host-checker:tyk-uptime-analytics", "not ours")
    with open_store("memory://") as store:
        report = store.ingest(*open_sources(f"{server.url}?prefix={quote(prefix)}"))
        assert report.counts.counted == report.read == 22 * 23 // 2
        assert len(snapshot(store)[0]) == 22
    assert len(list(client.scan_iter())) == 2


def test_both_decoders_agree_on_records_of_the_demo():
    for record, json_object in zip(*traffic(500), strict=True):
        element = msgpack_element(json_object)
        decoded = msgpack_records.decode(element)
        again, repaired = msgpack_records.look_again(element)
        assert not repaired
        for found in (decoded, again, protobuf_records.decode(protobuf_element(json_object))):
            assert instant_of(found.timestamp) == parse_rfc3339(record.timestamp)
            assert plain(found) == plain(record)


def plain(record):
    """All values but the time; the structs of a serializer have names of their own."""
    values = [getattr(record, name) for name in Record.__struct_fields__ if name != "timestamp"]
    return [astuple(value) if isinstance(value, Struct) else value for value in values]
