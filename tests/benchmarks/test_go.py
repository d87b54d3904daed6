"""``benchmarks/states.go`` counts what the others count: a peer that is wrong would be no peer."""

import os
import shutil

import pytest

from benchmarks import peers
from tyk_endpoint_stats.demo import Traffic

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Built by a Go that is on the PATH or where its installer puts it; without one this fails."""
    folder = tmp_path_factory.mktemp("go")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{os.environ['PATH']}:/usr/local/go/bin")
        assert shutil.which("go"), "there is no Go (apt install golang-go)"
        built = peers.go_program(folder)
    assert built is not None
    return built


@pytest.mark.parametrize("full", [True, False])
def test_the_program_in_go_counts_as_duckdb_does(program, tmp_path, full):
    file = tmp_path / "records.jsonl"
    with file.open("wb") as out:
        Traffic(records=2_000, full=full).write(out)
    counted = peers.go_states(program, file)
    assert counted == peers.duckdb_count(file)
    assert 1_800 < counted < 2_000


def test_a_record_less_is_a_hit_less(program, tmp_path):
    line = '{"api_key":"k","path":"/a","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'
    tcp = line.replace("200", "-1")
    file = tmp_path / "records.jsonl"
    for text, hits in ((line * 3, 3), (line * 2 + tcp, 2), (tcp, 0)):
        file.write_text(text)
        assert peers.go_states(program, file) == hits
