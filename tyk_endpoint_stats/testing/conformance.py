"""The exams for stores, put together."""

from tyk_endpoint_stats.testing.answers import AnswersExam
from tyk_endpoint_stats.testing.concurrency import ConcurrencyExam, WholeBatchExam
from tyk_endpoint_stats.testing.copying import CopyingExam
from tyk_endpoint_stats.testing.durability import DurabilityExam
from tyk_endpoint_stats.testing.growing import GrowingExam
from tyk_endpoint_stats.testing.inspection import InspectionExam
from tyk_endpoint_stats.testing.limits import LimitsExam
from tyk_endpoint_stats.testing.positions import PositionsExam
from tyk_endpoint_stats.testing.pruning import PruningExam
from tyk_endpoint_stats.testing.reading import ReadingExam
from tyk_endpoint_stats.testing.retaining import RetainingExam
from tyk_endpoint_stats.testing.versions import VersionExam

__all__ = [
    "CopyableConformance",
    "DurableStoreConformance",
    "InspectableConformance",
    "ReadableStoreConformance",
    "RetainingConformance",
    "StoreConformance",
    "VersionedConformance",
    "WholeBatchReadsConformance",
]


class ReadableStoreConformance(ReadingExam):
    """The exam of stores that only read what others wrote: the reading half of ``StoreConformance``.

    Subclass it as ``Test…``, give ``open_filled``, and say in ``expected`` what the data leaves out::

        class TestMyReader(ReadableStoreConformance):
            def open_filled(self, place: Path, records: Sequence[Record]) -> ReadableStore:
                write_as_they_do(place, records)
                return open_readable_store(f"their-store:///{place}")

            def expected(self, hits: Sequence[Hit], selection: Selection) -> dict[Group, EndpointStats] | None:
                if must_divide_an_hour(hits, selection):
                    return None  # has to raise EdgeInsideBucket
                answer = plain_answer(hits, selection)
                for stats in answer.values():
                    stats.histogram = {}  # they keep none
                return answer
    """


class StoreConformance(ReadingExam, AnswersExam, PositionsExam, ConcurrencyExam, LimitsExam, PruningExam):
    """The exam of every store.

    Subclass it as ``Test…`` in your own tests, and give ``open_store``::

        class TestMyStore(StoreConformance):
            def open_store(self, place: Path) -> Store:
                return open_store(f"mystore://localhost/{place.name}")

            def remove_store(self, place: Path) -> None:  # only if something lies outside of `place`
                drop_database(place.name)

    ``place`` is a directory that exists, is empty at first, and has a name that no other place has. What needs
    a server gets it by a fixture of your own::

            @pytest.fixture(autouse=True)
            def _server(self, my_server: Server) -> None:
                self.url = my_server.url

    A store that outlives its process takes ``DurableStoreConformance`` instead; one whose readers see whole
    batches takes ``WholeBatchReadsConformance``, alone or beside it. ``max_examples`` says how many random
    histories to try.
    """


class DurableStoreConformance(DurabilityExam, StoreConformance):
    """The exam of stores that outlive their process: ``open_store`` of one place gives the same data again."""


class WholeBatchReadsConformance(WholeBatchExam, StoreConformance):
    """The exam of stores whose readers see a batch whole or not at all (``stores.contract.WholeBatchReads``)."""


class VersionedConformance(VersionExam, StoreConformance):
    """The exam of stores that tell whether their answers may have changed (``stores.contract.Versioned``)."""


class CopyableConformance(CopyingExam, GrowingExam, StoreConformance):
    """The exam of stores that give out what they keep (``stores.contract.Copyable``), and can be copied into."""


class RetainingConformance(RetainingExam, StoreConformance):
    """The exam of stores that drop old days and forget consumers (``stores.contract.Retaining``)."""


class InspectableConformance(InspectionExam, StoreConformance):
    """The exam of stores that know more of themselves than answers show (``stores.contract.Inspectable``).

    It damages a store and expects ``verify`` to say so; give ``plant``::

            def plant(self, place: Path, damage: Damage) -> None:
                self.server.execute(place.name, STATEMENTS[damage])
    """
