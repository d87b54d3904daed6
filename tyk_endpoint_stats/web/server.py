"""The stdlib server: sockets and threads around ``routes.respond``, and no HTTP of its own."""

import errno
import logging
import socket
import socketserver
import sys
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import Struct

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web import unix_socket
from tyk_endpoint_stats.web.connection import Connection, Limits
from tyk_endpoint_stats.web.log_lines import one_line
from tyk_endpoint_stats.web.messages import Request, Response, busy_response
from tyk_endpoint_stats.web.operations import METRICS_PATH, Operations, respond_about_process
from tyk_endpoint_stats.web.response_cache import ResponseCache
from tyk_endpoint_stats.web.routes import OPEN_ROUTES, respond
from tyk_endpoint_stats.web.send_budget import SendBudget
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.targets import path_and_query
from tyk_endpoint_stats.web.turned_away import TurnedAway

__all__ = ["Server", "UnixAddress", "make_server"]

_RESERVED_DESCRIPTORS = 96
"""Left free for the store's connections, log files and the connections that are being turned away."""

_log = logging.getLogger(__name__)


class UnixAddress(Struct, frozen=True):
    """A Unix socket to listen at: its path, and its file's permissions. To connect takes the right to write."""

    path: Path
    mode: int = 0o660


def make_server(
    store: ReadableStore,
    *,
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 3000,
    unix: UnixAddress | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    operations: Operations = Operations(),  # noqa: B008 - frozen
) -> "Server":
    """A server that is bound and listens, but does not serve yet.

    ::

        with make_server(store, settings=Settings(tokens=Tokens(["..."])), port=0) as server:
            print(server.url)
            server.serve_forever()

    Args:
        store: what is asked. It stays the caller's: the server never closes it.
        settings: tokens, zone, page size, reading of the last day.
        host: an address or a name; ``"::1"`` and ``"::"`` are IPv6.
        port: 0: one that is free; ``server.url`` has it.
        unix: a Unix socket to listen at instead.
        limits: deadlines and bounds.
        operations: what ``/ready`` and ``/metrics`` say of the process.

    Returns:
        A ``socketserver`` server: ``serve_forever()`` serves until another thread calls ``shutdown()``,
        which lets requests in flight end.

    Raises:
        OSError: the address can't be bound.
    """
    return Server(store, settings, unix or (host, port), limits, operations)


