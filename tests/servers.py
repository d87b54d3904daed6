"""A real server of a database for tests: on a free port of this machine, in a folder of its own, gone with pytest.

What MongoDB, PostgreSQL and Redis have in common; what is theirs is in the tests of their plugins. The servers that
tests share are fixtures of the outermost conftest: one of each kind in a process of pytest.
"""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

__all__ = ["Server", "file_of_wheel", "free_port"]

STARTS_WITHIN_S = 120.0
"""However busy the machine is: whoever waits so long waits for nothing."""

_PR_SET_PDEATHSIG = 1


def file_of_wheel(wheel: str, *names: str) -> Path:
    """The one file of an installed wheel that has one of these names.

    Raises:
        PackageNotFoundError: the wheel is missing, so that the tests fail: ``pip install --group test``.
    """
    files = metadata.files(wheel) or []
    (found,) = (Path(str(file.locate())) for file in files if file.name in names)
    return found


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Server(ABC):
    """One server process; a context manager. ``kill`` and ``start`` again are what a crash looks like.

    Attributes:
        folder: its own; removed by ``stop``.
        port: where it listens.
        user: as whom it runs, in the words of ``subprocess``.
    """

    dies_of = signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.user: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self._emptied: list[str] = []

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it answers a client; asked only once its port is open."""

    def take(self) -> str:
        """The name of a place for a store that holds nothing; ``give_back`` it.

        Its tables, or collections and indexes, may be there from a store before.
        """
        return self._emptied.pop() if self._emptied else f"store_{uuid4().hex[:12]}"

    def give_back(self, *names: str) -> None:
        """Empty places, for others to take."""
        for name in names:
            self.empty(name)
        self._emptied += names

    def empty(self, name: str) -> None:
        """Remove what a store holds, and nothing that it would make again."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and wait until it answers; after a crash that is when it has recovered."""
        log = self.folder.with_name(f"{self.folder.name}.log")
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                preexec_fn=self._die_with_parent if sys.platform == "linux" else None,
                **self.user,
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not (self._listens() and self.answers()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"{type(self).__name__} does not answer:\n{log.read_text()[-5000:]}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _die_with_parent(self) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, self.dies_of)

    def kill(self) -> None:
        """End it at once; nothing is written any more, and it can be started again."""
        if self.process is not None:
            self.process.send_signal(self.dies_of)
            self.process.wait(STARTS_WITHIN_S)
            self.process = None

    def stop(self) -> None:
        """End it for good and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
