"""Exams for stores and sources, generators of records, and a slow reference that is easy to believe.

For whoever writes a store or a source: subclass an exam in your tests, and pytest runs it::

    from pathlib import Path

    from tyk_endpoint_stats.testing import DurableStoreConformance, WholeBatchReadsConformance

    from my_plugin import MyStore

    class TestMyStore(DurableStoreConformance, WholeBatchReadsConformance):
        def open_store(self, place: Path) -> MyStore:
            return MyStore(place / "stats")

Needs pytest and hypothesis, which the rest of the package does without.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"tyk_endpoint_stats.testing.{module}"
        for module in (
            "answers",
            "concurrency",
            "copying",
            "durability",
            "exam",
            "growing",
            "inspection",
            "limits",
            "positions",
            "pruning",
            "reading",
            "retaining",
            "sources",
        )
    )
)

from tyk_endpoint_stats.testing.conformance import (  # noqa: E402 - asserts are rewritten first
    CopyableConformance,
    DurableStoreConformance,
    InspectableConformance,
    ReadableStoreConformance,
    RetainingConformance,
    StoreConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)
from tyk_endpoint_stats.testing.generators import batch_of, hit, records, selections  # noqa: E402
from tyk_endpoint_stats.testing.inspection import Damage  # noqa: E402
from tyk_endpoint_stats.testing.plain import Hit, plain_answer, plain_hits  # noqa: E402
from tyk_endpoint_stats.testing.sources import PeekableSourceConformance, SourceConformance  # noqa: E402

__all__ = [
    "CopyableConformance",
    "Damage",
    "DurableStoreConformance",
    "Hit",
    "InspectableConformance",
    "PeekableSourceConformance",
    "ReadableStoreConformance",
    "RetainingConformance",
    "SourceConformance",
    "StoreConformance",
    "VersionedConformance",
    "WholeBatchReadsConformance",
    "batch_of",
    "hit",
    "plain_answer",
    "plain_hits",
    "records",
    "selections",
]