class Server(socketserver.TCPServer):
    """One thread a connection, at most ``limits.connections`` of them. Made by ``make_server``."""

    allow_reuse_address = True

    def __init__(
        self,
        store: ReadableStore,
        settings: Settings,
        address: tuple[str, int] | UnixAddress,
        limits: Limits,
        operations: Operations,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self._store = store
        self._operations = operations
        self._kept = ResponseCache(store, settings)
        self.max_connections = _fitting_descriptors(limits.connections)
        self._changed = threading.Condition()
        self._open: set[Connection] = set()
        self._stopping = False
        self._serving_thread: threading.Thread | None = None
        self._asking = threading.BoundedSemaphore(limits.questions)
        self._unsent = SendBudget(limits.unsent_bytes)
        self._turned_away = TurnedAway(limits)
        self._said_at: dict[str, float] = {}
        self._unix: tuple[Path, int] | None = None
        self.request_queue_size = limits.backlog
        self._listen(address)
        # A client that is gone again between select and accept would otherwise block the loop.
        self.socket.setblocking(False)
        if operations.metrics is not None:
            operations.metrics.connections = lambda: self.connections
        self._warn_of_short_tokens()

    def _listen(self, address: tuple[str, int] | UnixAddress) -> None:
        if not isinstance(address, UnixAddress):
            self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            super().__init__(address, socketserver.BaseRequestHandler)
            return
        self.address_family = socket.AF_UNIX
        super().__init__(("", 0), socketserver.BaseRequestHandler, bind_and_activate=False)
        self.socket.close()  # made, and not bound yet
        self.socket = unix_socket.listening(address.path, address.mode, self.request_queue_size)
        self._unix = (address.path.absolute(), address.path.lstat().st_ino)

    def reconfigure(self, settings: Settings) -> None:
        """Answer by other settings from now on; requests in flight end by the earlier ones. None closes."""
        kept = ResponseCache(self._store, settings)
        self.settings, self._kept = settings, kept
        self._warn_of_short_tokens()

    def _warn_of_short_tokens(self) -> None:
        if short := self.settings.tokens.short:
            _log.warning("%d of the tokens have fewer than 16 characters", short)

    @property
    def url(self) -> str:
        """Where the server listens, without a slash at the end; ``unix:PATH`` of a Unix socket."""
        if self._unix is not None:
            return f"unix:{self._unix[0]}"
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"http://{host!s}:{port}"

    @property
    def connections(self) -> int:
        """How many connections are open; at most ``max_connections`` are."""
        return len(self._open)

    def respond(self, request: Request) -> Response:
        """The answer to a request, as any client of this server gets it, without a socket."""
        answer = respond_about_process(request, self.settings.tokens, self._operations)
        return answer or respond(request, self._store, self.settings)

    def serve_forever(self, poll_interval: float = 0.1) -> None:
        """Serve until another thread calls ``shutdown``; return at once if one has.

        Args:
            poll_interval: seconds after which a ``shutdown`` is noticed at the latest.
        """
        with self._changed:
            if self._stopping:
                return
            self._serving_thread = threading.current_thread()
        try:
            super().serve_forever(poll_interval)
        finally:
            with self._changed:
                self._serving_thread = None

    def shutdown(self) -> None:
        """Stop accepting, close idle connections, let requests in flight end; at most ``limits.drain_s``.

        Connections that the kernel has accepted for us are served too if their request is there. What is
        not done in time is cut off. Calling it again does nothing.

        Raises:
            RuntimeError: called by the thread that serves, which would wait for itself.
        """
        if threading.current_thread() is self._serving_thread:
            raise RuntimeError("shutdown() must be called from another thread than serve_forever()")
        with self._changed:
            self._stopping = True
            serving = self._serving_thread is not None
        if serving:
            super().shutdown()
        deadline = time.monotonic() + self.limits.drain_s
        with suppress(OSError):
            # Not until there are none: clients that keep on connecting would keep it from ending.
            for _ in range(self.limits.backlog):
                self.process_request(*self.get_request())
        self.server_close()
        with self._changed:
            for connection in self._open:
                connection.stop()
            if not self._changed.wait_for(lambda: not self._open, deadline - time.monotonic()):
                _log.warning("%d connections were cut off by the shutdown", len(self._open))
                for connection in self._open:
                    connection.abort()
                self._changed.wait_for(lambda: not self._open, 0.5)

    def server_close(self) -> None:
        """Close the listening socket. Connections go on; ``shutdown`` ends them."""
        super().server_close()
        if self._unix is not None:
            unix_socket.remove(*self._unix)
        self._turned_away.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; without descriptors wait a little, so that the loop does not spin."""
        try:
            return super().get_request()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                if self._may_say("accept"):
                    _log.error("can't accept: %s", one_line(problem))
                time.sleep(0.05)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, or turn it away."""
        peer = str(client_address[0]) if client_address else "unix"
        connection = Connection(request, peer, partial(self._respond_to, peer), self.limits, self._on_answer)
        with self._changed:
            if has_room := self._has_room():
                self._open.add(connection)
        if not has_room:
            self._turn_away(request)
            return
        try:
            threading.Thread(target=self._run, args=(connection, request), name=f"http {peer}", daemon=True).start()
        except RuntimeError:  # the process may have no more threads
            self._forget(connection)
            self._turn_away(request)

    def _has_room(self) -> bool:
        """Whether there is a place; one that has been idle for a while is made free for it. Holds the lock."""
        if len(self._open) < self.max_connections:
            return True
        long_ago = time.monotonic() - self.limits.head_s
        idle = [(since, each) for each in self._open if (since := each.idle_since) is not None and since < long_ago]
        if not idle:
            return False
        min(idle, key=itemgetter(0))[1].stop()
        # Its thread has nothing to do but close.
        return self._changed.wait_for(lambda: len(self._open) < self.max_connections, 0.1)

    def service_actions(self) -> None:
        """Called between two rounds of accepting: close what was turned away a while ago."""
        self._turned_away.close_due()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line in the log, where the standard library prints a traceback."""
        problem = sys.exc_info()[1]
        if problem is not None:
            _log.error("connection failed: %s", one_line(problem))

    def _respond_to(self, peer: str, request: Request, until_sent: ExitStack) -> Response:
        if _is_about_process(request):  # never from what was kept of the store's answers
            response = self.respond(request)
        else:
            response = self._kept.respond(
                request,
                ask=lambda asked: self._respond_in_turn(asked, until_sent),
                give=lambda kept: self._if_there_is_room(kept, until_sent),
            )
        if response.status == 401 and self._may_say(f"401 {peer}"):
            _log.warning("wrong or missing token from %s", peer)
        return response

    def _respond_in_turn(self, request: Request, until_sent: ExitStack) -> Response:
        """No more questions at once than their answers have room for; whether we live can be asked at any time."""
        if self._needs_no_turn(request):
            return self.respond(request)
        if not self._asking.acquire(timeout=self.limits.wait_s):
            if self._may_say("questions"):
                _log.warning("%d questions are being answered, others are turned away", self.limits.questions)
            return busy_response().without_body() if request.method == "HEAD" else busy_response()
        try:
            # Before the next question's turn, or bodies that have no room yet would come together.
            return self._if_there_is_room(self.respond(request), until_sent)
        finally:
            self._asking.release()

    def _needs_no_turn(self, request: Request) -> bool:
        """Whether the store is hardly asked: a client without a valid token need not wait to hear so."""
        if path_and_query(request.target)[0] in OPEN_ROUTES:
            return True
        return self.settings.tokens.find(request.headers.get("authorization")) is None

    def _on_answer(self, status: int, seconds: float) -> None:
        if self._operations.metrics is not None:
            self._operations.metrics.answered(status, seconds)

    def _if_there_is_room(self, response: Response, until_sent: ExitStack) -> Response:
        return response if until_sent.enter_context(self._unsent.taken(len(response.body))) else busy_response()

    def _run(self, connection: Connection, sock: socket.socket) -> None:
        try:
            connection.run()
        except Exception as problem:  # the connection is lost, the server is not
            _log.error("connection failed: %s", one_line(problem))
        finally:
            sock.close()
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def _turn_away(self, sock: socket.socket) -> None:
        """Answer without a thread."""
        if self._operations.metrics is not None:
            self._operations.metrics.turned_away()
        if self._may_say("full"):
            _log.warning("%d connections are open, others are turned away", self.max_connections)
        self._turned_away.add(sock)

    def _may_say(self, what: str) -> bool:
        """Whether it is a second since this was said last."""
        now = time.monotonic()
        with self._changed:
            if now - self._said_at.get(what, -1.0) < 1.0:
                return False
            if len(self._said_at) >= 1_024:
                self._said_at.clear()
            self._said_at[what] = now
            return True


def _is_about_process(request: Request) -> bool:
    return path_and_query(request.target)[0] == METRICS_PATH


def _fitting_descriptors(connections: int) -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return connections
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, limit - _RESERVED_DESCRIPTORS))
