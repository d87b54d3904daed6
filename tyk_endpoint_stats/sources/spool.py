"""A pipe that can be read again from where the store stands: its bytes lie in temporary files until then."""

import os
import select
from collections import deque
from io import FileIO
from tempfile import TemporaryFile

from msgspec import Struct

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.forms.blocks import ByteStream

__all__ = ["Spool", "nameless_file", "write_all"]

_SEGMENT_BYTES = 32 * 2**20
_PIECE_BYTES = 64 * 2**10
_PATIENCE_MS = 500
_CAN_WAIT = hasattr(select, "poll")
"""Windows can wait for sockets alone; there a pipe is read until something comes."""


class _NamelessFile(FileIO):
    """Closed with whoever holds it: a source can be opened again as long as it is there, so it has no end."""

    def __del__(self) -> None:
        self.close()


def nameless_file() -> FileIO:
    """A temporary file that nobody else can open and that is gone with its last reference."""
    with TemporaryFile(buffering=0) as file:
        return _NamelessFile(os.dup(file.fileno()), "r+")


def write_all(file: FileIO, piece: memoryview) -> None:
    """Write a piece whole: a full disk takes a part of it before it is an error."""
    while piece:
        piece = piece[file.write(piece) :]


class _Segment(Struct):
    begins: int
    file: FileIO


class Spool(ByteStream):
    """The bytes of a pipe, with those that are not merged yet kept on disk.

    The files have no names, so nobody else can read them (records may hold credentials) and they are gone when
    the process is.

    Args:
        descriptor: the pipe; it is not closed.
        label: how people know it.

    Attributes:
        end: how much the pipe has given so far.
        ended: the pipe was closed: there will never be more.
        max_kept_bytes: more than this is not kept, whether or not it is merged; ``None``: all is.
    """

    def __init__(self, descriptor: int, label: str) -> None:
        self._raw = FileIO(descriptor, closefd=False)
        self._waiting = None
        if _CAN_WAIT:  # select() would know no descriptor past 1,023
            self._waiting = select.poll()
            self._waiting.register(descriptor, select.POLLIN)
        self._label = label
        self._segments: deque[_Segment] = deque()
        self._at = 0
        self.end = 0
        self.ended = False
        self.max_kept_bytes: int | None = None

    @property
    def at(self) -> int:
        """See ``ByteStream``."""
        return self._at

    def seek(self, offset: int) -> None:
        """Go to an offset; past the end of what comes soon is the end."""
        self._at = min(offset, self.end)
        view = memoryview(bytearray(min(_PIECE_BYTES, offset - self.at)))
        while self.at < offset and self.readinto(view[: offset - self.at]):
            pass

    def readinto(self, view: memoryview) -> int:
        """Fill some of ``view``: what was read before, then what the pipe has.

        0 at its end, where bytes are gone, and where nothing comes for a while: like a file, it may grow.
        """
        got = self._read_again(view) if self.at < self.end else self._read_on(view)
        self._at += got
        return got

    @property
    def begins(self) -> int:
        """The first offset that can still be read."""
        return self._segments[0].begins if self._segments else self.end

    def forget(self, offset: int) -> None:
        """Nothing before this offset will be asked for any more."""
        while len(self._segments) > 1 and self._segments[1].begins <= offset:
            self._segments.popleft().file.close()

    def close(self) -> None:
        """Give back the disk."""
        while self._segments:
            self._segments.pop().file.close()

    def _read_on(self, view: memoryview) -> int:
        try:
            if self._waiting is not None and not self._waiting.poll(_PATIENCE_MS):
                return 0
            got = self._raw.readinto(view)
        except OSError as problem:
            raise SourceError(f"{self._label}: can't be read: {problem.strerror or problem}") from problem
        if got is None:
            return 0  # whoever gave us the pipe has made it non-blocking, and another was faster
        if got:
            self._keep(view[:got])
        else:
            self.ended = True
        return got

    def _keep(self, piece: memoryview) -> None:
        if not self._segments or self.end - self._segments[-1].begins >= _SEGMENT_BYTES:
            self._segments.append(_Segment(self.end, nameless_file()))
            if self.max_kept_bytes is not None:
                self.forget(self.end - self.max_kept_bytes)
        try:
            file = self._segments[-1].file
            file.seek(0, os.SEEK_END)
            write_all(file, piece)
        except OSError as problem:
            raise SourceError(
                f"{self._label}: a piped source is kept in temporary files until it is merged, and there is no "
                f"room for them ({problem.strerror or problem}); set TMPDIR, or ingest a file"
            ) from problem
        self.end += len(piece)

    def _read_again(self, view: memoryview) -> int:
        for segment in reversed(self._segments):
            if segment.begins <= self.at:
                segment.file.seek(self.at - segment.begins)
                return segment.file.readinto(view) or 0
        return 0
