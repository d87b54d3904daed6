"""The goals, one after the other: sides are measured in turns, and what is said is the median of the ratios."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from msgspec import Struct

from benchmarks import ours, peers, processes
from benchmarks.served import OVERVIEW, TARGET, V1_TARGET, check_overview, served
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.demo import Traffic

__all__ = ["Goal", "Size", "measured"]

_MONTH_START_US = ours.START_US + 335 * 86_400_000_000
_MANY_KEYS = {"20,000 keys": 9.0, "100,000 keys": 18.0}
"""How many times the processor time of decoding alone a file into SQLite may take."""
_YEAR_END_US = ours.START_US + 365 * 86_400_000_000


class Size(Struct, frozen=True):
    """How much is measured.

    Attributes:
        records: in a file.
        requests: behind a question.
        overview: records behind an overview.
        piped: records through a pipe, for the memory.
        rounds: of turns.
    """

    records: int
    requests: int
    overview: int
    piped: int
    rounds: int


class Goal(Struct, frozen=True):
    """A question, where it stands, and where it should.

    Attributes:
        question: what is compared with what.
        value: the figure.
        unit: ``×`` for a ratio.
        least, most: the bound that is a goal; ``None``: the figure is for comparison.
    """

    question: str
    value: float
    unit: str = "×"
    least: float | None = None
    most: float | None = None

    @property
    def is_met(self) -> bool | None:
        """``None``: nothing was promised."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


Side = Callable[[], Any]


