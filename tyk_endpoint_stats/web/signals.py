"""Serving in the main thread of a program, until somebody asks the program to end."""

import queue
import signal
import threading
from types import FrameType

from tyk_endpoint_stats.web.server import Server

__all__ = ["serve_until_signalled"]


def serve_until_signalled(server: Server) -> int:
    """Serve until SIGINT or SIGTERM, then let requests in flight end. For the main thread only.

    The earlier handlers are back as soon as the first signal came: a second one does what it always did.

    Returns:
        The number of the signal.
    """
    # An Event's set() takes a lock that the waiting main thread may hold; SimpleQueue.put() is reentrant.
    came: queue.SimpleQueue[int] = queue.SimpleQueue()

    def note(number: int, frame: FrameType | None) -> None:
        came.put(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = {number: signal.signal(number, note) for number in numbers}
    serving = threading.Thread(target=server.serve_forever, name="accept", daemon=True)
    serving.start()
    try:
        number = came.get()
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)
    server.shutdown()
    serving.join()
    return number
