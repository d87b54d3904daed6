"""How fast do decoded records become states?"""

import pytest

from benchmarks import ours


@pytest.mark.benchmark(group="aggregating alone")
def test_aggregate(benchmark, file, counted):
    blocks = [ours.decode(block) for block in ours.blocks_of(file.read_bytes())]
    assert benchmark(ours.aggregate, blocks) == counted
