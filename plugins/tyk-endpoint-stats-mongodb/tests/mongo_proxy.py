"""A proxy before a server that can lose an answer: the command was run, and its client never hears of it."""

import socket
import threading
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]


class Proxy:
    """Forwards bytes both ways.

    Attributes:
        address: where clients connect to.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.partition(":")
        self._server = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._swallowing = threading.Event()
        self._frozen = threading.Event()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow_next_answer(self) -> None:
        """From now on, whatever the server sends is thrown away and the connection closed, once.

        A monitoring connection may be hit instead of the one that is meant; so all that are open are cut, each
        as soon as an answer comes.
        """
        self._swallowing.set()

    def freeze(self) -> None:
        """From now on nothing goes through; connections stay open and new ones are taken."""
        self._frozen.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in [self._listening, *self._sockets]:
            _cut(sock)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, True), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, are_answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if are_answers and self._swallowing.is_set() and not _is_monitoring(data):
                    self._swallowing.clear()
                    break
                if not self._frozen.is_set():
                    target.sendall(data)
        except OSError:
            pass
        _cut(source)
        _cut(target)


def _is_monitoring(answer: bytes) -> bool:
    return b"topologyVersion" in answer and b"maxWireVersion" in answer


def _cut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()
