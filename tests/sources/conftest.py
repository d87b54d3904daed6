import json
import subprocess
import sys
from pathlib import Path

import pytest

from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.sources.files import open_files
from tyk_endpoint_stats.stores.base import Store

FOREVER = 10**9


def make_line(path: str = "/a", **members: object) -> bytes:
    """A record's line as the gateway writes it, with what matters and a body that does not."""
    record = {
        "method": "GET",
        "path": path,
        "response_code": 200,
        "api_key": "k",
        "timestamp": "2020-10-13T10:00:00Z",
        "api_name": "API",
        "api_id": "a",
        "org_id": "o",
        "oauth_id": "",
        "request_time": 5,
        "raw_request": "R0VUIC8=",
        "latency": {"total": 5, "upstream": 4, "gateway": 1},
        "alias": "",
        "track_path": False,
    } | members
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def take(store: Store, *files: Path | str) -> IngestReport:
    """Ingest files, in the order given; the report is the sum."""
    total = IngestReport("all")
    for file in files:
        for source in open_files(f"file://{file}"):
            report = store.ingest(source)
            total.counts.merge(report.counts)
            total.duplicate += report.duplicate
            total.batches += report.batches
            total.named += report.named
    return total


def read_states(store: Store) -> dict[tuple[object, ...], object]:
    """Every state of a store, in either width."""
    states = {}
    for width in Width:
        selection = Selection((Span(width, -FOREVER, FOREVER),), frozenset(Dimension))
        for group, stats in store.read(selection):
            states[group.consumer, group.endpoint, group.bucket] = stats
    return states


def read_hits(store: Store) -> dict[str, int]:
    """Hits by path."""
    hits: dict[str, int] = {}
    selection = Selection((Span(Width.DAY, -FOREVER, FOREVER),), frozenset({Dimension.ENDPOINT}))
    for group, stats in store.read(selection):
        assert group.endpoint is not None
        hits[group.endpoint.path] = hits.get(group.endpoint.path, 0) + stats.hits
    return hits


def balanced(counts: Counts) -> bool:
    """Whether every record read is accounted for."""
    return counts.read == counts.counted + sum(counts.skipped.values()) + sum(counts.malformed.values())


INGEST = """
import re, sys
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.memory import MemoryStore
def most_kib():  # not ru_maxrss, which a new process inherits from the process that started it
    return int(re.search("VmHWM:\\\\s*([0-9]+)", open("/proc/self/status").read())[1])
before = most_kib()
with MemoryStore() as store:
    report = store.ingest(FileSource(sys.argv[1]))
grown = (most_kib() - before) // 1024
print(report.counts.read, report.counts.counted, sum(report.counts.malformed.values()), grown)
"""


def ingest_apart(file: Path) -> tuple[int, ...]:
    """Records read, counted and malformed, and how many MiB a process grew by that."""
    done = subprocess.run([sys.executable, "-c", INGEST, file], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


class Kit:
    """What the tests of sources share."""

    make_line = staticmethod(make_line)
    take = staticmethod(take)
    read_states = staticmethod(read_states)
    read_hits = staticmethod(read_hits)
    balanced = staticmethod(balanced)
    ingest_apart = staticmethod(ingest_apart)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit
