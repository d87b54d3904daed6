"""How to ingest: which records count, when a batch ends, and who is told of what."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.ingest.batch_builder import Limits, Wanted
from tyk_endpoint_stats.ingest.growth import KnownDays
from tyk_endpoint_stats.ingest.report import OnProgress
from tyk_endpoint_stats.sources.contract import Rejected

__all__ = ["IngestOptions", "OnRejected"]

OnRejected: TypeAlias = Callable[[Sequence[Rejected]], None]
"""Called with the malformed records of a batch before the batch is merged: what it keeps, it keeps durably.

After a crash, or where another writer was met, it is called with some of them again; none is ever left out.
"""


def _never() -> bool:
    return False


class IngestOptions(Struct, frozen=True):
    """The knobs of an ingest; each has a default that is right for most.

    Attributes:
        rules: which records count.
        limits: when a batch ends; a store may ask for smaller ones.
        fail_on_malformed: stop at the first malformed record; the batch it is in is not merged.
        on_rejected: called with the malformed records of every batch that has some, before it is merged.
        on_progress: called after every chunk.
        known_days: those of the store before this ingest, for a caller who ingests many sources as one.
        stop: asked after every chunk; once it says so, what was read is merged and nothing more is read.
    """

    rules: Rules = Rules()
    limits: Limits = Limits()
    fail_on_malformed: bool = False
    on_rejected: OnRejected | None = None
    on_progress: OnProgress | None = None
    known_days: KnownDays | None = None
    stop: Callable[[], bool] = _never

    def wanted(self, max_states: int) -> Wanted:
        """What the building of batches needs of this, for a store that takes so many states at once."""
        limits = replace(self.limits, states=min(self.limits.states, max_states))
        return Wanted(self.rules, limits, self.fail_on_malformed, self.on_rejected is not None)