def in_turns(sides: Mapping[str, Side], rounds: int, expected: int | None = None) -> dict[str, list[float]]:
    """Seconds of each side, round by round; a side that counts other hits than ``expected`` is an error."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            began = perf_counter()
            found = side()
            seconds[name].append(perf_counter() - began)
            if expected is not None and found != expected:
                raise AssertionError(f"{name}: {found} hits, but {expected} are right")
    return seconds


def ratio(seconds: Mapping[str, list[float]], other: str, mine: str) -> float:
    """How many times as fast ``mine`` is as ``other``: the median over the rounds."""
    return median(theirs / own for theirs, own in zip(seconds[other], seconds[mine], strict=True))


def measured(folder: Path, size: Size) -> Iterator[Goal]:
    """Every goal, as soon as it is measured. Files go into ``folder``."""
    go = peers.go_program(folder)
    for shape in ours.SHAPES:
        for form in ("full",) if shape in _MANY_KEYS else ("full", "lean"):
            file = ours.write_records(folder / "records.jsonl", size.records, shape, form == "full")
            yield from _states(file, f"{form}, {shape}", form == "full", shape in _MANY_KEYS, size.rounds, go)
            if form == "full":
                yield from _into_a_database(file, folder, shape, size)
            file.unlink()
    yield from _overview(folder, size)
    yield from _questions(folder, size)
    yield from _start_up(size.rounds)
    yield from _memory(folder, size.piped)


def _states(file: Path, what: str, full: bool, many: bool, rounds: int, go: Path | None) -> Iterator[Goal]:
    lines = file.read_bytes()
    hits = peers.duckdb_count(file)
    blocks = ours.blocks_of(lines)
    decoded = [ours.decode(block) for block in blocks]
    sides = {
        "ours": lambda: ours.decode_and_aggregate(blocks),
        "ours, two processes": lambda: ours.two_processes(file),
        "decoding": lambda: ours.decode_alone(blocks) and hits,  # it knows of records alone
        "aggregating": lambda: ours.aggregate(decoded),
        "duckdb 1": lambda: peers.duckdb_states(file, 1),
        "duckdb 2": lambda: peers.duckdb_states(file, 2),
        "duckdb, same contents": lambda: peers.duckdb_states(file, 2, distributions=True),
        "polars": lambda: peers.polars_states(file),
        "python": lambda: peers.plain_python(lines),
    }
    if go is not None:
        sides["go"] = lambda: peers.go_states(go, file)
    seconds = in_turns(sides, rounds, hits)
    yield Goal(
        f"lines into states, one process, to decoding alone ({what})",
        ratio(seconds, "decoding", "ours"),
        least=0.4 if full and not many else None,
    )
    yield Goal(f"… aggregating alone, to decoding alone ({what})", ratio(seconds, "decoding", "aggregating"))
    yield Goal(f"… to plain Python ({what})", ratio(seconds, "python", "ours"), least=None if many else 5)
    if go is not None:
        least = 2.5 if full and not many else None
        yield Goal(
            f"… to a program in Go, with its own library ({what})", ratio(seconds, "go", "ours"), least=least
        )
    yield Goal(f"… to DuckDB, sums alone, 1 thread ({what})", ratio(seconds, "duckdb 1", "ours"))
    yield Goal(f"… to DuckDB, sums alone, 2 threads ({what})", ratio(seconds, "duckdb 2", "ours"))
    yield Goal(
        f"… to DuckDB, the same contents, 2 threads ({what})", ratio(seconds, "duckdb, same contents", "ours")
    )
    yield Goal(f"… to Polars, sums alone ({what})", ratio(seconds, "polars", "ours"))
    yield Goal(
        f"lines into states, two processes, to DuckDB, sums alone, 2 threads ({what})",
        ratio(seconds, "duckdb 2", "ours, two processes"),
        least=0.6 if full and not many else None,
    )
    yield Goal(f"… to one process ({what})", ratio(seconds, "ours", "ours, two processes"))


def _into_a_database(file: Path, folder: Path, shape: str, size: Size) -> Iterator[Goal]:
    number = 0

    def new_path() -> Path:
        nonlocal number
        number += 1
        return folder / f"{shape} {number}.db"

    seconds = in_turns(
        {
            "ours": lambda: processes.seconds(processes.ingest(file, new_path())),
            "ours, one process": lambda: processes.seconds(processes.ingest(file, new_path(), "--jobs", "1")),
            "duckdb": lambda: processes.seconds(processes.duckdb_into_table(file, new_path(), False)),
            "same contents": lambda: processes.seconds(processes.duckdb_into_table(file, new_path(), True)),
        },
        size.rounds,
    )
    what = f"whole processes, all cores, full, {shape}"
    yield Goal(
        f"file into SQLite to DuckDB's table of sums ({what})",
        ratio(seconds, "duckdb", "ours"),
        least=0.5 if shape == "one day" else None,
    )
    yield Goal(f"… to DuckDB's table of the same contents ({what})", ratio(seconds, "same contents", "ours"))
    yield Goal(f"… with all cores to with one ({what})", ratio(seconds, "ours, one process", "ours"))
    peak = processes.peak_mib
    path = new_path()
    memory = peak(processes.ingest(file, path)) / peak(processes.duckdb_into_table(file, new_path(), False))
    yield Goal(f"… the memory of its process, to DuckDB's (full, {shape})", memory, most=0.25)
    bytes_a_record = path.stat().st_size / size.records
    most = 150 if shape == "20,000 keys" else None
    yield Goal(f"… the size of the store ({shape})", bytes_a_record, "bytes a record", most=most)
    times = median(
        processes.cpu_seconds(processes.ingest(file, new_path(), "--jobs", "1")) / ours.cpu_seconds_to_decode(file)
        for _ in range(size.rounds)
    )
    yield Goal(f"… its processor time to that of decoding alone (full, {shape})", times, most=_MANY_KEYS.get(shape))


def _overview(folder: Path, size: Size) -> Iterator[Goal]:
    """What a page asks first, of a store that was just opened and a server that has no answer yet."""
    url = f"sqlite:///{folder}/overview.db"
    with open_store(url) as store:
        counted = store.ingest(
            Traffic(records=size.overview, days=30.5, keys=4_500, clients=500).decoded()
        ).counts.counted
    for zone in ("UTC", "Asia/Kolkata"):
        seconds: dict[str, list[float]] = {name: [] for name in OVERVIEW}
        for _ in range(size.rounds):
            with open_store(url) as store, served(store) as server:
                for name, target in OVERVIEW.items():
                    began = perf_counter()
                    body = server.ask(target + zone)
                    seconds[name].append(perf_counter() - began)
                    check_overview(name, body, counted, zone)
        for name, all_taken in seconds.items():
            what = f"overview of a month over HTTP, nothing kept, 5,000 consumers, {size.overview:,} records"
            yield Goal(f"{what}: {name}, {zone}", median(all_taken) * 1000, "ms", most=150)


def _questions(folder: Path, size: Size) -> Iterator[Goal]:
    rows = ours.write_requests(folder / "requests.csv", size.requests, 30)
    raw = peers.sqlite_requests(folder / "requests.db", ours.requests(size.requests, 30))
    columns = peers.duckdb_requests(folder / "requests.duckdb", rows)
    span = (ours.KEY, _MONTH_START_US, _YEAR_END_US)
    urls = [f"sqlite:///{folder}/{name}" for name in ("month.db", "small.db", "year.db")]
    with (
        ours.fill(urls[0], size.requests, 30) as month,
        ours.fill(urls[1], size.requests // 10, 30) as small,
        ours.fill(urls[2], size.requests, 365) as year,
    ):
        sides = {
            "month": lambda: ours.ask(month, 30),
            "rows": lambda: peers.ask(raw, *span),
            "columns": lambda: peers.ask(columns, *span),
        }
        seconds = in_turns(sides, size.rounds * 3, peers.ask(raw, *span))
        sides = {
            "month in a zone": lambda: ours.ask(month, 30, "Asia/Karachi"),
            "large": lambda: ours.ask(month, 30),  # not beside rows, whose reading leaves it a cold processor
            "small": lambda: ours.ask(small, 30),
            "month of the year": lambda: ours.ask(year, 30),
            "year": lambda: ours.ask(year, 365),
        }
        seconds |= in_turns(sides, size.rounds * 3)
        raw.close()
        columns.close()
        what = f"busiest key, 250 endpoints, 30 days, {size.requests:,} requests"
        yield Goal(f"question to rows with an index in SQLite ({what})", ratio(seconds, "rows", "month"), least=400)
        yield Goal(f"… to DuckDB's columns ({what})", ratio(seconds, "columns", "month"), least=8)
        yield Goal(f"… in +05:00, to rows ({what})", ratio(seconds, "rows", "month in a zone"))
        yield Goal("… its time to that with a tenth of the requests", ratio(seconds, "large", "small"), most=1.25)
        yield Goal("… a year's time to 30 days' of it", ratio(seconds, "year", "month of the year"), most=12)
    with ours.fill(f"sqlite:///{folder}/fifty.db", 50_000, 30, endpoints=50) as fifty, served(fifty) as server:
        sides = {"in process": lambda: ours.ask(fifty, 30), "over HTTP": lambda: len(server.ask())}
        turns = in_turns(sides, 200)
        added = median(turns["over HTTP"]) - median(turns["in process"])
        yield Goal("what HTTP adds at the median, 50 rows, kept answer", added * 1000, "ms", most=1)
        for path, target in (("Tyk's route", TARGET), ("/v1", V1_TARGET)):
            rate = server.answers_a_second(2, target)
            yield Goal(f"repeated answers of {path} over 8 connections", rate, "/s", least=2000)


def _start_up(rounds: int) -> Iterator[Goal]:
    sides = {"pass": lambda: processes.seconds(processes.PASS), "help": lambda: processes.seconds(processes.HELP)}
    yield Goal("--help to python -c pass", ratio(in_turns(sides, rounds * 3), "help", "pass"), most=8)


def _memory(folder: Path, piped: int) -> Iterator[Goal]:
    demo = (*processes.PROGRAM, "demo", "--records", str(piped), "--lean")
    peak = processes.peak_mib(processes.ingest("-", folder / "piped.db"), demo)
    yield Goal(f"memory of an ingest of {piped:,} records from a pipe", peak, "MiB", most=256)
