"""The journal: a batch as it was written down, before it is applied."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from tyk_endpoint_stats_mongodb.documents import Document
from tyk_endpoint_stats_mongodb.layout import Documents, only_duplicates

__all__ = ["Journal", "Part"]

ROWS_A_PART = 1000
BYTES_A_PART = 8 * 2**20  # half of what a document may have


class Part(NamedTuple):
    """One part of a batch: some of its rows, names or growth."""

    of: str
    documents: list[Document]


class Journal:
    """Batches in parts, told apart by lane, place in the lane, and the batch's own mark.

    A batch that lost its place in the lane leaves its parts behind, until the one that won is removed.
    """

    def __init__(self, collection: Documents) -> None:
        self._collection = collection

    def write(self, lane: int, seq: int, mark: str, batch: Mapping[str, list[Document]]) -> int:
        """Write a batch down, by what its documents are of; how many parts it has."""
        parts: list[Any] = []
        for of, documents in batch.items():
            for some in _cut(documents):
                parts.append({"_id": _id(lane, seq, mark, len(parts)), "of": of, "documents": some})
        try:
            if parts:
                self._collection.insert_many(parts, ordered=False)
        except BulkWriteError as problem:
            if not only_duplicates(problem):  # an attempt whose answer was lost
                raise
        return len(parts)

    def read(self, lane: int, seq: int, mark: str, part: int) -> Part | None:
        """One part; ``None``: it was removed, so the batch was finished."""
        found = self._collection.find_one({"_id": _id(lane, seq, mark, part)})
        return Part(found["of"], found["documents"]) if found else None

    def remove(self, lane: int, seq: int) -> None:
        """Remove what was written for this place in the lane and those before it."""
        self._collection.delete_many({"_id": {"$gte": {"lane": lane}, "$lt": {"lane": lane, "seq": seq + 1}}})


def _id(lane: int, seq: int, mark: str, part: int) -> Document:
    return {"lane": lane, "seq": seq, "mark": mark, "part": part}


def _cut(rows: Iterable[Document]) -> Iterator[list[RawBSONDocument]]:
    part: list[RawBSONDocument] = []
    size = 0
    for row in rows:
        encoded = bson.encode(row)
        if part and (len(part) == ROWS_A_PART or size + len(encoded) > BYTES_A_PART):
            yield part
            part, size = [], 0
        part.append(RawBSONDocument(encoded))
        size += len(encoded)
    if part:
        yield part
