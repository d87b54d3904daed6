"""The memory store sits the same exam as every other."""

from pathlib import Path

import pytest

from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)


class TestMemoryStore(CopyableConformance, RetainingConformance, VersionedConformance, WholeBatchReadsConformance):
    max_examples = 25

    def open_store(self, place: Path) -> MemoryStore:
        return MemoryStore()


@pytest.mark.torture
class TestMemoryStoreInAll(TestMemoryStore):
    max_examples, merges = 200, 200
