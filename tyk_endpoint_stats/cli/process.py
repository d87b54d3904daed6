"""What a program owes to its process: streams that can be written to, SIGTERM, one sentence for what goes wrong."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import EBADF, EDQUOT, EFBIG, EIO, ENOSPC, EPIPE
from types import FrameType
from typing import NoReturn, TextIO

import click

from tyk_endpoint_stats.cli.escaping import printable

__all__ = ["run"]

_OF_OUTPUT = {EBADF, EDQUOT, EFBIG, EIO, ENOSPC}
"""What an error without a file's name says of stdout: other files are named where they fail."""


def run(program: Callable[[], object]) -> NoReturn:
    """Run a command line program, and end the process with its status.

    - SIGTERM ends it, whatever it does, also as process 1 of a container, for which the kernel ignores a signal
      that has no handler. A second one ends it at once. Commands that have something better to do with the first
      one (``serve``, ``ingest``) see to that themselves.
    - Where stdout is full or closed, or its encoding lacks a character, nobody sees a traceback.

    Args:
        program: one of click's, in its standalone mode.
    """
    _prepare_streams()
    if os.getpid() == 1:  # elsewhere the default is better: it does not wait for the end of a long call into SQLite
        signal.signal(signal.SIGTERM, _end)
    status = _status_of(program)
    if not _flushed() and not status:
        status = 1
    sys.exit(status)


def _status_of(program: Callable[[], object]) -> int:
    try:
        program()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except OSError as problem:
        if problem.errno != EPIPE and _flushed():
            _say(_sentence(problem))
        return 1
    return 0


def _sentence(problem: OSError) -> str:
    said = problem.strerror or str(problem)
    if isinstance(problem.filename, str):
        return f"{problem.filename}: {said}"
    if isinstance(problem, FileNotFoundError):  # tempfile's: of all other files we know the name
        return f"{said}; set TMPDIR to a folder that can be written to"
    return f"stdout can't be written to: {said}" if problem.errno in _OF_OUTPUT else said


def _prepare_streams() -> None:
    if sys.stdout is None:
        _say("stdout is closed, so there is nowhere to write to; >/dev/null throws away what is written")
        sys.exit(1)
    # A closed descriptor would go to the next file that is opened, a database perhaps.
    for descriptor, stream in ((0, sys.stdin), (2, sys.stderr)):
        if stream is None:
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
    if hasattr(sys.stdout, "reconfigure"):
        # Tables for people show what can't be shown as they show control characters.
        sys.stdout.reconfigure(errors="backslashreplace")


def _flushed() -> bool:
    """Whether all that was written to stdout has arrived; if not, it is said, and the rest is thrown away."""
    if sys.stdout.closed:  # by somebody who heard then whether it worked
        return True
    try:
        sys.stdout.flush()
    except OSError as problem:
        if problem.errno != EPIPE:  # whoever read it has enough
            _say(f"stdout can't be written to: {problem.strerror}")
        _throw_away(sys.stdout)
        return False
    return True


def _throw_away(stream: TextIO) -> None:
    """Or the interpreter would try to write it again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        click.echo(f"Error: {printable(text)}", err=True)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, _end_at_once)
    raise SystemExit(128 + number)


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)
