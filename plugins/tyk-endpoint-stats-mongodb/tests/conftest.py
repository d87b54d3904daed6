"""Servers for the tests, real ones; where the wheel with mongod is missing the tests fail."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from mongo_servers import MongoServer, start_replica_set
from pump_writer import PumpDatabase


@pytest.fixture(scope="session")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A replica set of one: it has transactions."""
    (server,) = start_replica_set(tmp_path_factory.mktemp("replica_set"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server by itself: it has none."""
    with MongoServer(tmp_path_factory.mktemp("standalone") / "data") as server:
        yield server


@pytest.fixture(params=["replica_set", "standalone"])
def server(request: pytest.FixtureRequest) -> MongoServer:
    """Each kind of server in turn."""
    server: MongoServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def url(server: MongoServer) -> Iterator[str]:
    """A database for a test's own store, on each kind of server in turn."""
    name = f"store_{uuid4().hex[:12]}"
    yield server.database_url(name)
    server.drop(name)


@pytest.fixture
def pump(replica_set: MongoServer) -> Iterator[PumpDatabase]:
    """A database for Tyk Pump's data, new for each test."""
    pump = PumpDatabase(replica_set)
    yield pump
    pump.drop()


@pytest.fixture
def any_pump(server: MongoServer) -> Iterator[PumpDatabase]:
    """The same on each kind of server in turn."""
    pump = PumpDatabase(server)
    yield pump
    pump.drop()
