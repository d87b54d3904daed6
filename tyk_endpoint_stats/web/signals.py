"""Serving in the main thread of a program, until somebody asks the program to end."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from tyk_endpoint_stats.web.notify import Notifier
from tyk_endpoint_stats.web.server import Server

__all__ = ["serve_until_signalled"]

_ENDED = 0
"""No signal has this number."""

_HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows


def serve_until_signalled(
    server: Server,
    *,
    on_ready: Callable[[], None] = lambda: None,
    on_hangup: Callable[[], None] | None = None,
    notifier: Notifier = Notifier({}),  # noqa: B008 - says nothing
) -> int | None:
    """Serve until SIGINT or SIGTERM, then let requests in flight end. For the main thread only.

    The earlier handlers are back as soon as the first of them came: a second one does what it always did. SIGHUP
    ends serving only where it says that the program's terminal is gone.

    Args:
        server: it is shut down at the end.
        on_ready: called in this thread once requests are answered and signals are handled.
        on_hangup: called in this thread at a SIGHUP, while serving goes on; it must not raise. ``None``: SIGHUP is
            left as it is.
        notifier: told about start, reading again and end, and that the process lives.

    Returns:
        The number of the signal; ``None``: another thread called ``shutdown``.

    Raises:
        OSError: serving failed.
    """
    ending = (signal.SIGINT, signal.SIGTERM)
    numbers = (*ending, _HANGUP) if on_hangup is not None and _HANGUP is not None else ending
    had_terminal = _has_terminal()
    reader, writer = socket.socketpair()
    with reader, writer:
        # A lock or a queue is not enough to wait at: the kernel may give the signal to any thread, and then
        # nothing wakes the main one, in which alone handlers run. Python writes to this socket in any thread.
        writer.setblocking(False)
        earlier_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        earlier = {number: signal.signal(number, _nothing) for number in numbers}
        problems: list[Exception] = []

        def serve() -> None:
            try:
                server.serve_forever()
            except Exception as problem:
                problems.append(problem)
            finally:
                with suppress(OSError):
                    writer.send(bytes([_ENDED]))

        serving = threading.Thread(target=serve, name="accept", daemon=True)
        try:
            serving.start()
            on_ready()
            notifier.ready()
            while True:
                came = _next_signal(reader, notifier)
                if came == _HANGUP and on_hangup is not None and (_has_terminal() or not had_terminal):
                    notifier.reloading()
                    on_hangup()
                    notifier.ready()
                elif came in (*numbers, _ENDED):
                    break
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
    notifier.stopping()
    server.shutdown()
    serving.join()
    if problems:
        raise problems[0]
    return came if came != _ENDED else None


def _next_signal(reader: socket.socket, notifier: Notifier) -> int:
    """Wait for the next signal, and say as often as is wanted that we live."""
    due = time.monotonic()
    while True:
        if notifier.watchdog_s is not None and time.monotonic() >= due:
            notifier.alive()
            due = time.monotonic() + notifier.watchdog_s
        wait_s = None if notifier.watchdog_s is None else max(0.0, due - time.monotonic())
        if select.select([reader], [], [], wait_s)[0]:
            return reader.recv(1)[0]


def _has_terminal() -> bool:
    """Whether the process has a controlling terminal, from which a SIGHUP may come when it closes."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except (OSError, AttributeError):  # the flags are not on Windows
        return False
    return True


def _nothing(number: int, frame: FrameType | None) -> None:
    """Without a handler the signal would end the process."""
