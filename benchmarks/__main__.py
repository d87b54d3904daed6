"""``python -m benchmarks``: the goals, and where they stand on this machine."""

import argparse
import sqlite3
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec
import polars

from benchmarks.goals import Goal, Size, measured

_QUICK = Size(records=30_000, requests=100_000, overview=30_000, piped=50_000, rounds=3)
_FULL = Size(records=300_000, requests=2_000_000, overview=1_000_000, piped=10_000_000, rounds=5)


def main() -> None:
    """Measure, and print a line for each goal as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="smaller inputs, in a minute; some goals need large ones"
    )
    parser.add_argument("--requests", type=int, help="requests behind the questions")
    arguments = parser.parse_args()
    size = _QUICK if arguments.quick else _FULL
    if arguments.requests:
        size = msgspec.structs.replace(size, requests=arguments.requests)
    began = time.monotonic()
    print(
        f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, msgspec {msgspec.__version__}, "
        f"DuckDB {duckdb.__version__}, Polars {polars.__version__}; {size.records:,} records a file\n"
    )
    print("| question | today | goal | |\n|---|---|---|---|")
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        for goal in measured(Path(folder), size):
            print(_line(goal), flush=True)
    print(f"\n{time.monotonic() - began:.0f} s")


def _line(goal: Goal) -> str:
    wanted = "–"
    if goal.least is not None:
        wanted = f"≥ {goal.least:g} {goal.unit}"
    elif goal.most is not None:
        wanted = f"≤ {goal.most:.3g} {goal.unit}"
    said = {True: "met", False: "not met", None: ""}[goal.is_met]
    return f"| {goal.question} | {goal.value:.3g} {goal.unit} | {wanted} | {said} |"


main()
