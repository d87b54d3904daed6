"""Ctrl-C and SIGTERM during long work: the first ends it after the running batch, the second at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

__all__ = ["stop_on_signal"]


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that is set by the first SIGINT or SIGTERM. For the main thread."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        for each, handler in earlier.items():
            signal.signal(each, handler)
        stopped.set()
        click.echo("\nStopping after what was read so far; once more stops at once.", err=True)

    earlier = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
