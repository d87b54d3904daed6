"""Claims: exactly once whatever happens to lists, servers and other consumers in between."""

import time
from contextlib import suppress
from pkgutil import resolve_name

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Lost
from redis_server import BASE, RedisServer, keys, opened, push
from tyk_elements import elements, msgpack_element
from tyk_endpoint_stats_redis import source
from tyk_endpoint_stats_redis.claims import Claim

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.testing import batch_of
from tyk_endpoint_stats.testing.sources import stopped_after


def hits(store):
    return sum(row.hits for row in store.consumers())


@pytest.fixture
def store():
    with open_store("memory://") as found:
        yield found


@pytest.fixture
def no_lease(monkeypatch):
    """Whoever looks finds every claim free, as if all consumers were dead."""
    monkeypatch.setattr("tyk_endpoint_stats_redis.server.LEASE_MS", 1)
    monkeypatch.setattr(source, "LOOK_EVERY_S", 0)


def test_what_is_pushed_while_a_claim_is_read_waits_for_the_next_pass(server, client, store, small_pieces):
    found = opened(server)
    push(client, BASE, elements(100))
    assert stopped_after(store, found, 3).read == 30
    push(client, BASE, elements(7))
    assert found.parts()
    assert store.ingest(found).read == 70
    assert store.ingest(found).read == 7
    assert (hits(store), keys(client)) == (107, set())


def test_one_row_of_positions_serves_all_claims_of_a_list(server, client, store):
    found = opened(server)
    for amount in (5, 3, 9):
        push(client, BASE, elements(amount))
        assert store.ingest(found).read == amount
    (progress,) = store.sources()
    assert (progress.position, progress.counts.read) == ("3:9", 17)


def test_a_claim_does_not_expire_though_its_list_would(server, client, store, small_pieces):
    push(client, BASE, elements(20))
    client.expire(BASE, 60)
    stopped_after(store, opened(server), 1)
    (claim,) = (key for key in keys(client) if ":claim:" in key)
    assert client.ttl(claim) == -1, "RENAME keeps the gateway's time to live"


def test_a_claim_that_keeps_the_time_to_live_loses_records(server, client, store, small_pieces, monkeypatch):
    """The broken twin of the test above: without PERSIST."""
    monkeypatch.setattr("redis.client.Pipeline.persist", lambda self, key: self.exists(key))
    push(client, BASE, elements(20))
    client.expire(BASE, 60)
    stopped_after(store, opened(server), 1)
    (claim,) = (key for key in keys(client) if ":claim:" in key)
    assert client.ttl(claim) > 0
    client.delete(claim)  # as time would
    assert store.ingest(opened(server)).read == 0
    assert hits(store) == 10, "ten records are gone"


@pytest.mark.parametrize("pieces", range(1, 11))
def test_a_claim_that_was_left_is_gone_on_with_from_every_position(server, client, store, small_pieces, pieces):
    push(client, BASE, elements(100))
    assert stopped_after(store, opened(server), pieces).read == pieces * 10
    assert store.ingest(opened(server)).read == 100 - pieces * 10
    assert (hits(store), keys(client)) == (100, set())


def test_a_reader_that_died_is_followed_when_its_lease_is_over(server, client, store, small_pieces):
    push(client, BASE, elements(50))
    dead = opened(server)
    reader = dead.parts()[0].open(store.position)
    next(reader.chunks())  # and never closed
    assert store.ingest(opened(server)).read == 0
    (lease,) = (key for key in keys(client) if ":lease:" in key)
    assert 0 < client.pttl(lease) <= 15_000
    client.delete(lease)  # as time would
    assert store.ingest(opened(server)).read == 50
    assert (hits(store), keys(client)) == (50, set())


def test_two_who_hold_one_claim_are_harmless(server, client, store, small_pieces, no_lease):
    """One was taken for dead and was not: every batch of either meets the other's position."""
    push(client, BASE, elements(100))
    first, second = opened(server), opened(server)
    for _ in range(20):
        stopped_after(store, first, 1)
        stopped_after(store, second, 1)
    store.ingest(first)
    assert (hits(store), keys(client)) == (100, set())


def test_a_frozen_reader_wakes_when_all_is_done(server, client, store, small_pieces, no_lease):
    push(client, BASE, elements(30))
    frozen = opened(server)
    (part,) = frozen.parts()
    with part.open(store.position) as frozen_reading:
        chunks = frozen_reading.chunks()
        next(chunks)
        time.sleep(0.01)
        assert store.ingest(opened(server)).read == 30
        assert list(chunks) == [], "its claim is gone"
    push(client, BASE, elements(5))
    assert [store.ingest(frozen).read for _ in range(2)] == [0, 5], "a list is claimed after the claim before"
    assert (hits(store), keys(client)) == (35, set())


def test_a_list_that_is_deleted_while_it_is_read_ends_the_reading(server, client, store, small_pieces):
    push(client, BASE, elements(30))
    found = opened(server)
    stopped_after(store, found, 1)
    client.flushall()
    assert store.ingest(found).read == 0
    push(client, BASE, elements(4))
    assert store.ingest(found).read == 4
    assert hits(store) == 14
    assert len(store.sources()) == 2, "what was lost is not said to be merged: another lane began"


