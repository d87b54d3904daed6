"""Serving in the main thread of a program, until somebody asks the program to end."""

import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

from tyk_endpoint_stats.web.server import Server

__all__ = ["serve_until_signalled"]

_ENDED = 0
"""No signal has this number."""


def serve_until_signalled(server: Server) -> int | None:
    """Serve until SIGINT or SIGTERM, then let requests in flight end. For the main thread only.

    The earlier handlers are back as soon as the first signal came: a second one does what it always did.

    Returns:
        The number of the signal; ``None``: another thread called ``shutdown``.

    Raises:
        OSError: serving failed.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
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
            while (came := reader.recv(1)[0]) not in (*numbers, _ENDED):
                pass
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
    server.shutdown()
    serving.join()
    if problems:
        raise problems[0]
    return came if came != _ENDED else None


def _nothing(number: int, frame: FrameType | None) -> None:
    """Without a handler the signal would end the process."""
