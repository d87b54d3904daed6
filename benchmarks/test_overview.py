"""How long does a page's overview of a month take, of a store that was just opened and a server that has no answer?"""

import pytest

from benchmarks.served import OVERVIEW, check_overview, served
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.demo import Traffic

pytestmark = pytest.mark.benchmark(group="overview of a month, 5,000 consumers")


@pytest.fixture(scope="module")
def of_a_month(scale, tmp_path_factory):
    """A store's URL, and how many hits it has."""
    url = f"sqlite:///{tmp_path_factory.mktemp('overview')}/month.db"
    with open_store(url) as store:
        report = store.ingest(Traffic(records=scale, days=30.5, keys=4_500, clients=500).decoded())
    return url, report.counts.counted


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("name", OVERVIEW)
def test_overview(benchmark, of_a_month, name, zone):
    url, counted = of_a_month
    with open_store(url) as store, served(store) as server:
        body = benchmark.pedantic(server.ask, (OVERVIEW[name] + zone,), rounds=1)  # a second one would be kept
    check_overview(name, body, counted, zone)
