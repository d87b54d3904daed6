"""One connection: heads in, answers out, every wait with a total deadline."""

import logging
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from email.utils import formatdate

from msgspec import Struct

from tyk_endpoint_stats.web.head import MAX_HEAD_BYTES, Head, Refused, read_head
from tyk_endpoint_stats.web.log_lines import FIELDS, safe_target
from tyk_endpoint_stats.web.messages import Request, Response, error_response
from tyk_endpoint_stats.web.send_budget import SMALL_BYTES
from tyk_endpoint_stats.web.sessions import FORM_PATHS, MAX_FORM_BYTES
from tyk_endpoint_stats.web.targets import path_and_query

__all__ = ["Connection", "Limits", "wire_head"]

Respond = Callable[[Request, ExitStack], Response]
"""Gives the answer, and into the stack what is to be held until that is sent."""

OnAnswer = Callable[[int, float], None]
"""Told the status of each answer, and how many seconds it took."""

_access = logging.getLogger("tyk_endpoint_stats.access")


class Limits(Struct, frozen=True, kw_only=True):
    """The server's bounds. Every deadline is the total of a wait, not the time between two bytes.

    Attributes:
        idle_s: how long a connection may wait before the first byte of a request. Longer than the 60 s that
            balancers keep one (nginx, AWS, HAProxy): the side that sends requests must be the first to close, or it
            sends one into a connection that closes just then, and somebody gets a 502. Where others wait for its
            place it is ``head_s``.
        head_s: from the first byte of a head to its end.
        write_s: to take an answer off our hands.
        linger_s, linger_bytes: what is read and thrown away after the last answer, so that a reset does not
            overtake it.
        drain_s: how long ``shutdown`` waits for requests in flight.
        questions: how many are asked at once; the next ones wait, and get a 503 after ``wait_s``.
        wait_s: see there.
        unsent_bytes: what large answers may take together until clients have taken them; the next ones get a 503.
        connections: how many are served at once; the next ones get a 503. Lowered to fit the process's
            limit of descriptors.
        requests: after so many a connection is closed.
        backlog: how many connections the kernel keeps for us.
    """

    idle_s: float = 75.0
    head_s: float = 5.0
    write_s: float = 15.0
    linger_s: float = 1.0
    linger_bytes: int = 65_536
    drain_s: float = 8.0
    questions: int = 4
    wait_s: float = 5.0
    unsent_bytes: int = 32 * 2**20
    connections: int = 1_024
    requests: int = 1_000
    backlog: int = 256


