"""Tyk Pump's raw collections as a source: read only, bit by bit, every document once.

Documents are read in the order of their ``_id``, whose first part is the time at which Pump made it, and a position
is the last ``_id`` read. Several pumps, and clocks that differ, let a document appear behind one that is later. So
nothing is read that is younger than the lag: what appears within the lag of its ``_id`` is counted once.
"""

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pymongo
from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from tyk_endpoint_stats.errors import SourceError, StoreError
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Source
from tyk_endpoint_stats_mongodb.address import Address, number_option, parse_address
from tyk_endpoint_stats_mongodb.pump_collections import raw_collections
from tyk_endpoint_stats_mongodb.raw_identity import CONTINUES_OPTION, NamedReading, position_in, source_of
from tyk_endpoint_stats_mongodb.raw_records import ID_BYTES, PROJECTION, decode_documents, id_of, split

__all__ = ["RawCollection", "RawCollections", "RawReading", "open_raw"]

LAG_S = 60
LAG_OPTION = "lag_seconds"
ANSWER_WITHIN_S = 30.0
CLOSE_WITHIN_S = 1.0
DOCUMENTS_A_PAGE = 5000

_LONGEST_LAG_S = 7 * 24 * 60 * 60
_AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)

Clock = Callable[[], datetime]


def open_raw(url: str, *, clock: Clock | None = None) -> Sequence["RawCollections"]:
    """The source behind a URL: ``tyk-raw+mongodb://host/database[.collection][?lag_seconds=60][&continues=…]``.

    Without a collection it is whichever of ``tyk_analytics`` and ``z_tyk_analyticz_*`` is there. Nothing is asked
    of the server yet.

    Args:
        url: see ``parse_address``.
        clock: gives the time by which the lag is kept; the server's by default.

    Raises:
        PluginError: the URL can't be used.
    """
    address = parse_address(url, {LAG_OPTION, CONTINUES_OPTION})
    lag = timedelta(seconds=number_option(address, LAG_OPTION, LAG_S, 0, _LONGEST_LAG_S))
    continues = address.options.get(CONTINUES_OPTION, "")
    return (RawCollections(Server(address), address.collection, lag, clock, continues),)


