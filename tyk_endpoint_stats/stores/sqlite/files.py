"""Which file a URL names, whether it can serve as a store, and how a new one is made."""

import glob
import os
import secrets
from pathlib import Path

from tyk_endpoint_stats.errors import PluginError, UnusableStore
from tyk_endpoint_stats.stores.sqlite.connections import connect_reader, connect_writer, write_lock
from tyk_endpoint_stats.stores.sqlite.schema import check_ours, migrate
from tyk_endpoint_stats.urls import mask_url

__all__ = ["identity_of", "path_of", "prepare", "warnings_of"]

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
    if path.startswith("/"):  # as "sqlite:////" + an absolute path has it
        path = "/" + path.lstrip("/")
    if path in ("", ":memory:"):
        raise PluginError(f"{url!r} names no file; for a store in memory use memory://")
    # Of two slashes at the beginning POSIX leaves the meaning open, and pathlib keeps them.
    return Path(f"/{path.lstrip('/')}") if path.startswith("/") else Path(path)


def prepare(path: Path, timeout_s: float, *, may_create: bool = True) -> bool:
    """Make sure that a store of the newest schema is at ``path``; what can't serve is left untouched.

    Args:
        path: absolute, links followed.
        timeout_s: how long to wait for whoever writes.
        may_create: whether to make it where nothing is.

    Returns:
        Whether it can be written to.

    Raises:
        UnusableStore: and why.
    """
    if path.is_dir():
        raise UnusableStore(f"{path} is a directory; name a file in it")
    folder = path.parent
    if not folder.is_dir():
        raise UnusableStore(f"{folder} is no directory; make it first")
    filesystem = _mount_of(folder)[0]
    if filesystem in _NETWORK:
        raise UnusableStore(
            f"{path} is on a network file system ({filesystem}), where SQLite's locks fail; use a disk"
        )
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        if not may_create:
            raise UnusableStore(f"{path} does not exist") from None
        with write_lock(path, timeout_s):
            if not path.exists():
                _create(path)
        return True
    if size == 0:
        raise UnusableStore(f"{path} is empty; delete it, or name a file that does not exist yet")
    may_write = os.access(path, os.W_OK) and os.access(folder, os.W_OK)
    # Looking through SQLite, never by open(): closing a descriptor would drop this process's locks on the file.
    connection = connect_reader(path)
    try:
        up_to_date = check_ours(connection, str(path))
    finally:
        connection.close()
    if not up_to_date:
        if not may_write:
            raise UnusableStore(f"{path} has to be brought up to date, but it, or its folder, can't be written to")
        with write_lock(path, timeout_s):
            _migrate(path)
    return may_write


def identity_of(path: Path) -> tuple[int, int] | None:
    """Which file is at a path, ``None`` where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def warnings_of(path: Path, version: str) -> list[str]:
    """What to know about where a store lies, and whether it holds all that was merged into it.

    Args:
        path: absolute, links followed.
        version: what the store says.
    """
    warnings = []
    if _mount_of(path)[1] == path:
        warnings.append(
            f"{path} is mounted as a single file: what was merged last lies beside it, in {path.name}-wal, and is lost "
            "with the container; mount its folder instead"
        )
    try:
        written = Path(f"{path}.lock").read_text("ascii", "replace")
    except OSError:
        written = ""
    if _changes_in(version) < _changes_in(written):
        warnings.append(
            f"{path} lacks the last {_changes_in(written) - _changes_in(version):,} of {_changes_in(written):,} "
            f"changes: {path.name}-wal was lost, or the file was restored from a backup"
        )
    return warnings


def _changes_in(version: str) -> int:
    changes = version.partition("-")[0]
    return int(changes) if changes.isdecimal() else 0


def _create(path: Path) -> None:
    # Made beside its place and moved there whole: a crash never leaves half a store under the name.
    # Whoever was killed while making one left its draft; nobody else makes one now, under the lock.
    for leftover in path.parent.glob(f"{glob.escape(path.name)}.new-*"):
        leftover.unlink(missing_ok=True)
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


def _mount_of(path: Path) -> tuple[str, Path]:
    """The type of the file system that a path is on, and where that is mounted; ``""`` where it can't be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "", Path("/")
    real = path.resolve()
    best, kind = Path("/"), ""
    for mount in mounts:
        _, point, found, *_ = [*mount.split(" "), "", "", ""]
        place = Path(point.replace("\\040", " "))
        if (real == place or place in real.parents) and len(str(place)) >= len(str(best)):
            best, kind = place, found
    return kind, best
