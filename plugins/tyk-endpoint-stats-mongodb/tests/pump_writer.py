"""What Tyk Pump writes, for tests: raw documents in a database that belongs to one test."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from bson import ObjectId
from mongo_servers import MongoServer
from pymongo import MongoClient
from pymongo.database import Database

__all__ = ["PumpDatabase", "object_id", "raw_document"]

MOMENT = datetime(2026, 5, 5, 12, 30, tzinfo=UTC)


class PumpDatabase:
    """A database on a server, and the URLs under which it is read."""

    def __init__(self, server: MongoServer) -> None:
        self.server = server
        self.name = f"tyk_{uuid4().hex[:8]}"
        self.client: MongoClient[Any] = MongoClient(server.url)

    @property
    def database(self) -> Database[Any]:
        return self.client[self.name]

    def url(self, prefix: str, collection: str = "", **options: Any) -> str:
        """``tyk-raw+mongodb://…``."""
        name = f"{self.name}.{collection}" if collection else self.name
        url = f"{prefix}+{self.server.database_url(name)}"
        for option, value in options.items():
            url += f"{'&' if '?' in url else '?'}{option}={value}"
        return url

    def have_it_fail(self, command: str, times: int = 1, **how: Any) -> None:
        """The server's next ``command`` fails: with ``errorCode``, late (``blockTimeMS``), …; 0 times: no more."""
        mode = {"times": times} if times else "off"
        data = {"failCommands": [command], **how}
        self.client.admin.command("configureFailPoint", "failCommand", mode=mode, data=data)

    def drop(self) -> None:
        self.client.drop_database(self.name)
        self.client.close()


def object_id(moment: datetime, number: int = 0) -> ObjectId:
    """The id that a process gives a document at a moment; ``number`` tells those of one second apart."""
    return ObjectId(int(moment.timestamp()).to_bytes(4) + number.to_bytes(8))


def raw_document(identity: ObjectId | None = None, **fields: Any) -> dict[str, Any]:
    """A raw document such as Pump's, with the fields that matter."""
    return {
        "_id": identity or ObjectId(),
        "path": "/get",
        "rawrequest": "R0VUIC9zZWNyZXQ=",
        "responsecode": 200,
        "apikey": "k1",
        "timestamp": MOMENT,
        "apiid": "api-1",
        "orgid": "org-1",
        "oauthid": "",
        "requesttime": 7,
        "latency": {"total": 7, "upstream": 5, "gateway": 2},
        "alias": "",
        "trackpath": True,
    } | fields
