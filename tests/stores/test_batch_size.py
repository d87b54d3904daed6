"""A store that wants small batches gets them."""

from pathlib import Path

from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.opening import open_sources
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import hit


class ModestStore(MemoryStore):
    max_states_a_batch = 100

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def merge(self, batch: Batch) -> bool:
        self.sizes.append(len(batch.rows))
        return super().merge(batch)


def test_an_ingest_ends_its_batches_where_the_store_asks_it_to(tmp_path: Path) -> None:
    records = [hit(path=f"/{number}") for number in range(3000)]
    store = ModestStore()
    ingest(store, records)
    assert store.sizes == [1000, 1000, 1000]  # looked at after every 1,000 records
    big = MemoryStore()
    assert ingest(big, records).batches == 1


def test_so_does_an_ingest_of_several_sources(tmp_path: Path) -> None:
    line = b'{"path":"/%d","api_key":"k","response_code":200,"timestamp":"2020-10-13T10:00:00Z"}\n'
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"".join(line % number for number in range(6_000)))
    store = ModestStore()
    ((report, problem),) = ingest_all(store, open_sources(str(file)))
    assert (report.counts.counted, problem) == (6_000, None)
    assert len(store.sizes) > 1