class Server:
    """The database behind an address, and its errors as ours."""

    def __init__(self, address: Address) -> None:
        self.label = address.label
        self._address = address
        self._seam = address.seam()
        self._client: MongoClient[Any] | None = None
        self._pid = 0

    @property
    def database(self) -> Any:
        """The database; connected to once for all readings, and in each process for itself."""
        if self._client is None or self._pid != os.getpid():
            self._client, self._pid = self._address.connect(), os.getpid()
            # A source has no close, and whoever follows it should not connect anew every second.
            weakref.finalize(self, _close, self._client)
        return self._client.get_database(self._address.database, read_concern=ReadConcern("majority"))

    def now(self) -> datetime:
        """The server's time: the reader's own clock does not matter."""
        with self.asked():
            now: datetime = self.database.command("hello", codec_options=_AWARE)["localTime"]
            return now

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Around everything that is asked.

        Raises:
            SourceError: the driver raised something.
        """
        try:
            with self._seam.translated(ANSWER_WITHIN_S), pymongo.timeout(ANSWER_WITHIN_S):
                yield
        except StoreError as problem:
            raise SourceError(str(problem)) from problem.__cause__


def _close(client: MongoClient[Any]) -> None:
    # It says goodbye to the server; one that is down would be waited for.
    with pymongo.timeout(CLOSE_WITHIN_S):
        client.close()


class RawCollections(Source):
    """One collection of records, or all of a database; ``parts()`` are the collections, and which they are."""

    def __init__(
        self, server: Server, wanted: str, lag: timedelta, clock: Clock | None, continues: str = ""
    ) -> None:
        self.label = server.label
        self.warnings = (
            f"{server.label}: records are read {lag.total_seconds():g} s after they were written, so that none is "
            "missed that comes late; younger ones wait for the next run",
        )
        self._server, self._wanted, self._lag = server, wanted, lag
        self._clock, self._continues = clock or server.now, continues

    def parts(self) -> Sequence["RawCollection | CollectionName"]:
        """A source for each collection that is there now, and behind it one that remembers which it is.

        Raises:
            SourceError: there is none, or the server can't be asked.
        """
        parts: list[RawCollection | CollectionName] = []
        for collection in self._found():
            parts += (collection, CollectionName(collection))
        return parts

    def _found(self) -> list["RawCollection"]:
        with self._server.asked():
            found = {entry["name"]: entry for entry in self._server.database.list_collections()}
        try:
            names = raw_collections(found, self._wanted)
        except LookupError as problem:
            raise SourceError(f"{self.label} {problem.args[0]}") from problem
        if self._continues and len(names) > 1:
            raise SourceError(f"{self.label}: say which collection it is that {CONTINUES_OPTION} is said of")
        return [RawCollection(self._server, found[one], self._lag, self._clock, self._continues) for one in names]

    def open(self, position: PositionLookup) -> Reading:
        """The only collection, where there is one.

        Raises:
            SourceError: there are several; open each of ``parts()``.
        """
        found = self._found()
        if len(found) != 1:
            raise SourceError(f"{self.label}: {len(found)} collections; each of parts() is opened by itself")
        return found[0].open(position)


class RawCollection(Source):
    """One collection; ``raw_identity`` says what it is known by."""

    def __init__(
        self, server: Server, listed: Mapping[str, Any], lag: timedelta, clock: Clock, continues: str = ""
    ) -> None:
        self.label = f"{server.label} {listed['name']}"
        self._server, self._name = server, str(listed["name"])
        self._uuid = listed["info"].get("uuid")
        self._lag, self._clock, self._continues = lag, clock, continues

    def open(self, position: PositionLookup) -> "RawReading":
        """See the contract.

        Raises:
            SourceError: no collection of Pump's, or it can't be told whether it was read before.
        """
        source = self._known_as(position)
        begins = position_in(source, position, self.label)
        # The time first: what is older than the lag by now is there by the time it is asked for.
        before = ObjectId.from_datetime(self._clock() - self._lag)
        return RawReading(self._server, self._collection, self.label, source, begins, before)

    def open_name(self, position: PositionLookup) -> NamedReading:
        """What is to be remembered of it: see ``CollectionName``."""
        return NamedReading(self._collection, self._known_as(position), position)

    @property
    def _collection(self) -> Collection[Any]:
        collection: Collection[Any] = self._server.database[self._name]
        return collection

    def _known_as(self, position: PositionLookup) -> str:
        if self._uuid is None:
            raise SourceError(f"{self.label} is no collection of documents but a view; name what lies behind it")
        with self._server.asked():
            self._check_ids(self._collection)
            return source_of(self._collection, str(self._uuid.as_uuid()), position, self.label, self._continues)

    def _check_ids(self, collection: Collection[Any]) -> None:
        """Other ids say no time. Those that sort first and last are looked at: a type sorts as one."""
        for order in (pymongo.ASCENDING, pymongo.DESCENDING):
            for document in collection.find({}, {"_id": 1}).sort("_id", order).limit(1):
                if not isinstance(document["_id"], ObjectId):
                    raise SourceError(
                        f"{self.label} has a document that Tyk Pump did not write: its _id is no ObjectId but of "
                        f"type {type(document['_id']).__name__}, so it can't be told when it came; move such "
                        "documents to another collection"
                    )


class CollectionName(Source):
    """A source without records, by which the store remembers which collection was read under a name."""

    def __init__(self, collection: RawCollection) -> None:
        self.label = f"{collection.label} (which one it is)"
        self._collection = collection

    def open(self, position: PositionLookup) -> Reading:
        """See the contract."""
        return self._collection.open_name(position)


class RawReading(Reading):
    """The documents of a collection between two ids.

    Args:
        server: where.
        collection: of which documents.
        label: the source, for messages.
        source: its name in the store.
        begins: the last ``_id`` that the store has.
        before: the ``_id`` at which to end, too young to be read.
    """

    def __init__(
        self,
        server: Server,
        collection: Collection[Any],
        label: str,
        source: str,
        begins: ObjectId | None,
        before: ObjectId,
    ) -> None:
        self.source, self.begins = source, None if begins is None else str(begins)
        self._server, self._collection, self._label = server, collection, label
        self._before = before

    def chunks(self) -> Iterator[Chunk]:
        """The documents, page by page. Each page is a question of its own, so no cursor can grow too old.

        Raises:
            SourceError: the server can't be asked.
        """
        last = None if self.begins is None else ObjectId(self.begins)
        while page := self._page_behind(last):
            last = self._last_id(page)
            chunk = decode_documents(page)
            chunk.ends = str(last)
            yield chunk

    def _page_behind(self, last: ObjectId | None) -> bytes:
        between = {"$lt": self._before} | ({} if last is None else {"$gt": last})
        with self._server.asked():
            cursor = self._collection.find_raw_batches(
                # Below 0: so many in one reply, which the server ends at 16 MB, and no cursor is left behind.
                {"_id": between},
                PROJECTION,
                sort=[("_id", 1)],
                limit=-DOCUMENTS_A_PAGE,
            )
            return next(cursor, b"")

    def _last_id(self, page: bytes) -> ObjectId:
        *_, document = split(page)
        identity = id_of(document)
        if identity is None or len(identity) < ID_BYTES:
            raise SourceError(f"{self._label}: the server sent a document without its _id in front")
        return ObjectId(identity)
