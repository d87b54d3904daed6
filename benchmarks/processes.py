"""Whole processes: how long they take and how much memory, measured from outside."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = (sys.executable, "-m", "tyk_endpoint_stats")
PASS = (sys.executable, "-c", "pass")
HELP = (*PROGRAM, "--help")

_DUCKDB = """
import sys
from pathlib import Path
from benchmarks.peers import grouped
import duckdb
connection = duckdb.connect(sys.argv[2])
connection.execute(f"CREATE TABLE quarters AS {grouped(Path(sys.argv[1]), sys.argv[3] == 'True')}")
connection.close()
"""
_WATCHER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
"""
_ROOT = Path(__file__).parent.parent


def ingest(file: Path | str, database: Path, *more: str) -> tuple[str, ...]:
    """The command that ingests a file into SQLite."""
    return (*PROGRAM, "ingest", "--store", f"sqlite:///{database}", *more, str(file))


def duckdb_into_table(file: Path, database: Path, distributions: bool) -> tuple[str, ...]:
    """The command that makes a table of the same states with DuckDB."""
    return (sys.executable, "-c", _DUCKDB, str(file), str(database), str(distributions))


def seconds(command: Sequence[str]) -> float:
    """How long a process runs."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=_ROOT)
    return time.perf_counter() - began


def peak_mib(command: Sequence[str], stdin: Sequence[str] | None = None) -> float:
    """The most memory that a process (of several: the largest) had, fed by another one if there is one."""
    return _watched(command, stdin)[0] / 1024


def cpu_seconds(command: Sequence[str]) -> float:
    """The processor time of a process and of those it waited for: what else runs on the machine disturbs it little."""
    return _watched(command)[1]


def _watched(command: Sequence[str], stdin: Sequence[str] | None = None) -> tuple[int, float]:
    """The most memory, in KiB, and the seconds of processors."""
    feeder = None if stdin is None else subprocess.Popen(stdin, stdout=subprocess.PIPE, cwd=_ROOT)
    given = subprocess.DEVNULL if feeder is None else feeder.stdout
    # Not this process's own children: until they run their program they count as large as this one.
    watched = (sys.executable, "-c", _WATCHER, *command)
    answer = subprocess.run(watched, check=True, stdin=given, capture_output=True, text=True, cwd=_ROOT).stdout
    if feeder is not None:
        assert feeder.stdout is not None
        feeder.stdout.close()
        assert feeder.wait() == 0, stdin
    peak, cpu = answer.split()
    return int(peak), float(cpu)
