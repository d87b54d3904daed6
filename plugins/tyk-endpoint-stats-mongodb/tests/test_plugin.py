"""What the plugin introduces, and that the servers of these tests are what they claim to be."""

import subprocess
import sys

from mongo_servers import MongoServer

from tyk_endpoint_stats.plugin_manager import load_plugins


def test_both_schemes_are_introduced() -> None:
    provided = load_plugins().stores
    for scheme in ("mongodb", "mongodb+srv"):
        assert provided[scheme].plugin == "tyk-endpoint-stats-mongodb"
        assert provided[scheme].type.example.startswith(f"{scheme}://")


def test_what_tyk_pump_left_is_introduced_too() -> None:
    plugins = load_plugins()
    provided = plugins.sources | plugins.stores
    for scheme in ("tyk-raw+mongodb", "tyk-raw+mongodb+srv", "tyk-pump+mongodb", "tyk-pump+mongodb+srv"):
        assert provided[scheme].plugin == "tyk-endpoint-stats-mongodb"
        assert provided[scheme].type.example.startswith(f"{scheme}://")


def test_introducing_loads_no_driver() -> None:
    code = (
        "import sys; from tyk_endpoint_stats.plugin_manager import load_plugins;"
        "load_plugins(); sys.exit('pymongo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_servers_are_of_two_kinds(replica_set: MongoServer, standalone: MongoServer) -> None:
    assert replica_set.admin("hello")["setName"] == "rs0"
    assert "setName" not in standalone.admin("hello")
