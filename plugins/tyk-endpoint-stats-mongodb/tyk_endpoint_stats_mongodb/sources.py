"""A source's document: where it stands, who set that, and what became of its records."""

from typing import Any

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.stores.rules import take_batch
from tyk_endpoint_stats_mongodb.documents import Document, counts_of, fields_of_counts
from tyk_endpoint_stats_mongodb.layout import Documents

__all__ = ["Advance", "advance_of", "progress_of"]


class Advance:
    """The step of one source that a batch makes: applied at most once, by whoever gets there first.

    Attributes:
        by: the mark of the batch that set the document as it is now, ``None`` where there is none. It is
            compared and set, rather than the position, because positions may come back and marks may not.
        becomes: the document afterwards.
    """

    def __init__(self, by: str | None, becomes: Document) -> None:
        self.by, self.becomes = by, becomes

    def apply(self, sources: Documents, session: Any = None) -> None:
        """Set the document, unless it moved on already."""
        fields = {name: value for name, value in self.becomes.items() if name != "_id"}
        sources.update_one(
            {"_id": {"$eq": self.becomes["_id"]}, "by": self.by},
            {"$set": fields},
            upsert=self.by is None,
            session=session,
        )


def advance_of(stored: Document | None, batch: Batch, mark: str) -> Advance | bool:
    """Compare where a source stands with where a batch begins.

    Args:
        stored: the source's document.
        batch: with a source.
        mark: the batch's own, one for all attempts at merging it.

    Returns:
        The step to make; ``True``: an earlier attempt of this very batch has made it; ``False``: the batch was
        merged before.

    Raises:
        PositionConflict: the source stands elsewhere.
    """
    assert batch.source is not None
    if stored and stored["by"] == mark:
        return True
    if not take_batch(batch, stored["position"] if stored else None):
        return False
    counts = counts_of(stored) if stored else Counts()
    counts.merge(batch.counts)
    becomes = {"_id": batch.source, "position": batch.ends, "by": mark, **fields_of_counts(counts)}
    return Advance(stored["by"] if stored else None, becomes)


def progress_of(stored: Document) -> SourceProgress:
    """What a source's document says, in the contract's form."""
    return SourceProgress(stored["_id"], stored["position"], counts_of(stored))
