"""A Unix socket to listen at: with its mode from the first moment, and never in place of a live server's."""

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["listening", "remove"]

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where Python has no Unix sockets either
    fcntl = None  # type: ignore[assignment]


def listening(path: Path, mode: int, backlog: int) -> socket.socket:
    """A socket that listens at ``path``. What a server that was killed left there is taken away.

    Args:
        path: at most 107 bytes long, on Linux.
        mode: the file's permissions; to connect takes the right to write.
        backlog: how many connections the kernel keeps for us.

    Raises:
        OSError: a server listens there (``EADDRINUSE``), or a file that is no socket lies there (``EEXIST``), or
            no socket can be made there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Of two servers that start over the same left-over socket, the second would take away the first one's.
        with _locked(path.absolute().parent):
            _clear(path)
            sock.bind(os.fspath(path))
            path.chmod(mode)  # before anybody can connect: that takes listen()
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def remove(path: Path, inode: int) -> None:
    """Take a socket away when its server ends, unless another one lies there by now."""
    with suppress(OSError):
        if path.lstat().st_ino == inode:
            path.unlink()


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "a file that is no socket lies there; it was left alone", str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        found = probe.connect_ex(os.fspath(path))
    if found not in (errno.ECONNREFUSED, errno.ENOENT):
        # Connected, or its queue is full, or it belongs to somebody whose socket we may not try.
        raise OSError(errno.EADDRINUSE, "a server listens there already", str(path))
    path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
