"""``serve`` as a process, for tests."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
NEW_TOKEN = "another-token-of-length"
LINE = b'{"path":"/a","api_key":"k","response_code":200,"timestamp":"2026-10-13T10:00:00Z"}\n'


class Serving:
    """A server that runs; ``err`` is what it wrote to stderr so far."""

    def __init__(self, program: "subprocess.Popen[str]", first: str, err: Path) -> None:
        self.program = program
        self.first = first
        found = re.search("http://[^,]+", first)
        self.url = found[0] if found else ""
        self._err = err

    @property
    def err(self) -> str:
        return self._err.read_text()


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[Serving]:
    """Runs it until the block ends, then by SIGTERM; it must end well."""
    err = folder / "stderr"
    with err.open("w") as stderr:
        program = subprocess.Popen(
            [sys.executable, "-m", "tyk_endpoint_stats", "serve", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **environment},
        )
    try:
        assert program.stdout is not None
        yield Serving(program, program.stdout.readline(), err)
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=20)
        assert program.returncode == 0, err.read_text()
    finally:
        program.kill()
        program.communicate()


def curl(*arguments: str) -> tuple[int, str]:
    """``(status, body)``, by the real one; 0: no answer."""
    done = subprocess.run(
        ["curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body
