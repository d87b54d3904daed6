"""What does HTTP add to a question, 50 rows, over a connection that is kept?"""

import pytest

from benchmarks import ours
from benchmarks.served import TARGET, V1_TARGET, served

pytestmark = pytest.mark.benchmark(group="50 rows, keep-alive")


def test_in_process(benchmark, store_of_fifty):
    assert benchmark(ours.ask, store_of_fifty, 30) > 0


def test_over_http(benchmark, store_of_fifty):
    with served(store_of_fifty) as server:
        body = benchmark(server.ask)
    assert body.count(b'"hits":') == 50


@pytest.mark.parametrize("target", [TARGET, V1_TARGET], ids=["tyk", "v1"])
def test_eight_connections(benchmark, store_of_fifty, target):
    with served(store_of_fifty) as server:
        assert server.ask(target).count(b'"hits":') in (50, 51)  # /v1 has a total, too
        answers = benchmark.pedantic(server.answers_a_second, (0.5, target), rounds=1)
    assert answers > 10
