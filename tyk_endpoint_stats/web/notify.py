"""Telling systemd how a service is: ``sd_notify(3)`` in a few lines, without a library.

A datagram goes to the socket that ``NOTIFY_SOCKET`` names. Where there is none, nothing is said to anyone.
"""

import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Says to systemd, or to whoever else speaks its protocol, what a service does now. Never raises.

    Args:
        environment: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` stand; usually
            ``os.environ``.

    Attributes:
        watchdog_s: ``alive`` is wanted at least this often, in seconds: half of what systemd waits before it kills
            (``sd_watchdog_enabled(3)``). ``None``: nobody waits for it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(environment) if self._address else None

    def ready(self) -> None:
        """The start, or reading tokens again, is done."""
        self._say("READY=1")

    def reloading(self) -> None:
        """Something is read again; ``ready`` says when it is done."""
        # systemd 253 and newer (Type=notify-reload) tells by the time whether this answers its own signal.
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun: what is in flight is answered, and nothing new is taken."""
        self._say("STOPPING=1")

    def alive(self) -> None:
        """The watchdog may wait again."""
        self._say("WATCHDOG=1")

    def _say(self, state: str) -> None:
        # A path, or a name of Linux's abstract namespace, written with "@" for its NUL.
        if self._address[:1] not in ("/", "@"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.connect(address)
                sock.sendall(state.encode())
        except OSError:
            return  # whoever listened is gone; that is no reason to stop serving


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    given = environment.get("WATCHDOG_USEC", "")
    for_process = environment.get("WATCHDOG_PID", "")
    if not given.isdecimal() or not int(given) or for_process not in ("", str(os.getpid())):
        return None
    return int(given) / 2_000_000
