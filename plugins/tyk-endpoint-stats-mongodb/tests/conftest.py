"""What the tests find on real servers."""

from collections.abc import Iterator

import pytest
from mongo_servers import MongoServer
from pump_writer import PumpDatabase
from tyk_endpoint_stats_mongodb.store import store_in


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """A busy machine may take longer to make a store than the few seconds that people wait for one."""
    assert store_in.__kwdefaults__["connect_timeout_s"]
    store_in.__kwdefaults__["connect_timeout_s"] = 60.0


@pytest.fixture(params=["replica_set", "standalone"])
def server(request: pytest.FixtureRequest) -> MongoServer:
    """Each kind of server in turn."""
    server: MongoServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def url(server: MongoServer) -> Iterator[str]:
    """A database for a test's own store, on each kind of server in turn."""
    name = server.take()
    yield server.database_url(name)
    server.give_back(name)


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
