"""What holds for every run of tests, benchmarks and plugins: it is like the run before it."""

import gc
import os
from collections.abc import Generator, Iterator
from functools import cache
from importlib.metadata import Distribution
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run, so that a change is to blame for a failure; the first test of a run builds
# tables that take longer than the health check allows. A property that needs more of them says so; before a release
# all have ten times as many: --hypothesis-profile thorough.
settings.register_profile(
    "repeatable",
    max_examples=25,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("repeatable"), max_examples=250)
settings.load_profile("repeatable")

# Exams that several tests sit, of plugins too, show what they compared.
pytest.register_assert_rewrite("tests.web")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--seed`` for whatever is random in a test."""
    parser.addoption("--seed", type=int, default=1, help="what the fault tests' randomness starts from")


_SERVERS = {"postgres", "redis", "replica_set", "standalone", "server"}
_STARTERS = {"MongoServer", "PostgresServer", "RedisServer"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is collected stays: looking through it for garbage would be a third of the time that collecting takes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts a database's server, by its fixtures or by its own code."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        code = getattr(getattr(item, "function", None), "__code__", None)
        if fixtures & _SERVERS & _of_databases(item) or (code and set(code.co_names) & _STARTERS):
            item.add_marker(pytest.mark.server)


def _of_databases(item: pytest.Item) -> set[str]:
    """Those of them that are a database's: in the package's own tests ``server`` is one of HTTP."""
    return _SERVERS if "plugins" in item.path.parts else _SERVERS - {"server"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes share the tests by file, so that what a file's tests share is made once, and in their order.

    ``--dist loadgroup`` does not: pytest 9.2 passes over the groups of pytest-xdist 3.8 without a word.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # as they are collected: those first that wait for servers
    return LoadFileScheduling(config, log) if config.getvalue("dist").startswith("load") else None


def pytest_report_header(config: pytest.Config) -> str:
    """Shown at the top of a run, for repeating it."""
    return f"seed of the fault tests: {config.getoption('seed')} (--seed)"


@pytest.fixture(scope="session", autouse=True)
def _installed() -> Iterator[None]:
    """What is installed is looked up once: all distributions of a development environment are, for each opening."""
    from tyk_endpoint_stats import plugin_manager

    with pytest.MonkeyPatch.context() as patch:
        for name in ("entry_points", "version"):
            patch.setattr(plugin_manager, name, cache(getattr(plugin_manager, name)))
        patch.setattr(Distribution, "metadata", property(cache(Distribution.metadata.fget)))
        yield


@pytest.fixture(scope="session", autouse=True)
def _without_pandas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs that are started find no pandas and no NumPy, which users need not have either.

    sqlite-utils imports both where they are installed: half a second of processor time of each that makes a store.
    """
    hiding = tmp_path_factory.mktemp("hiding")
    for name in ("numpy", "pandas"):
        (hiding / f"{name}.py").write_text("raise ImportError(__name__)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hiding), prepend=os.pathsep)
        yield


# One server of each kind in a process of pytest, started by who first needs it; what kills one for good, or needs
# options of its own, starts another. Where a wheel is missing, the tests fail.


@pytest.fixture(scope="session")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A MongoDB that is a replica set of one: it has transactions."""
    from mongo_servers import start_replica_set

    (server,) = start_replica_set(tmp_path_factory.mktemp("replica_set"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A MongoDB by itself: it has none."""
    from mongo_servers import MongoServer

    with MongoServer(tmp_path_factory.mktemp("standalone") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL."""
    from postgres_servers import PostgresServer

    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Redis, which may be full of what the test before left."""
    from redis_server import RedisServer

    with RedisServer(tmp_path_factory.mktemp("redis") / "server") as server:
        yield server


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Where a test's randomness starts: the same one fails again."""
    seed: int = request.config.getoption("seed")
    return seed
