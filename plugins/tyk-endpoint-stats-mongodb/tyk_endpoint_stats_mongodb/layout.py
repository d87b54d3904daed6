"""The collections of a store, their indexes, and how a database becomes one."""

from hashlib import sha256
from random import randrange
from typing import Any, TypeAlias

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import ASCENDING, IndexModel, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from tyk_endpoint_stats.errors import UnusableStore
from tyk_endpoint_stats_mongodb.documents import Document

__all__ = ["DURABLE", "LANES", "SHARD_KEY", "Layout", "lane_of", "only_duplicates"]

DURABLE = WriteConcern("majority", j=True)
"""What is acknowledged is on the disks of most members: neither a crash nor a failover takes it away."""

LANES = 8
"""In how many rows writers queue, see ``lanes``. Never to be changed for a database that exists."""

SHARD_KEY = {"_id.consumer": 1}
"""How to spread ``states`` over shards: a question about a consumer asks one of them, and upserts carry it."""

SCHEMA = 1

DUPLICATE_KEY = 11000
_NAMESPACE_EXISTS = 48

# A byte that is no UTF-8, or a date beyond Python's, never aborts a whole reply.
_CODEC: CodecOptions[Document] = CodecOptions(
    unicode_decode_error_handler="replace", tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)

BY_CONSUMER = IndexModel(
    [(f"_id.{name}", ASCENDING) for name in ("consumer", "kind", "width", "bucket")], name="by_consumer"
)
BY_ENDPOINT = IndexModel(
    [(f"_id.{name}", ASCENDING) for name in ("api_id", "path", "width", "bucket")], name="by_endpoint"
)
_BY_ID = IndexModel([("_id.of", ASCENDING), ("_id.id", ASCENDING)], name="by_id")

Documents: TypeAlias = Collection[Document]


class Layout:
    """The collections, by their names.

    Attributes:
        states: a document a state; questions may be answered by secondaries, where the URL says so.
        names: aliases of consumers and names of APIs, each with the instant it was seen.
        sources: position and counts of each resumable source.
        lanes: a document a lane, see ``lanes``.
        journal: batches that are being merged without transactions.
        meta: the version of the schema, and how far was pruned.
    """

    def __init__(self, database: Database[Any], prefix: str) -> None:
        self._ours = database.with_options(codec_options=_CODEC, write_concern=DURABLE)
        self._prefix = prefix
        self.states = self._collection("states")
        self.names = self._collection("names")
        self.sources = self._primary("sources")
        self.lanes = self._primary("lanes")
        self.journal = self._primary("journal")
        self.meta = self._primary("meta")

    def _collection(self, name: str) -> Documents:
        return self._ours[self._prefix + name]

    def _primary(self, name: str) -> Documents:
        return self._collection(name).with_options(read_preference=ReadPreference.PRIMARY)

    def collections(self) -> tuple[Documents, ...]:
        """All of them."""
        return self.states, self.names, self.sources, self.lanes, self.journal, self.meta

    def _indexes(self) -> tuple[tuple[Documents, list[IndexModel]], ...]:
        return (self.states, [BY_CONSUMER, BY_ENDPOINT]), (self.names, [_BY_ID])

    def missing_indexes(self) -> list[str]:
        """The names of indexes that a store has, and this has not."""
        return [
            f"{collection.name}.{index.document['name']}"
            for collection, indexes in self._indexes()
            for index in indexes
            if index.document["name"] not in collection.index_information()
        ]

    def prepare(self, name: str, *, make: bool) -> None:
        """Make sure that a store is in the database.

        Args:
            name: of the store, for messages.
            make: make it where there is none.

        Raises:
            UnusableStore: it is of a newer version, or there is none and none is to be made.
        """
        schema = self.meta.find_one({"_id": "schema"})
        if schema is None:
            if not make:
                raise UnusableStore(
                    f"{name} holds no store yet; an ingest makes it: tyk-endpoint-stats ingest --store {name} FILE"
                )
            self._make()
        elif schema["version"] > SCHEMA:
            raise UnusableStore(
                f"{name} has schema {schema['version']}, this version knows schemas up to {SCHEMA}: upgrade "
                "tyk-endpoint-stats-mongodb (pip install --upgrade tyk-endpoint-stats-mongodb)"
            )

    def _make(self) -> None:
        # Several programs may do this at once. The schema's version comes last: where it is, all else is.
        for collection in (self.sources, self.lanes, self.journal, self.meta):
            try:
                self._ours.command("create", collection.name, writeConcern=DURABLE.document)
            except OperationFailure as problem:
                if problem.code != _NAMESPACE_EXISTS:
                    raise
        for collection, indexes in self._indexes():
            collection.create_indexes(indexes)
        try:
            self.lanes.insert_many(
                [{"_id": lane, "seq": 0, "state": "done", "journal": "", "most": 0} for lane in range(LANES)],
                ordered=False,
            )
        except BulkWriteError as problem:
            if not only_duplicates(problem):
                raise
        self.meta.update_one({"_id": "schema"}, {"$set": {"version": SCHEMA}}, upsert=True)

    def pruned_before_day(self, session: Any = None) -> int | None:
        """The UTC day before which quarters are gone; ``None``: nothing was ever pruned."""
        found = self.meta.find_one({"_id": "pruned"}, session=session)
        return None if found is None else int(found["before_day"])


def only_duplicates(problem: BulkWriteError) -> bool:
    """Whether nothing went wrong but that documents were there already."""
    details = problem.details or {}
    codes = {error["code"] for error in details.get("writeErrors", ())}
    return codes == {DUPLICATE_KEY} and not details.get("writeConcernErrors")


def lane_of(source: str | None) -> int:
    """The lane of a source, wherever it is read; any lane for a batch without one.

    By the source and never by the process: two processes that read one source must meet.
    """
    if source is None:
        return randrange(LANES)  # noqa: S311 - spreads load
    return int.from_bytes(sha256(source.encode("utf-8", "surrogatepass")).digest()[:8]) % LANES
