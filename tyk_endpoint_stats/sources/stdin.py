"""Stdin as a source: exactly once like a file, also where it is a pipe and can be read only once."""

import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.blocks import WINDOW_BYTES
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Source
from tyk_endpoint_stats.sources.file import VerifiedLengths, read_file
from tyk_endpoint_stats.sources.gzipped import MAGIC
from tyk_endpoint_stats.sources.place import Beginning, Place, beginning_of, find_place, offset_of, read_at
from tyk_endpoint_stats.sources.reading import LineReading
from tyk_endpoint_stats.sources.spool import Spool, nameless_file, write_all

__all__ = ["StdinSource"]

_PIECE_BYTES = 256 * 2**10
_MAX_KEPT_BYTES = 2**30
"""Batches are smaller; only a line without an end could fill the disk."""


class StdinSource(Source):
    """Stdin: records alone or in envelopes, plain or gzip, from a file or through a pipe.

    It can be opened again in the same process, as every source, from where the store stands.

    Args:
        descriptor: what to read; it is not closed.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self.label = "stdin"
        self._descriptor = descriptor
        self._lengths = VerifiedLengths()
        self._file: FileIO | None = None
        self._spool: Spool | None = None
        self._beginning: Beginning | None = None

    def open(self, position: PositionLookup) -> Reading:
        """See the contract. A gzip pipe is stored and read to its end before anything of it is counted."""
        if self._spool is None and self._file is None:
            self._meet()
        if self._spool is not None and self._beginning is None:
            self._spool.max_kept_bytes = None  # where to begin is not known yet: it may be the first byte
            if read_at(self._spool, 0, len(MAGIC)) == MAGIC:
                self._file = _stored(self._spool)
                self._spool, self.ended = None, True
            else:
                self._beginning = beginning_of(self._spool)
        if self._spool is None:
            assert self._file is not None
            return read_file(FileIO(os.dup(self._file.fileno())), self.label, position, self._lengths)
        self._spool.max_kept_bytes = None
        place = find_place(self._spool, position, self._beginning) if self._beginning else None
        if place is not None and place.offset < self._spool.begins:
            raise SourceError(f"{self.label}: another source took over its position; give it once more")
        return _PipeReading(self._spool, place, self._is_at_its_end)

    def close(self) -> None:
        """Give back the disk that what was read through a pipe takes; it can't be read any more."""
        if self._spool is not None:
            self._spool.close()
        if self._file is not None:
            self._file.close()

    def _is_at_its_end(self) -> bool:
        self.ended = self._spool is None or self._spool.ended
        return self.ended

    def _meet(self) -> None:
        """Find out whether stdin can be read as a file."""
        try:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode) and not os.lseek(self._descriptor, 0, os.SEEK_CUR):
                self._file = FileIO(self._descriptor, closefd=False)
                return
        except OSError as problem:
            raise SourceError(f"{self.label}: can't be read: {problem.strerror or problem}") from problem
        self._spool = Spool(self._descriptor, self.label)


def _stored(spool: Spool) -> FileIO:
    """All of a pipe in a file that has no name."""
    file = nameless_file()
    view = memoryview(bytearray(_PIECE_BYTES))
    spool.seek(0)
    while not spool.ended:
        got = spool.readinto(view)
        write_all(file, view[:got])
        spool.forget(spool.end)
    spool.close()
    return file


class _PipeReading(LineReading):
    """A reading that lets go of what is merged."""

    def __init__(self, spool: Spool, place: Place | None, is_at_its_end: Callable[[], bool]) -> None:
        super().__init__(spool, place, None, lambda: None)
        self._spool = spool
        self._is_at_its_end = is_at_its_end
        self.waits = not is_at_its_end()
        spool.max_kept_bytes = _MAX_KEPT_BYTES

    def chunks(self) -> Iterator[Chunk]:
        """See the contract. They end where nothing comes for a while, so that what came can be merged."""
        yield from super().chunks()
        self.waits = not self._is_at_its_end()

    def acknowledge(self, position: str | None) -> None:
        """See the contract. The bytes by which the position is known are kept."""
        offset = offset_of(position) if position is not None else None
        if offset is not None:
            self._spool.forget(offset - WINDOW_BYTES)
