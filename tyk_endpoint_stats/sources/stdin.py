"""Stdin as a source: exactly once like a file, also where it is a pipe and can be read only once."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from io import FileIO

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import Chunk, PositionLookup, Reading, Source
from tyk_endpoint_stats.sources.explanation import Explanation, explanation_of, looks_of_stream
from tyk_endpoint_stats.sources.file import FileMemory, explain_file, looks_of_file, read_file
from tyk_endpoint_stats.sources.forms.blocks import WINDOW_BYTES, ByteStream, Mark
from tyk_endpoint_stats.sources.forms.compressed import HEAD_BYTES, compression_of
from tyk_endpoint_stats.sources.forms.sniffer import form_of, read_at, refuse_other_files
from tyk_endpoint_stats.sources.overlap import ShiftedStream, find_overlap, refuse_cut_stream
from tyk_endpoint_stats.sources.place import Beginning, Place, StoredPosition, beginning_of, find_place, mark_at
from tyk_endpoint_stats.sources.reading import StreamReading
from tyk_endpoint_stats.sources.spool import Spool, nameless_file, write_all

__all__ = ["StdinSource"]

_PIECE_BYTES = 256 * 2**10
_MAGIC_BYTES = 512
_MAX_KEPT_BYTES = 2**30
"""Batches are smaller; only a line without an end could fill the disk."""


class StdinSource(Source):
    """Stdin: whatever a file may hold, packed or not, from a file or through a pipe.

    It can be opened again in the same process, as every source, from where the store stands.

    Args:
        descriptor: what to read; it is not closed.

    Attributes:
        known: gives the sources of a store with their positions, so that a stream whose beginning was cut off since
            it was read is known again; ``None``: it is a new one.
        is_new: count a stream that is not known from its first record on, whatever was read before.
    """

    known: Callable[[], Iterable[tuple[str, str | None]]] | None = None
    is_new: bool = False

    def __init__(self, descriptor: int = 0) -> None:
        self.label = "stdin"
        self._descriptor = descriptor
        self._memory = FileMemory()
        self._file: FileIO | None = None
        self._spool: Spool | None = None
        self._beginning: Beginning | None = None
        self._mark = Mark()
        self._cut: tuple[str, ShiftedStream] | None = None

    def open(self, position: PositionLookup) -> Reading:
        """See the contract. A packed pipe is stored and read to its end before anything of it is counted."""
        self._meet()
        if self._spool is None:
            return read_file(self._again(), self.label, position, self._memory)
        if self._beginning is None:
            self._beginning = beginning_of(self._spool)
        self._spool.max_kept_bytes = None
        stream, place = self._place(self._spool, position)
        return _PipeReading(self._spool, stream, place, self._is_at_its_end, self._remember)

    def looks(self) -> str:
        """See the contract."""
        self._meet()
        if self._spool is None:
            return looks_of_file(self._again(), self.label)
        return looks_of_stream(self._spool, self._beginning.form if self._beginning else None)

    def explain(self) -> Explanation:
        """What stdin is taken for.

        Raises:
            SourceError: it can't be read.
        """
        self._meet()
        if self._spool is None:
            return explain_file(self._again(), self.label)
        return explanation_of(self._spool, self.label, "")

    def close(self) -> None:
        """Give back the disk that what was read through a pipe takes; it can't be read any more."""
        if self._spool is not None:
            self._spool.close()
        if self._file is not None:
            self._file.close()

    def _is_at_its_end(self) -> bool:
        self.ended = self._spool is None or self._spool.ended
        return self.ended

    def _remember(self, mark: Mark) -> None:
        self._mark = mark

    def _again(self) -> FileIO:
        assert self._file is not None
        return FileIO(os.dup(self._file.fileno()))

    def _meet(self) -> None:
        """Find out, once, whether stdin can be read as a file."""
        if self._file is not None or self._spool is not None:
            return
        try:
            if stat.S_ISREG(os.fstat(self._descriptor).st_mode) and not os.lseek(self._descriptor, 0, os.SEEK_CUR):
                self._file = FileIO(self._descriptor, closefd=False)
                return
        except OSError as problem:
            raise SourceError(f"{self.label}: can't be read: {problem.strerror or problem}") from problem
        spool = Spool(self._descriptor, self.label)
        if compression_of(read_at(spool, 0, HEAD_BYTES)) is not None:
            self._file, self.ended = _stored(spool), True
            return
        self._spool = spool
        refuse_other_files(read_at(spool, 0, _MAGIC_BYTES), self.label)

    def _place(self, spool: Spool, position: PositionLookup) -> tuple[ByteStream, Place | None]:
        """Where to begin, and in what."""
        if self._beginning is None:
            return spool, None
        if self._cut is None:
            place = find_place(spool, position, self._beginning, [self._mark])
            if place is not None and place.mark.offset < spool.begins:
                raise self._taken_over()
            if place is None or place.begins is not None or self._mark.offset or self.known is None:
                return spool, place
            if (found := self._overlap(spool, self.known())) is None:
                return spool, place
            return found
        source, stream = self._cut
        stored = StoredPosition.parse(position(source) or "")
        if stored is None or stored.offset < self._mark.offset:
            raise self._taken_over()
        mark = mark_at(stream, stored.offset, self._mark)
        if not stored.fits(mark):
            raise self._taken_over()
        return stream, Place(source, self._beginning.form, stored.text, mark)

    def _overlap(self, spool: Spool, known: Iterable[tuple[str, str | None]]) -> tuple[ByteStream, Place] | None:
        """The place of a stream whose beginning is gone; ``None``: it is a new one."""
        assert self._beginning is not None
        parsed = ((source, StoredPosition.parse(text or "")) for source, text in known)
        pipes = [(source, stored) for source, stored in parsed if stored is not None and stored.is_of_pipe]
        found = find_overlap(spool, pipes)
        if found is None:
            if pipes and not self.is_new:
                refuse_cut_stream(self.label, len(pipes))
            return None
        source, stored, self._mark, shift = found
        self._cut = source, ShiftedStream(spool, shift)
        # What stands behind the place says what it is: its first line may be the rest of one.
        form = form_of(ShiftedStream(spool, shift - stored.offset)) or self._beginning.form
        self._beginning = Beginning(self._beginning.name, form, self._beginning.head)
        return self._cut[1], Place(source, form, stored.text, self._mark)

    def _taken_over(self) -> SourceError:
        return SourceError(f"{self.label}: another source took over its position; give it once more")


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


class _PipeReading(StreamReading):
    """A reading that lets go of what is merged."""

    is_of_pipe = True

    def __init__(
        self,
        spool: Spool,
        stream: ByteStream,
        place: Place | None,
        is_at_its_end: Callable[[], bool],
        remember: Callable[[Mark], None],
    ) -> None:
        super().__init__(stream, place, None, lambda: None, remember)
        self._spool = spool
        self._shift = stream.shift if isinstance(stream, ShiftedStream) else 0
        self._is_at_its_end = is_at_its_end
        self.waits = not is_at_its_end()
        spool.max_kept_bytes = _MAX_KEPT_BYTES

    def chunks(self) -> Iterator[Chunk]:
        """See the contract. They end where nothing comes for a while, so that what came can be merged."""
        yield from super().chunks()
        self.waits = not self._is_at_its_end()

    def acknowledge(self, position: str | None) -> None:
        """See the contract. The bytes by which the position is known are kept."""
        super().acknowledge(position)
        stored = StoredPosition.parse(position) if position is not None else None
        if stored is not None:
            self._spool.forget(stored.offset - self._shift - WINDOW_BYTES)
