"""What is rejected is on disk before its batch counts: afterwards nobody reads those lines again."""

import signal
import subprocess
import sys

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.maintenance.verify import verify

pytestmark = pytest.mark.slow

GOOD = b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'
BAD = b"{half a line\n"

# The process is killed at the moment at which a merge has become durable, with nothing flushed for it.
KILLED_AFTER_ITS_MERGE = """
import os, signal, sys
from msgspec.structs import replace
from tyk_endpoint_stats.ingest import loop, parallel
from tyk_endpoint_stats.cli.program import program
from tyk_endpoint_stats.stores.sqlite.store import SQLiteStore

twin, jobs, folder = sys.argv[1:]
parallel.WORTH_BYTES = 0
real_merge, real_merge_collected = SQLiteStore.merge, loop.merge_collected

def merge(store, batch):
    merged = real_merge(store, batch)
    os.kill(os.getpid(), signal.SIGKILL)
    return merged

SQLiteStore.merge = merge

if twin == "afterwards":
    def merge_first(store, collected, report, options):
        merged = real_merge_collected(store, collected, report, replace(options, on_rejected=None))
        options.on_rejected(collected.rejected)
        return merged
    loop.merge_collected = merge_first
if twin == "buffered":
    import tyk_endpoint_stats.cli.ingest as command
    real_appending = command._appending
    def appending(path):
        file = real_appending(path)
        class Buffered:
            def __getattr__(self, name):
                return getattr(file, name)
            def flush(self):
                pass
        return Buffered()
    command._appending = appending
program(["ingest", "--store", f"sqlite:///{folder}/stats.db", "--jobs", jobs, "--rejects", f"{folder}/rejects",
         f"{folder}/log"])
"""


def rejects_after_a_kill(folder, twin="", jobs=1):
    """What is in the rejects' file after an ingest that was killed behind its merge, and after the next one."""
    (folder / "log").write_bytes(GOOD + BAD + GOOD)
    command = [sys.executable, "-c", KILLED_AFTER_ITS_MERGE, twin, str(jobs), str(folder)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    again = [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", f"sqlite:///{folder}/stats.db"]
    again += ["--rejects", str(folder / "rejects"), str(folder / "log")]
    subprocess.run(again, check=True, capture_output=True)
    with open_store(f"sqlite:///{folder}/stats.db") as store:
        (progress,) = store.sources()
        assert (progress.counts.counted, sum(progress.counts.malformed.values())) == (2, 1)
        assert verify(store).problems == []
    return (folder / "rejects").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_behind_the_merge_loses_no_rejected_line(tmp_path, jobs):
    assert rejects_after_a_kill(tmp_path, jobs=jobs) == BAD


@pytest.mark.parametrize("twin", ["afterwards", "buffered"])
def test_that_catches_lines_that_are_kept_too_late(tmp_path, twin):
    """The broken twins: one tells of them behind the merge, the other leaves them in a buffer."""
    assert rejects_after_a_kill(tmp_path, twin) == b""
