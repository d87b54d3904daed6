"""Redis Cluster: a source for each node, and slots that move while they are read."""

import time
from contextlib import ExitStack

import pytest
from redis import Redis
from redis_server import BASE, RedisServer, keys, opened, push
from tyk_elements import elements
from tyk_endpoint_stats_redis.lists import list_names

from tests.servers import free_port
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.testing.sources import stopped_after

SLOTS = 2**14
FORMED_WITHIN_S = 20.0
MSGPACK = [name for name in list_names() if not name.endswith("_protobuf")]


@pytest.fixture
def nodes(tmp_path):
    """Two nodes with half of the slots each."""
    with ExitStack() as started:
        servers = [
            started.enter_context(
                RedisServer(tmp_path / name, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            )
            for name in ("a", "b")
        ]
        clients = [Redis(port=server.port) for server in servers]
        for number, client in enumerate(clients):
            half = SLOTS // 2
            client.execute_command("CLUSTER ADDSLOTSRANGE", number * half, number * half + half - 1)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        bus = servers[1].options[-1]
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", servers[1].port, bus)
        deadline = time.monotonic() + FORMED_WITHIN_S
        while not all(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok" for client in clients):
            assert time.monotonic() < deadline, [client.execute_command("CLUSTER NODES") for client in clients]
            time.sleep(0.05)
        yield servers, clients
        for client in clients:
            client.close()


def slot_of(client, name):
    return client.execute_command("CLUSTER KEYSLOT", name)


def owner_of(clients, name):
    return clients[0] if slot_of(clients[0], name) < SLOTS // 2 else clients[1]


def move(clients, name):
    """Give the slot of a list to the other node, with all that lies in it."""
    source = owner_of(clients, name)
    target = clients[1 - clients.index(source)]
    slot = slot_of(source, name)
    ids = {client: client.execute_command("CLUSTER MYID").decode() for client in clients}
    target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    port = target.connection_pool.connection_kwargs["port"]
    for key in source.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
        source.execute_command("MIGRATE", "127.0.0.1", port, key, 0, 5000)
    for client in (target, source):
        client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
    return target


def test_a_source_for_each_node_reads_all_lists_and_says_where_the_others_are(nodes, small_pieces):
    servers, clients = nodes
    for name in MSGPACK:
        push(owner_of(clients, name), name, elements(20))
    sources = [opened(server) for server in servers]
    for source, other in zip(sources, reversed(servers), strict=True):
        assert f"other lists may lie on 127.0.0.1:{other.port}" in " ".join(source.warnings)
    with open_store("memory://") as store:
        first = stopped_after(store, sources[0], 1).read
        assert first == 10
        read = [store.ingest(source).read for source in sources]
        assert min(read) > 0
        assert first + sum(read) == 20 * len(MSGPACK)
    assert keys(clients[0]) == keys(clients[1]) == set()


def test_a_claim_whose_slot_moves_is_gone_on_with_on_its_new_node(nodes, small_pieces):
    servers, clients = nodes
    owner = owner_of(clients, BASE)
    push(owner, BASE, elements(30))
    reader = opened(servers[clients.index(owner)])
    with open_store("memory://") as store:
        (part,) = reader.parts()
        with part.open(store.position) as reading:
            chunks = reading.chunks()
            next(chunks)
            target = move(clients, BASE)
            with pytest.raises(SourceError, match="the cluster moved it"):
                next(chunks)
        assert store.ingest(reader).read == 0
        target.delete(*(key for key in keys(target) if ":lease:" in key))  # as time would
        other = opened(servers[clients.index(target)])
        assert store.ingest(other).read == 30
        push(target, BASE, elements(5))
        assert store.ingest(reader).read == 0
        assert store.ingest(other).read == 5
    assert keys(clients[0]) == keys(clients[1]) == set()
