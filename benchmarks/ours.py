"""Our sides, and the inputs of all sides. Each side says how many hits it saw."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from time import process_time

from msgspec import Struct, json

from benchmarks.peers import Request
from tyk_endpoint_stats import Aggregator, Consumer, Record, open_store
from tyk_endpoint_stats.core.batch import EVERYONE, Batch
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT
from tyk_endpoint_stats.core.instants import to_datetime
from tyk_endpoint_stats.core.record import Latency
from tyk_endpoint_stats.demo import Traffic
from tyk_endpoint_stats.ingest.batch_builder import Wanted
from tyk_endpoint_stats.ingest.worker_pool import WorkerPool
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.stores.base import Store

BLOCK_BYTES = 256 * 2**10
BATCH_STATES = 50_000
KEY = "busiest"
FIRST_DAY, LAST_DAY = date(2026, 1, 1), date(2026, 12, 31)
_DAY_US = 86_400_000_000
START_US = (FIRST_DAY - date(1970, 1, 1)).days * _DAY_US
_KEYS = [KEY, *(f"key-{number}" for number in range(19))]


class Shape(Struct, frozen=True):
    """How records are spread.

    Attributes:
        days: over so many days.
        keys: over so many API keys.
        clients: over so many OAuth clients.
    """

    days: float
    keys: int = 200
    clients: int = 20


SHAPES = {
    "sparse": Shape(30.0),
    "one day": Shape(1.0),
    "dense": Shape(1 / 24),
    "20,000 keys": Shape(10.0, keys=20_000, clients=5_000),
    "100,000 keys": Shape(10.0, keys=100_000, clients=5_000),
}
"""From many records to a state to nearly every one a state of its own, and as many consumers as a large gateway has."""

decode = json.Decoder(Record).decode_lines


def write_records(path: Path, records: int, shape: str, full: bool) -> Path:
    """A file of demo traffic; a tiny one has no more keys than records, which take longest to make."""
    spread = SHAPES[shape]
    keys, clients = min(spread.keys, records), min(spread.clients, records)
    with path.open("wb") as out:
        Traffic(records=records, days=spread.days, keys=keys, clients=clients, full=full).write(out)
    return path


def blocks_of(lines: bytes) -> list[bytes]:
    """The lines in blocks, as a source reads them."""
    blocks = []
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + BLOCK_BYTES) + 1 or len(lines)
        blocks.append(lines[start:end])
        start = end
    return blocks


def decode_alone(blocks: list[bytes]) -> int:
    """The limit of Python: records decoded and thrown away."""
    return sum(len(decode(block)) for block in blocks)


def cpu_seconds_to_decode(file: Path) -> float:
    """The processor time of that, for a file whose lines are in memory."""
    blocks = blocks_of(file.read_bytes())
    began = process_time()
    decode_alone(blocks)
    return process_time() - began


def aggregate(blocks: list[list[Record]]) -> int:
    """Decoded records into batches of states."""
    aggregator = Aggregator()
    hits = 0
    for records in blocks:
        aggregator.add(records)
        if len(aggregator) >= BATCH_STATES:
            hits += _counted(aggregator.close())
    return hits + _counted(aggregator.close())


def decode_and_aggregate(blocks: list[bytes]) -> int:
    """Lines into batches of states."""
    aggregator = Aggregator()
    hits = 0
    for block in blocks:
        aggregator.add(decode(block))
        if len(aggregator) >= BATCH_STATES:
            hits += _counted(aggregator.close())
    return hits + _counted(aggregator.close())


def two_processes(file: Path) -> int:
    """A file into batches of states in two processes, as ``ingest --jobs 2`` makes them; they start and end too."""
    piece_bytes = max(1, file.stat().st_size // 4)
    with WorkerPool([FileSource(str(file))], 2, Wanted(), lambda source: None, piece_bytes) as worker_pool:
        return sum(_counted(packed.collected().batch) for packed in worker_pool.batches())


def _counted(batch: Batch) -> int:
    """What was counted; that as many hits stand in everyone's totals is looked at too."""
    everyone = {place for place, (_, kind, _) in enumerate(batch.consumers) if kind == EVERYONE}
    totals = (row.hits for row in batch.totals if row.endpoint == EVERY_ENDPOINT and row.consumer in everyone)
    assert sum(totals) == batch.counts.counted
    return batch.counts.counted


def run_program(*arguments: str) -> None:
    """The program itself, a process of its own."""
    subprocess.run([sys.executable, "-m", "tyk_endpoint_stats", *arguments], check=True, capture_output=True)


def requests(count: int, days: int, endpoints: int = 250) -> Iterator[Request]:
    """Requests in order of time, the last of them on 31 December; one key makes a third of them."""
    rng = Random(7)
    called = [(f"api-{number % 10}", f"/resources/{number}") for number in range(endpoints)]
    key_weights = list(accumulate([10] + [1] * (len(_KEYS) - 1)))
    start_us = START_US + (365 - days) * _DAY_US
    step_us = days * _DAY_US // count
    for first in range(0, count, 1000):
        keys = rng.choices(_KEYS, cum_weights=key_weights, k=1000)
        chosen = rng.choices(called, k=1000)
        codes = rng.choices((200, 201, 404, 500), (90, 4, 4, 2), k=1000)
        for number in range(min(1000, count - first)):
            latency = 1 + int(rng.expovariate(0.02))
            at_us = start_us + (first + number) * step_us
            yield keys[number], at_us, *chosen[number], codes[number], latency, latency * 9 // 10


def write_requests(path: Path, count: int, days: int) -> Path:
    """Requests as CSV."""
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(requests(count, days))
    return path


def fill(url: str, count: int, days: int, endpoints: int = 250) -> Store:
    """A store of the same requests."""
    store = open_store(url)
    store.ingest(
        Record(
            api_key=key,
            timestamp=to_datetime(at_us).isoformat(),
            api_id=api_id,
            path=path,
            response_code=code,
            request_time=latency,
            latency=Latency(latency, upstream),
        )
        for key, at_us, api_id, path, code, latency, upstream in requests(count, days, endpoints)
    )
    return store


def ask(store: Store, days: int, zone: str = "UTC") -> int:
    """The question: the busiest key, the last ``days`` days; all hits of its answer."""
    first = LAST_DAY - timedelta(days=days - 1)
    rows = store.endpoints(Consumer.key(KEY), first, LAST_DAY, zone=zone, distributions=False)
    return sum(row.hits for row in rows)
