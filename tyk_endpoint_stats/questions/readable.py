"""What a question needs of a store."""

from collections.abc import Sequence
from typing import Protocol

from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Readable"]


class Readable(Protocol):
    """Anything that can be asked for states; the store contract says what its answer promises."""

    def read(self, selection: Selection, /) -> Sequence[tuple[Group, EndpointStats]]:
        """The merged states of a selection, one for each group that has a hit."""
