"""One file of records, plain or gzip, told by its bytes: renamed, grown or compressed it is the same source."""

import os
import stat
import time
from io import FileIO
from pathlib import Path

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.blocks import ByteStream
from tyk_endpoint_stats.sources.contract import PositionLookup, Reading, Source
from tyk_endpoint_stats.sources.gzipped import MAGIC, GzipStream
from tyk_endpoint_stats.sources.place import Place, find_place, read_at
from tyk_endpoint_stats.sources.reading import LineReading

__all__ = ["FileSource", "PlainStream", "VerifiedLengths", "open_regular", "read_file", "read_place"]

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_COARSE_S = 2.0
_KINDS = (
    (stat.S_ISDIR, "is a directory; name the files in it, such as {path}/*.jsonl"),
    (stat.S_ISFIFO, "is a named pipe; it can be read as stdin: - < {path}"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISCHR, "is a device"),
)


class FileSource(Source):
    """One file.

    Args:
        path: where it is now.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.label = path
        self._lengths = VerifiedLengths()

    def stamp(self) -> tuple[int, ...] | None:
        """See the contract. Of a file changed just now it can't be told: file systems' clocks are coarse."""
        try:
            status = Path(self.path).stat()
        except (OSError, ValueError):
            return None
        age_s = time.time() - max(status.st_mtime, status.st_ctime)
        return (*_stamp(status), status.st_ctime_ns) if age_s > _COARSE_S else None

    def open(self, position: PositionLookup) -> Reading:
        """See the contract. A gzip file is read to its end once before anything of it is counted."""
        return read_file(open_regular(self.path), self.label, position, self._lengths)


class VerifiedLengths:
    """The length of a gzip file that was found sound, so that asking again does not read it once more."""

    def __init__(self) -> None:
        self._stamp: tuple[int, ...] = ()
        self._length = 0

    def get(self, stamp: tuple[int, ...]) -> int | None:
        """The length, if the file is still the same."""
        return self._length if stamp == self._stamp else None

    def put(self, stamp: tuple[int, ...], length: int) -> None:
        """Keep the length of this file, and of no other."""
        self._stamp, self._length = stamp, length


def read_file(raw: FileIO, label: str, position: PositionLookup, lengths: VerifiedLengths) -> Reading:
    """A reading of an open regular file, which closes it.

    Raises:
        SourceError: it can't be read, or is a gzip file that is not sound.
    """
    try:
        status = os.fstat(raw.fileno())
        plain = PlainStream(raw, label)
        if read_at(plain, 0, len(MAGIC)) != MAGIC:
            return LineReading(plain, find_place(plain, position), status.st_size, raw.close)
        stamp = _stamp(status)
        packed = GzipStream(raw, label, lengths.get(stamp))
        place = find_place(packed, position)
        lengths.put(stamp, packed.verify())
        return LineReading(packed, place, packed.length, raw.close)
    except BaseException:
        raw.close()
        raise


def read_place(raw: FileIO, label: str, place: Place) -> Reading:
    """Like ``read_file``, from a place that was found before; nothing if other bytes are there now."""
    try:
        plain = PlainStream(raw, label)
        if read_at(plain, 0, len(MAGIC)) != MAGIC:
            return LineReading(plain, place, os.fstat(raw.fileno()).st_size, raw.close)
        packed = GzipStream(raw, label)
        packed.verify()
        # A gzip stream can't go back cheaply while it is read, so it is compared once, here.
        seen = place.before or place.head
        is_same = read_at(packed, place.offset - len(place.before), len(seen)) == seen
        return LineReading(packed, place if is_same else None, packed.length, raw.close)
    except BaseException:
        raw.close()
        raise


class PlainStream(ByteStream):
    """The bytes of a file as they are."""

    def __init__(self, raw: FileIO, label: str) -> None:
        self._raw = raw
        self._label = label

    def seek(self, offset: int) -> None:
        """Go to an offset; past the end is the end."""
        # A position could say more than the file system can hold, which would be an error.
        self._raw.seek(min(offset, os.fstat(self._raw.fileno()).st_size))

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``."""
        try:
            return self._raw.readinto(view) or 0
        except OSError as problem:
            raise _unreadable(self._label, problem) from problem

    def still_has(self, offset: int, data: bytes) -> bool:
        """Whether ``data`` stands at an offset now: a logger may truncate the file at any time and begin anew."""
        at = self._raw.tell()
        try:
            return read_at(self, offset, len(data)) == data
        finally:
            self._raw.seek(at)


def open_regular(path: str) -> FileIO:
    """A regular file, opened for reading.

    Raises:
        SourceError: it can't be opened, or is something else.
    """
    try:
        # O_NONBLOCK: opening a named pipe would wait for its writer.
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem) from problem
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return FileIO(descriptor)
        kind = next((text for is_kind, text in _KINDS if is_kind(status.st_mode)), "is no regular file")
        raise SourceError(f"{path}: {kind.format(path=path)}")
    except BaseException:
        os.close(descriptor)
        raise


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _unreadable(label: str, problem: OSError | ValueError) -> SourceError:
    cause = problem.strerror if isinstance(problem, OSError) else None
    return SourceError(f"{label}: can't be read: {cause or problem}")
