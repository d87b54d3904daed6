"""``kill -9`` during an ingest, and several processes at the same file: in the end every record counts once."""

import gzip
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.children import in_child
from tyk_endpoint_stats import open_store, read_records
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.ingest import parallel
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.sources.files import open_files

pytestmark = pytest.mark.slow

RECORDS = 4_000


def ingest(dots, url, files, jobs, broken):
    """Batches are small, so that there are many moments to die at; a dot is written after every one."""
    os.setsid()
    parallel.WORTH_BYTES, parallel._LEAST_PIECE_BYTES = 0, 2**17  # of this process alone
    with open_store(url) as store:
        merge = store.merge

        def told(batch):
            if broken:
                batch.source = None  # the broken twin: at least once
            merged = merge(batch)
            os.write(dots, b".")
            return merged

        store.merge = told
        sources = [source for file in files for source in open_files(f"file://{file}")]
        options = IngestOptions(limits=Limits(states=150))
        for _report, problem in parallel.ingest_all(store, sources, options, jobs=jobs):
            if problem:
                raise problem


class Ingesting:
    """An ingest in a forked process and a process group of its own."""

    def __init__(self, url, *files, jobs=1, broken=False):
        reading, writing = os.pipe()
        self.pid = in_child(lambda: ingest(writing, url, files, jobs, broken))
        os.close(writing)
        self.dots = os.fdopen(reading, "rb", buffering=0)

    def end(self):
        """How many batches it still merged; it must end well."""
        with self.dots:
            merged = len(self.dots.read())
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == 0
        return merged

    def kill_after(self, batches):
        """Kill it when it has merged so many; whether it was still there."""
        with self.dots:
            while batches and self.dots.read(1):
                batches -= 1
            os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == -signal.SIGKILL


def run(url, *files, **how):
    return Ingesting(url, *files, **how).end()


def has_ended(group, deadline_s=20):
    """Whether every process of a group ends by itself."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def all_of(width):
    return Selection((Span(width, -(10**8), 10**8),), frozenset(Dimension))


def states_of(store):
    """Every state in either width, and the names."""
    return dict([*store.read(all_of(Width.QUARTER_HOUR)), *store.read(all_of(Width.DAY))])


def assert_whole(url):
    """What a kill left behind is whole batches: days are quarters, and hits are what was counted."""
    with open_store(url) as store:
        days, quarters = (sum(stats.hits for _, stats in store.read(all_of(width))) for width in Width)
        counted = sum(one.counts.counted for one in store.sources())
    assert days == quarters
    assert counted <= days <= 2 * counted, "a hit of a key and a client is in both"


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    """A file, its packed copy, and the states that one pass over it gives."""
    folder = tmp_path_factory.mktemp("traffic")
    plain, packed = folder / "log", folder / "log.gz"
    with plain.open("wb") as out:
        Traffic(records=RECORDS, full=False, seed=3).write(out)
    packed.write_bytes(gzip.compress(plain.read_bytes(), 1))
    with open_store("memory://") as store:
        store.ingest(read_records(plain))
        return plain, packed, states_of(store)


def killed_again_and_again(url, file, randomness, kills, **how):
    """An ingest that is killed, begun anew, killed … and left in peace at last."""
    hit = 0
    open_store(url).close()  # what a new store needs is imported here, and not by each that is killed
    for _ in range(kills):
        process = Ingesting(url, file, **how)
        hit += process.kill_after(1 + randomness.randrange(5))
        assert has_ended(process.pid), "a process that decodes outlives the one that merges"
        if not how.get("broken"):
            assert_whole(url)
    run(url, file, **how)
    assert hit, "no kill came in time"
    with open_store(url) as store:
        return states_of(store)


@pytest.mark.parametrize(("jobs", "name"), [(1, "plain"), (2, "plain"), (2, "packed")])
@pytest.mark.parametrize("kills", [1, pytest.param(60, marks=pytest.mark.torture)])
def test_an_ingest_that_is_killed_and_run_again_counts_every_record_once(
    tmp_path, traffic, seed, jobs, name, kills
):
    file = traffic[name == "packed"]
    url = f"sqlite:///{tmp_path}/stats.db"
    randomness = random.Random(f"{seed} {jobs} {name}")
    assert killed_again_and_again(url, file, randomness, kills, jobs=jobs) == traffic[2]
    assert run(url, file) == 0, "nothing is new any more"


def test_an_ingest_without_positions_is_found_out(tmp_path, traffic, seed):
    url = f"sqlite:///{tmp_path}/stats.db"
    assert killed_again_and_again(url, traffic[0], random.Random(seed), 1, broken=True) != traffic[2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_at_one_file_at_once_plain_and_packed_count_every_record_once(tmp_path, traffic, jobs):
    plain, packed, whole = traffic
    url = f"sqlite:///{tmp_path}/stats.db"
    open_store(url).close()
    (tmp_path / "renamed").write_bytes(plain.read_bytes())
    groups = [(plain,), (packed,), (tmp_path / "renamed", packed), (plain, plain)]
    processes = [Ingesting(url, *files, jobs=jobs) for files in groups]
    assert sum([process.end() for process in processes]) > 3
    with open_store(url) as store:
        assert states_of(store) == whole
        (progress,) = store.sources()
        assert progress.counts.read == RECORDS
        assert progress.counts.counted + sum(progress.counts.skipped.values()) == RECORDS


def test_two_ingests_of_one_file_at_once_both_end_well(tmp_path, traffic):
    plain, packed, whole = traffic
    url = f"sqlite:///{tmp_path}/stats.db"
    command = [sys.executable, "-m", "tyk_endpoint_stats", "ingest", "--store", url]
    processes = [subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE) for file in (plain, packed)]
    for process in processes:
        process.communicate(timeout=100)
        assert process.returncode == 0
    with open_store(url) as store:
        assert states_of(store) == whole
