"""How a store remembers that it is a copy: by the position of a source that no record comes from.

While it says ``copying``, states are there whose sources have no position yet: whoever ingested then would count
records twice, so an ingest refuses.
"""

from collections.abc import Callable
from uuid import uuid4

from msgspec import Struct

from tyk_endpoint_stats.errors import StoreError

__all__ = ["COPY_SOURCE", "CopyMark", "refuse_half_copied"]

COPY_SOURCE = "copy"

_COPYING, _COPIED = "copying", "copied"


class CopyMark(Struct, frozen=True):
    """Where a copy stands.

    Attributes:
        is_finished: whether states, names and positions are all there.
        hits: how many hits, of days, the copy has brought: all there are, unless somebody else has written.
        token: makes every step's mark its own, so that of two copies at once one is told so.
    """

    is_finished: bool
    hits: int
    token: str

    @classmethod
    def now(cls, *, is_finished: bool, hits: int) -> "CopyMark":
        """A new mark."""
        return cls(is_finished, hits, uuid4().hex)

    @classmethod
    def read(cls, position: str) -> "CopyMark":
        """The mark in a position.

        Raises:
            StoreError: it is none.
        """
        try:
            state, hits, token = position.split(" ")
            return cls({_COPYING: False, _COPIED: True}[state], int(hits), token)
        except (ValueError, KeyError):
            raise StoreError(
                f"the source {COPY_SOURCE!r} of this store is no copy's, but stands at {position!r}"
            ) from None

    def written(self) -> str:
        """The position that holds this mark."""
        return f"{_COPIED if self.is_finished else _COPYING} {self.hits} {self.token}"


def refuse_half_copied(position: Callable[[str], str | None]) -> None:
    """Make sure that nothing is ingested into a store that is being copied to.

    Args:
        position: the store's.

    Raises:
        StoreError: a copy into it is not finished.
    """
    stored = position(COPY_SOURCE)
    if stored is not None and not CopyMark.read(stored).is_finished:
        raise StoreError(
            "a copy into this store is not finished: run the same copy again first, or records would count twice"
        )