def test_a_key_that_is_no_list_is_named_left_alone_and_keeps_nobody_waiting(server, client, store):
    client.set(BASE, "no list")
    push(client, f"{BASE}_3", elements(5))
    found = opened(server)
    for _ in range(2):
        with pytest.raises(SourceError, match=rf"{BASE}: can't be read: WRONGTYPE"):
            store.ingest(found)
    assert hits(store) == 5
    assert client.get(BASE) == b"no list"
    client.delete(BASE)
    push(client, BASE, elements(2))
    assert store.ingest(found).read == 2


def test_garbage_is_counted_by_reason_and_named_with_its_place(server, client, store):
    push(client, BASE, [*elements(2), b"\xc1 garbage", *elements(1), b"", *elements(1)])
    kept = []
    report = store.ingest(opened(server), IngestOptions(on_rejected=kept.extend))
    assert (report.read, report.counts.counted) == (6, 4)
    assert report.counts.malformed == {"not one msgpack value": 2}
    assert [(one.where, one.raw) for one in kept] == [
        (f"{BASE}, record 3", b"\xc1 garbage"),
        (f"{BASE}, record 5", b""),
    ]
    push(client, BASE, [b"\xc1"])
    with pytest.raises(SourceError, match="record 1: malformed"):
        store.ingest(opened(server), IngestOptions(fail_on_malformed=True))
    assert any(":claim:" in key for key in keys(client)), "what is not merged is kept"


class LostAnswers:
    """A connection that is lost after the n-th pipeline or command was carried out, and before its answer came."""

    def __init__(self, monkeypatch, at):
        self.left = at
        for name in ("client.Pipeline.execute", "client.Redis.execute_command"):
            self.wrap(monkeypatch, f"redis.{name}")

    def wrap(self, monkeypatch, name):
        owner, _, attribute = name.rpartition(".")
        original = getattr(resolve_name(owner.replace("redis.client.", "redis.client:")), attribute)

        def execute(*arguments, **options):
            answer = original(*arguments, **options)
            self.left -= 1
            if self.left == 0:
                raise Lost("lost")
            return answer

        monkeypatch.setattr(name, execute)


@pytest.mark.parametrize("at", range(1, 13))
def test_an_answer_that_gets_lost_costs_nothing(server, client, store, small_pieces, monkeypatch, at):
    push(client, BASE, elements(25))
    found = opened(server)
    with monkeypatch.context() as patched:
        losing = LostAnswers(patched, at)
        with suppress(SourceError):
            store.ingest(found)
        if at <= 8:
            assert losing.left <= 0, "the connection was never lost"
    push(client, BASE, elements(5))
    for _ in range(2):
        store.ingest(found)
    assert (hits(store), keys(client)) == (30, set())


def test_a_server_that_is_killed_has_lost_nothing_it_said_yes_to(tmp_path, store, small_pieces):
    """With an append-only file that is written through: in the middle of a claim, and between two."""
    with RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always") as server:
        found = opened(server)
        for pieces in (1, 3, 5):
            with Redis(port=server.port) as client:
                push(client, BASE, elements(50))
            stopped_after(store, found, pieces)
            server.kill()
            with pytest.raises(SourceError, match="can't be"):
                store.ingest(found)
            server.start()
            store.ingest(found)
            store.ingest(found)
        assert hits(store) == 150
        with Redis(port=server.port) as client:
            assert keys(client) == set()


def test_a_server_without_memory_left_can_still_be_emptied(server, client, store, small_pieces):
    push(client, BASE, elements(100))
    client.config_set("maxmemory", 1)
    assert store.ingest(opened(server)).read == 100
    assert keys(client) == set()


def test_large_records_come_in_small_pieces(server, client, store):
    body = "x" * 2**20
    push(
        client,
        BASE,
        [msgpack_element({"api_key": "k", "raw_response": body, "timestamp": "2026-10-13T10:00:00Z"})] * 130,
    )
    sizes = []
    (part,) = opened(server).parts()
    with part.open(store.position) as found:
        for chunk in found.chunks():
            sizes.append(len(chunk.records))
    assert sum(sizes) == 130
    assert max(sizes[1:]) <= 4


def test_a_claim_lies_in_the_slot_of_its_list():
    assert Claim("analytics-x", "0" * 32, 7).key == f"{{analytics-x}}:claim:{'0' * 32}:7"
    tagged = Claim("{tyk}analytics-x", "0" * 32, 7)
    assert tagged.key == f"{{tyk}}analytics-x:claim:{'0' * 32}:7"
    for claim in (tagged, Claim("a:claim:b\n", "f" * 32, 1)):
        names = Claim.beginnings((claim.list_name,))
        assert Claim.parse(claim.key, names) == claim
        assert Claim.parse(claim.lease_key, names) is None
        assert Claim.parse(f"{claim.key}0" * 9, names) is None


def test_a_position_that_is_none_of_ours_is_refused(server, client, store, small_pieces):
    push(client, BASE, elements(20))
    found = opened(server)
    stopped_after(store, found, 1)
    (progress,) = store.sources()
    store.merge(batch_of([], progress.source, progress.position, "elsewhere"))
    with pytest.raises(SourceError, match="'elsewhere', which is no position"):
        store.ingest(opened(server))
