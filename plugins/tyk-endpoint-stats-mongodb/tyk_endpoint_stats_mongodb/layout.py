"""The collections of a store, their indexes, and in which lane a source queues."""

from hashlib import sha256
from random import randrange
from typing import Any, TypeAlias

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ASCENDING, IndexModel, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from tyk_endpoint_stats.core.selection import RowKind
from tyk_endpoint_stats_mongodb.documents import Document

__all__ = ["DURABLE", "LANES", "SHARD_KEY", "Documents", "Layout", "keys_between", "lane_of", "only_duplicates"]

DURABLE = WriteConcern("majority", j=True)
"""What is acknowledged is on the disks of most members: neither a crash nor a failover takes it away."""

LANES = 8
"""In how many rows writers queue, see ``lanes``. Never to be changed for a database that exists."""

_BY_CONSUMER = tuple(f"_id.{name}" for name in ("consumer", "kind", "of", "day"))
_BY_ENDPOINT = tuple(f"_id.{name}" for name in ("api_id", "path", "of", "day"))
_BY_ID = ("_id.of", "_id.id")

SHARD_KEY = dict.fromkeys(_BY_CONSUMER, 1)
"""How to spread ``day_rows`` over shards: a question about a consumer asks one of them, and writes carry it. The
day is part of it, so that *everyone*, who is one consumer, can be split too."""

_DUPLICATE_KEY = 11000

# A byte that is no UTF-8, or a date beyond Python's, never aborts a whole reply.
_CODEC: CodecOptions[Document] = CodecOptions(
    unicode_decode_error_handler="replace", tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

Documents: TypeAlias = Collection[Document]


class Layout:
    """The collections, by their names.

    Attributes:
        day_rows: a document a row or total; questions may be answered by secondaries, where the URL says so.
        names: aliases of consumers and names of APIs, each with the instant it was seen.
        growth: a document a day that grew.
        sources: position and counts of each resumable source.
        lanes: a document a lane, see ``lanes``.
        journal: batches that are being merged without transactions.
        meta: ``schema``: its version; ``history``: how far was pruned, and what was taken away.
    """

    def __init__(self, database: Database[Any], prefix: str) -> None:
        self.database = database.with_options(codec_options=_CODEC, write_concern=DURABLE)
        self._prefix = prefix
        self.day_rows = self._collection("day_rows")
        self.names = self._collection("names")
        self.growth = self._primary("growth")
        self.sources = self._primary("sources")
        self.lanes = self._primary("lanes")
        self.journal = self._primary("journal")
        self.meta = self._primary("meta")

    def _collection(self, name: str) -> Documents:
        return self.database[self._prefix + name]

    def _primary(self, name: str) -> Documents:
        return self._collection(name).with_options(read_preference=ReadPreference.PRIMARY)

    def collections(self) -> tuple[Documents, ...]:
        """All of them."""
        return self.day_rows, self.names, self.growth, self.sources, self.lanes, self.journal, self.meta

    def indexes(self) -> tuple[tuple[Documents, list[IndexModel]], ...]:
        """The indexes of the collections that have some."""
        return (
            (self.day_rows, [_index("by_consumer", _BY_CONSUMER), _index("by_endpoint", _BY_ENDPOINT)]),
            (self.names, [_index("by_id", _BY_ID)]),
        )

    def pruned_before_day(self, session: Any = None) -> int | None:
        """The UTC day before which quarter hours are gone; ``None``: nothing was ever pruned."""
        found = self.meta.find_one({"_id": "history"}, session=session) or {}
        before: int | None = found.get("pruned_before_day")
        return before


def _index(name: str, fields: tuple[str, ...]) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name)


def keys_between(of: RowKind, first: int, end: int) -> Document:
    """A condition for ``_id``: the rows of a kind of these days. ``_id`` begins with both, so it is one range."""
    return {"$gte": {"of": of.value, "day": first}, "$lt": {"of": of.value, "day": end}}


def only_duplicates(problem: BulkWriteError) -> bool:
    """Whether nothing went wrong but that documents were there already."""
    details = problem.details or {}
    codes = {error["code"] for error in details.get("writeErrors", ())}
    return codes == {_DUPLICATE_KEY} and not details.get("writeConcernErrors")


def lane_of(source: str | None) -> int:
    """The lane of a source, wherever it is read; any lane for a batch without one.

    By the source and never by the process: two processes that read one source must meet.
    """
    if source is None:
        return randrange(LANES)  # noqa: S311 - spreads load
    return int.from_bytes(sha256(source.encode("utf-8", "surrogatepass")).digest()[:8]) % LANES