class Connection:
    """One client's connection, run by one thread; ``stop`` may be called from another."""

    def __init__(
        self,
        sock: socket.socket,
        peer: str,
        respond: Respond,
        limits: Limits,
        on_answer: OnAnswer = lambda status, seconds: None,
    ) -> None:
        self.peer = peer
        self._sock = sock
        self._respond = respond
        self._limits = limits
        self._buffer = bytearray()
        self._on_answer = on_answer
        self._stopping = False
        self._idle = True
        self._idle_since = time.monotonic()

    @property
    def idle_since(self) -> float | None:
        """Since when nothing of a request has come, by ``time.monotonic``; ``None``: one is being served."""
        return self._idle_since if self._idle and not self._stopping else None

    def stop(self) -> None:
        """Answer what has begun, then close; a connection without a request in it closes at once."""
        self._stopping = True
        if self._idle:
            # What the kernel holds already can still be read after this, so no request is lost.
            _quietly(self._sock.shutdown, socket.SHUT_RD)

    def abort(self) -> None:
        """Close now, whatever is going on."""
        _quietly(self._sock.shutdown, socket.SHUT_RDWR)

    def run(self) -> None:
        """Serve until either side is done. The caller closes the socket."""
        try:
            if self._sock.family != socket.AF_UNIX:
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(1, self._limits.requests + 1):
                if not self._serve_one(last=number == self._limits.requests):
                    return
        except OSError:
            return  # the client is gone, or took no bytes for too long: nobody is left to be told

    def _serve_one(self, last: bool) -> bool:
        """One request and its answer; ``False``: the connection is over."""
        try:
            head = self._next_head()
            body = self._form(head) if head is not None else b""
        except Refused as refused:
            response = error_response(refused.status, str(refused))
            self._send(response.without_body() if refused.is_head else response, True, None, time.monotonic())
            self._linger()
            return False
        if head is None:
            return False
        began = time.monotonic()
        with ExitStack() as until_sent:
            response = self._respond(Request(head.method, head.target, head.headers, body), until_sent)
            close = last or self._stopping or not head.keep_alive
            self._send(response, close, head, began)
        if close:
            self._linger()
        return not close

    def _next_head(self) -> Head | None:
        """The next head; ``None``: the client closed, or sent nothing in time."""
        self._idle_since = time.monotonic()
        self._idle = not self._buffer
        if self._stopping:
            self.stop()  # it may have been called while the last answer was on its way
        deadline = time.monotonic() + (self._limits.idle_s if self._idle else self._limits.head_s)
        while True:
            if self._buffer and (found := read_head(self._buffer)) is not None:
                head, end = found
                del self._buffer[:end]
                return head
            try:
                received = self._receive(deadline)
            except TimeoutError:
                if self._idle:
                    return None
                raise Refused(408, "Request head took too long", self._buffer.startswith(b"HEAD ")) from None
            if not received:
                return None
            if self._idle:
                self._idle = False
                deadline = time.monotonic() + self._limits.head_s
            self._buffer += received

    def _form(self, head: Head) -> bytes:
        """The body of a form of the pages; of anything else none is read, and the connection closes anyway."""
        length = int(head.headers.get("content-length", "0"))
        path = path_and_query(head.target)[0]
        if head.method != "POST" or path not in FORM_PATHS or length > MAX_FORM_BYTES:
            return b""
        deadline = time.monotonic() + self._limits.head_s
        while len(self._buffer) < length:
            try:
                received = self._receive(deadline)
            except TimeoutError:
                raise Refused(408, "The form took too long", False) from None
            if not received:
                raise Refused(400, "The form ended too early", False)
            self._buffer += received
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _receive(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv(MAX_HEAD_BYTES)

    def _send(self, response: Response, close: bool, head: Head | None, began: float) -> None:
        """Send an answer and log it, one that nobody took too. ``head``: ``None`` where it was refused."""
        note = ", not taken"
        deadline = time.monotonic() + self._limits.write_s
        start, body = wire_head(response, close, head.minor if head else 1), response.body
        try:
            # In one piece, or each would go out in a packet of its own; but a large body is not copied for that.
            for piece in (start + body,) if len(body) <= SMALL_BYTES else (start, body):
                self._sock.settimeout(max(0.001, deadline - time.monotonic()))  # sendall makes it a total
                self._sock.sendall(piece)
            note = ""
        finally:
            took_s = time.monotonic() - began
            self._on_answer(response.status, took_s)
            _log_access(self.peer, head, response, took_s, note)

    def _linger(self) -> None:
        # Closing with unread bytes makes the kernel send a reset, which may overtake the answer.
        _quietly(self._sock.shutdown, socket.SHUT_WR)
        deadline = time.monotonic() + self._limits.linger_s
        left = self._limits.linger_bytes
        try:
            while left > 0 and (received := self._receive(deadline)):
                left -= len(received)
        except TimeoutError:
            return


def wire_head(response: Response, close: bool, minor: int = 1) -> bytes:
    """What goes over the wire before a response's body."""
    lines = [f"HTTP/1.1 {response.status} {response.reason}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if close:
        lines.append("Connection: close")
    elif minor == 0:
        lines.append("Connection: keep-alive")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _log_access(peer: str, head: Head | None, response: Response, took_s: float, note: str) -> None:
    if _access.isEnabledFor(logging.INFO):
        method, target = (head.method, safe_target(head.target)) if head else ("-", "-")
        size, ms = len(response.body), took_s * 1000
        fields = {"peer": peer, "method": method, "target": target, "status": response.status, "bytes": size}
        fields |= {"ms": round(ms, 1), "taken": not note}
        text = "%s %s %s %d %d %.1fms%s"
        _access.info(text, peer, method, target, response.status, size, ms, note, extra={FIELDS: fields})


def _quietly(call: Callable[[int], None], argument: int) -> None:
    try:
        call(argument)
    except OSError:
        return
