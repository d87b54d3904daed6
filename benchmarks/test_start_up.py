"""How long does the program take to say how it is used, beside Python doing nothing?"""

import pytest

from benchmarks import processes


@pytest.mark.benchmark(group="start-up")
@pytest.mark.parametrize("command", [processes.PASS, processes.HELP], ids=["python -c pass", "--help"])
def test_start_up(benchmark, command):
    assert benchmark.pedantic(processes.seconds, (command,), rounds=5) > 0
