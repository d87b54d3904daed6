"""One file of records, packed or not, told by its bytes: renamed, grown or compressed it is the same source."""

import os
import stat
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import PositionLookup, Reading, Source
from tyk_endpoint_stats.sources.explanation import Explanation, explanation_of, looks_of_stream
from tyk_endpoint_stats.sources.forms.blocks import ByteStream, Mark
from tyk_endpoint_stats.sources.forms.compressed import HEAD_BYTES, PackedStream, compression_of
from tyk_endpoint_stats.sources.forms.sniffer import form_of, read_at, refuse_other_files
from tyk_endpoint_stats.sources.place import Place, find_place
from tyk_endpoint_stats.sources.reading import StreamReading

__all__ = [
    "FileMemory",
    "FileSource",
    "PlainStream",
    "explain_file",
    "identity_of",
    "looks_of_file",
    "open_regular",
    "read_file",
    "read_place",
    "stream_of",
]

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_COARSE_S = 2.0
_MAGIC_BYTES = 512
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
        self._memory = FileMemory()

    def stamp(self) -> tuple[int, ...] | None:
        """See the contract. Of a file changed just now it can't be told: file systems' clocks are coarse."""
        try:
            status = Path(self.path).stat()
        except (OSError, ValueError):
            return None
        age_s = time.time() - max(status.st_mtime, status.st_ctime)
        return (*_stamp(status), status.st_ctime_ns) if age_s > _COARSE_S else None

    def identity(self) -> tuple[int, int] | None:
        """See the contract."""
        return identity_of(self.path)

    def open(self, position: PositionLookup) -> Reading:
        """See the contract. A packed file is read to its end once before anything of it is counted."""
        return read_file(open_regular(self.path), self.label, position, self._memory)

    def looks(self) -> str:
        """See the contract."""
        with open_regular(self.path) as raw:
            return looks_of_file(raw, self.label)

    def explain(self) -> Explanation:
        """What the file is taken for.

        Raises:
            SourceError: it can't be read.
        """
        with open_regular(self.path) as raw:
            return explain_file(raw, self.label)


class FileMemory:
    """What was found out about a file, so that asking again does not read it once more.

    Of a packed one that was found sound its length; of any the place up to which it was merged: its bytes before
    that are those that were read, as long as it is the same file and the last of them stand there.
    """

    def __init__(self) -> None:
        self._stamp: tuple[int, ...] = ()
        self._length = 0
        self._identity: tuple[int, ...] = ()
        self._mark = Mark()

    def length_of(self, status: os.stat_result) -> int | None:
        """The length, if the file is still the same."""
        return self._length if self._stamp == _stamp(status) else None

    def keep_length(self, status: os.stat_result, length: int) -> None:
        """Keep the length of this file, and of no other."""
        self._stamp, self._length = _stamp(status), length

    def marks_of(self, status: os.stat_result) -> tuple[Mark, ...]:
        """The places that are known in this file."""
        return (self._mark,) if self._identity == _identity(status) else ()

    def keep_mark(self, status: os.stat_result, mark: Mark) -> None:
        """Keep a place in this file, and in no other."""
        self._identity, self._mark = _identity(status), mark


def read_file(raw: FileIO, label: str, position: PositionLookup, memory: FileMemory) -> Reading:
    """A reading of an open regular file, which closes it.

    Raises:
        SourceError: it can't be read, is no file of records by its first bytes, or is packed and not sound.
    """
    try:
        status = os.fstat(raw.fileno())
        stream = stream_of(raw, label, memory.length_of(status))
        if not isinstance(stream, PackedStream):
            place = find_place(stream, position, anchors=memory.marks_of(status))
            remember: Callable[[Mark], None] = lambda mark: memory.keep_mark(status, mark)  # noqa: E731
            return StreamReading(stream, place, status.st_size, raw.close, remember)
        place = find_place(stream, position)
        memory.keep_length(status, stream.verify())
        return StreamReading(stream, place, stream.length, raw.close)
    except BaseException:
        raw.close()
        raise


def read_place(raw: FileIO, label: str, place: Place) -> Reading:
    """Like ``read_file``, from a place that was found before; nothing if other bytes are there now."""
    try:
        stream = stream_of(raw, label)
        if not isinstance(stream, PackedStream):
            return StreamReading(stream, place, os.fstat(raw.fileno()).st_size, raw.close)
        stream.verify()
        # A packed stream can't go back cheaply while it is read, so it is compared once, here.
        seen = place.mark.before or place.head
        is_same = read_at(stream, place.mark.offset - len(place.mark.before), len(seen)) == seen
        return StreamReading(stream, place if is_same else None, stream.length, raw.close)
    except BaseException:
        raw.close()
        raise


def stream_of(raw: FileIO, label: str, length: int | None = None) -> ByteStream:
    """The bytes of a file, decompressed.

    Args:
        raw: the file.
        label: how people know it.
        length: how many bytes a packed one has, where it was found sound before.

    Raises:
        SourceError: it can't be read, or is no file of records by its first bytes.
    """
    plain = PlainStream(raw, label)
    compression = compression_of(read_at(plain, 0, HEAD_BYTES))
    stream = plain if compression is None else PackedStream(raw, label, compression, length)
    refuse_other_files(read_at(stream, 0, _MAGIC_BYTES), label)
    return stream


def looks_of_file(raw: FileIO, label: str) -> str:
    """What a file looks like in which no record was found.

    Raises:
        SourceError: it can't be read.
    """
    stream = stream_of(raw, label)
    return looks_of_stream(stream, form_of(stream))


def explain_file(raw: FileIO, label: str) -> Explanation:
    """What an open regular file is taken for.

    Raises:
        SourceError: it can't be read.
    """
    compression = compression_of(read_at(PlainStream(raw, label), 0, HEAD_BYTES))
    stream = stream_of(raw, label)
    return explanation_of(stream, label, compression.name if compression else "")


class PlainStream(ByteStream):
    """The bytes of a file as they are."""

    def __init__(self, raw: FileIO, label: str) -> None:
        self._raw = raw
        self._label = label

    @property
    def at(self) -> int:
        """See ``ByteStream``."""
        return self._raw.tell()

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


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def identity_of(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Device and inode of a file, links followed; ``None``: there is none."""
    try:
        return _identity(Path(path).stat())
    except (OSError, ValueError):
        return None


def _unreadable(label: str, problem: OSError | ValueError) -> SourceError:
    cause = problem.strerror if isinstance(problem, OSError) else None
    return SourceError(f"{label}: can't be read: {cause or problem}")
