"""Which file a URL names, whether it can serve as a store, and how a new one is made."""

import os
import secrets
import sqlite3
from pathlib import Path

from tyk_endpoint_stats.errors import PluginError, UnusableStore
from tyk_endpoint_stats.stores.sqlite.connections import connect_writer, write_lock
from tyk_endpoint_stats.stores.sqlite.schema import check_ours, migrate
from tyk_endpoint_stats.urls import mask_url

__all__ = ["path_of", "prepare"]

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs"}


def path_of(url: str) -> Path:
    """The path in ``sqlite:///PATH``; nothing in it is decoded, ``#`` and ``%`` are characters like others.

    An absolute path may be written behind three slashes or, as people put it together, behind four.

    Raises:
        PluginError: there is no path, or something behind a ``?``.
    """
    _, _, rest = url.partition("://")
    rest, question_mark, _ = rest.partition("?")
    if question_mark:
        raise PluginError(f"{mask_url(url)!r}: a SQLite URL takes no options behind '?'")
    if not rest.startswith("/"):
        raise PluginError(
            f"{mask_url(url)!r} needs three slashes for a relative path and four for an absolute one: "
            f"sqlite:///{mask_url(rest) or 'stats.db'}"
        )
    path = rest[1:]
    if path in ("", ":memory:"):
        raise PluginError(f"{url!r} names no file; for a store in memory use memory://")
    # Of two slashes at the beginning POSIX leaves the meaning open, and pathlib keeps them.
    return Path(f"/{path.lstrip('/')}") if path.startswith("/") else Path(path)


def prepare(path: Path, timeout_s: float) -> None:
    """Make sure that a store of the newest schema is at ``path``; what can't serve is left untouched.

    Raises:
        UnusableStore: and why.
    """
    if path.is_dir():
        raise UnusableStore(f"{path} is a directory; name a file in it")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UnusableStore(f"{folder} is no directory; make it first")
    filesystem = _filesystem_of(folder)
    if filesystem in _NETWORK:
        raise UnusableStore(
            f"{path} is on a network file system ({filesystem}), where SQLite's locks fail; use a disk"
        )
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        with write_lock(path, timeout_s):
            if not path.exists():
                _create(path)
        return
    if size == 0:
        raise UnusableStore(f"{path} is empty; delete it, or name a file that does not exist yet")
    if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
        raise UnusableStore(f"{path} or its folder can't be written to; check their permissions")
    # Looking through SQLite, never by open(): closing a descriptor would drop this process's locks on the file.
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        up_to_date = check_ours(connection, str(path))
    finally:
        connection.close()
    if not up_to_date:
        with write_lock(path, timeout_s):
            _migrate(path)


def _create(path: Path) -> None:
    # Made beside its place and moved there whole: a crash never leaves half a store under the name.
    draft = path.with_name(f"{path.name}.new-{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        _migrate(draft)
        draft.replace(path)
    finally:
        for leftover in (draft, *(Path(f"{draft}{suffix}") for suffix in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)


def _migrate(path: Path) -> None:
    connection = connect_writer(path)
    try:
        migrate(connection)
    finally:
        connection.close()


def _filesystem_of(folder: Path) -> str:
    """The type of the file system a folder is on, ``""`` where it can't be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    real = folder.resolve()
    best, kind = 0, ""
    for mount in mounts:
        _, point, found, *_ = [*mount.split(" "), "", "", ""]
        if (real == Path(point) or Path(point) in real.parents) and len(point) >= best:
            best, kind = len(point), found
    return kind
