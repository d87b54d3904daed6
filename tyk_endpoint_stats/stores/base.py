"""What a store is that keeps the contract: it can be asked the questions, and ingests. The base of all stores."""

from collections.abc import Iterable

from msgspec.structs import replace

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.questions.methods import Questions
from tyk_endpoint_stats.sources.contract import Source
from tyk_endpoint_stats.stores.contract import ReadableContract, StoreContract

__all__ = ["ReadableStore", "Store"]


class ReadableStore(Questions, ReadableContract):
    """A store that can be asked, by ``read`` or by the questions over it. The base of stores of others' data."""


class Store(ReadableStore, StoreContract):
    """A store that keeps states, and ingests sources. The base of every store."""

    max_states_a_batch = Limits().states

    def ingest(
        self,
        source: Source | Iterable[Record],
        options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
        *,
        rules: Rules | None = None,
    ) -> IngestReport:
        """Read a source to its end into this store: ``ingest`` over it.

        Args:
            source: of ``read_records`` or ``open_sources``, or any iterable of records.
            options: which records count, when a batch ends, who is told of what.
            rules: which records count, for whoever wants nothing else of the options.

        Raises:
            TypeError: ``source`` is the name of one: see ``read_records`` and ``open_sources``.
            SourceError: the source can't be read (on); what was merged before stays merged.
            StoreError: the store can't merge.
        """
        return ingest(self, source, options if rules is None else replace(options, rules=rules))
