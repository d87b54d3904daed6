"""Memory stays bounded for long names and for many different cells too, not only for many records."""

import re
import subprocess
import sys

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.maintenance.verify import verify

MAX_MB = 256
REST = '"response_code":200,"timestamp":"2026-10-13T10:00:00Z"'


def giant_paths():
    """As long as a line may be: they are cut and hashed, but have to be read first."""
    for number in range(11):
        yield f'{{"path":"/{number}{"x" * (16 * 2**20 - 200)}","api_key":"k",{REST}}}\n'


def long_paths():
    for number in range(48_000):
        yield f'{{"path":"/{number:06}{"x" * 3_900}","api_key":"k",{REST}}}\n'


def long_identities():
    name = "n" * 250
    for number in range(40_000):
        key = f"{number:06}{'k' * 500}"
        ids = f'"api_key":"{key}","oauth_id":"o{key[:-1]}"'
        yield f'{{"path":"/a",{ids},"alias":"{name}","api_name":"{name}",{REST}}}\n'


def many_cells():
    """Each with a response code of its own, all in one quarter hour of one identity."""
    for number in range(1_900_000):
        yield f'{{"path":"/a","api_key":"k","response_code":{number},"timestamp":"2026-10-13T10:00:00Z"}}\n'


def peak_mb(folder, lines, twin="", jobs=1):
    """The most memory that an ingest of these lines had, it and its workers each; of an ingest that counted all."""
    number = 0
    with (folder / "log").open("w") as file:
        for line in lines:
            number += 1
            file.write(line)
    code = twin + (
        "import re, resource, runpy, sys\n"
        "sys.argv = ['tyk-endpoint-stats', *sys.argv[1:]]\n"
        "try: runpy.run_module('tyk_endpoint_stats', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(re.search('VmHWM:\\\\s*([0-9]+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, "ingest", "--store", "sqlite:///s.db", "--jobs", str(jobs), "log"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"counted +([0-9,]+)", done.stdout)[1].replace(",", "")) == number
    peak = max(int(text) for text in done.stderr.split()[-2:]) / 1024
    print(f"\n{number:,} records: {peak:.0f} MB")
    with open_store(f"sqlite:///{folder}/s.db") as store:
        assert verify(store).problems == []
    return peak


@pytest.mark.torture
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("lines", [giant_paths, long_paths, long_identities, many_cells])
def test_bytes_of_names_and_cells_do_not_fill_the_memory(tmp_path, lines, jobs):
    assert peak_mb(tmp_path, lines(), jobs=jobs) < MAX_MB


ENDLESS = (
    "from tyk_endpoint_stats.ingest.batch_builder import Limits\n"
    "from tyk_endpoint_stats.ingest.options import IngestOptions, Wanted\n"
    "IngestOptions.wanted = lambda options, states: Wanted(limits=Limits(held_bytes=2**60, seconds=1e9))\n"
)


@pytest.mark.torture
def test_that_catches_batches_that_are_bounded_in_states_alone(tmp_path):
    """The broken twin."""
    assert peak_mb(tmp_path, long_paths(), ENDLESS) > MAX_MB
