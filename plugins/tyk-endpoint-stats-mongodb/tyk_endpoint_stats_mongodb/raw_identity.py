"""What makes a collection a new source.

A collection is known by its UUID: a rename keeps it, a new collection has another. But ``convertToCapped`` and a
restore, too, make a collection with another UUID, of the same documents. So the store remembers which collection
was read under a name, as the position of a source that has no records. A stranger under a known name is held
against it: documents have the same ``_id`` wherever they are, and an ``_id`` begins with its time.
"""

from collections.abc import Iterator
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading

__all__ = ["CONTINUES_OPTION", "NamedReading", "position_in", "source_of"]

CONTINUES_OPTION = "continues"
_NOTHING = "nothing"
_PREFIX = "mongodb:"


def source_of(
    collection: Collection[Any], uuid: str, position: PositionLookup, label: str, continues: str = ""
) -> str:
    """The name under which the store has, or is to have, a collection's position.

    Args:
        collection: which.
        uuid: its own.
        position: of the store.
        label: of the collection, for messages.
        continues: the answer to the question below: ``nothing``, or the UUID that it had before.

    Raises:
        SourceError: whether its documents were read can't be told. The message is a question.
    """
    own = _PREFIX + uuid
    if position(own) is not None:
        return own
    before = continues or position(remembered_as(collection)) or _NOTHING
    last = position_in(_PREFIX + before, position, label)
    if before in (_NOTHING, uuid) or last is None:
        return own
    if continues or collection.find_one({"_id": last}, {"_id": 1}):
        return _PREFIX + before
    first = collection.find_one({}, {"_id": 1}, sort=[("_id", 1)])
    if first is None or first["_id"] > last:
        return own  # whatever it is, all of it is younger than what was read
    raise SourceError(
        f"{label} is another collection than the one that was read under this name, {before}: the document that "
        "was read last is not in it, but some are that are as old. Is it the same, capped or restored since? Then "
        f"add ?{CONTINUES_OPTION}={before} to the URL, so that none counts twice; if none of it was ever read, "
        f"?{CONTINUES_OPTION}={_NOTHING}"
    )


def remembered_as(collection: Collection[Any]) -> str:
    """The source whose position is the UUID of the collection that was read last under this name."""
    return f"{_PREFIX}{collection.full_name}"


def position_in(source: str, position: PositionLookup, label: str) -> ObjectId | None:
    """The last ``_id`` that the store has read of a source.

    Raises:
        SourceError: its position is no ``_id``.
    """
    stored = position(source)
    if stored is not None and not ObjectId.is_valid(stored):
        raise SourceError(f"{label}: the store says it stands at {stored!r}, which is no ObjectId")
    return None if stored is None else ObjectId(stored)


class NamedReading(Reading):
    """No records; its position says which collection is read under a name.

    Args:
        collection: under which name.
        source: as which it is read.
        position: of the store.
    """

    def __init__(self, collection: Collection[Any], source: str, position: PositionLookup) -> None:
        self.source = remembered_as(collection)
        self.begins = position(self.source)
        is_read = position(source) is not None
        self._ends = source.removeprefix(_PREFIX) if is_read else self.begins

    def chunks(self) -> Iterator[Chunk]:
        """One without records, where it is another collection than before."""
        if self._ends != self.begins:
            yield Chunk((), ends=self._ends)
