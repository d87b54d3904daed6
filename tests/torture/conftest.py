"""Programs under test as users run them, and what the operating system knows of them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


class Program:
    """A running ``tyk-endpoint-stats``; killed when the test ends, if it still runs."""

    def __init__(self, folder: Path, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> None:
        self.log = folder / f"{arguments[0]}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tyk_endpoint_stats", *arguments],
                cwd=folder,
                stdin=stdin,
                stdout=subprocess.PIPE if arguments[0] == "serve" else log,
                stderr=log,
                env=os.environ | {"TYK_ENDPOINT_STATS_SERVE_TOKEN": TOKEN},
            )
        self.address = ("127.0.0.1", 0)
        if arguments[0] == "serve":
            assert self.process.stdout is not None
            found = re.search(rb":(\d+),", self.process.stdout.readline())
            assert found, self.log.read_text()
            self.address = ("127.0.0.1", int(found[1]))

    def rss_mb(self) -> float:
        """Memory it has now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def peak_mb(self) -> float:
        """The most memory it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s*([0-9]+) kB", status)[0]) / 1024

    def descriptors(self) -> int:
        """Files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def end(self, number: int = signal.SIGTERM, within_s: float = 10.0) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self.process.stdin is not None:
            self.process.stdin.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """``start("serve", "--port", "0", …)``: the program, in the test's folder."""
    with ExitStack() as stack:

        def started(*arguments: str, **options: int | None) -> Program:
            program = Program(tmp_path, *arguments, **options)
            stack.callback(program.close)
            return program

        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that all others run beside it and not before it."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")
