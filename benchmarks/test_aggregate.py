"""How fast do records become states?"""

from pathlib import Path

import msgspec
import pytest

from tyk_endpoint_stats import Aggregator, Record
from tyk_endpoint_stats.core.selection import Batch
from tyk_endpoint_stats.ingest import IngestReport
from tyk_endpoint_stats.sources.files import read_records
from tyk_endpoint_stats.stores.memory import MemoryStore


def hits(batch: Batch) -> int:
    """Of keys, in days: what both widths have."""
    return sum(
        stats.hits
        for bucket, states in batch.states.items()
        if bucket.width == "day"
        for series, stats in states.items()
        if series[1] == "key"
    )


@pytest.fixture(scope="module")
def lines(file: Path) -> bytes:
    return file.read_bytes()


@pytest.mark.benchmark(group="decode alone: the limit")
def test_decode(benchmark, lines, scale):
    decode = msgspec.json.Decoder(Record).decode_lines
    assert len(benchmark(decode, lines)) == scale


@pytest.mark.benchmark(group="records into states")
def test_aggregate(benchmark, lines, counted, scale):
    records = msgspec.json.Decoder(Record).decode_lines(lines)

    def aggregate() -> Batch:
        aggregator = Aggregator()
        aggregator.add(records)
        return aggregator.close()

    batch = benchmark(aggregate)
    assert batch.counts.read == scale
    assert hits(batch) == batch.counts.counted == counted


@pytest.mark.benchmark(group="lines into states")
def test_decode_and_aggregate(benchmark, lines, counted):
    decode = msgspec.json.Decoder(Record).decode_lines

    def aggregate() -> Batch:
        aggregator = Aggregator()
        aggregator.add(decode(lines))
        return aggregator.close()

    assert hits(benchmark(aggregate)) == counted


@pytest.mark.benchmark(group="lines into states")
def test_file_into_memory_store(benchmark, file, counted):
    def ingest() -> IngestReport:
        with MemoryStore() as store:
            return store.ingest(read_records(file))

    assert benchmark(ingest).counts.counted == counted
