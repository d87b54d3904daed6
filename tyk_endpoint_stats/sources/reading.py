"""One pass over a stream of records, from where the store left it."""

from collections.abc import Callable, Iterator

from tyk_endpoint_stats.sources.contract import Chunk, Reading
from tyk_endpoint_stats.sources.forms.blocks import ByteStream, Mark
from tyk_endpoint_stats.sources.forms.json_text import JSON_SPACE
from tyk_endpoint_stats.sources.forms.sniffer import read_at
from tyk_endpoint_stats.sources.place import Place, position_text

__all__ = ["StreamReading"]

_REST_BYTES = 64 * 2**10


class StreamReading(Reading):
    """Chunks of a stream's units.

    Args:
        stream: the bytes.
        place: where to begin; ``None``: there is no whole unit yet.
        total: how many bytes there are, if that is known.
        close: called once when the reading is closed.
        remember: called with each place up to which everything is merged.

    Attributes:
        is_of_pipe: the bytes come through a pipe.
    """

    is_of_pipe = False

    def __init__(
        self,
        stream: ByteStream,
        place: Place | None,
        total: int | None,
        close: Callable[[], None],
        remember: Callable[[Mark], None] = lambda mark: None,
    ) -> None:
        self._stream = stream
        self._place = place
        self._close = close
        self._remember = remember
        self._marks: dict[str, Mark] = {}
        self.total = total
        if place is not None:
            self.source, self.begins, self.done = place.source, place.begins, place.mark.offset
            if place.begins is not None:
                self._marks[place.begins] = place.mark

    def chunks(self) -> Iterator[Chunk]:
        """The chunks behind ``begins``, one for each block of whole units.

        Raises:
            SourceError: the stream can't be read on.
        """
        if self._place is None:
            self.waiting = self._bytes_behind(0)
            return
        mark, form = self._place.mark, self._place.form
        decoder = form.decoder()
        # Units before the place were not read, so those behind it have no number.
        number = 0 if mark.offset else 1
        for block in form.blocks(self._stream, mark):
            if block.offset == 0 and not self._stream.still_has(0, self._place.head):
                return  # it was begun anew since its place was found: what is there now is another source
            chunk = decoder.decode(block, number)
            chunk.ends = position_text(block.ends, is_of_pipe=self.is_of_pipe)
            chunk.size = block.ends.offset - mark.offset
            mark = self._marks[chunk.ends] = block.ends
            yield chunk
            if number:
                number += block.count
            del block, chunk  # a line of 16 MiB is not kept beside the next one
        self.waiting = self._bytes_behind(mark.offset)

    def acknowledge(self, position: str | None) -> None:
        """See the contract."""
        mark = self._marks.get(position) if position is not None else None
        if position is not None and mark is not None:
            self._marks = {position: mark}
            self._remember(mark)

    def close(self) -> None:
        """Give back the stream."""
        self._close()

    def _bytes_behind(self, offset: int) -> int:
        """How many bytes were read behind an offset, unless there is but space in them."""
        size = self._stream.at - offset
        if size <= 0 or (size <= _REST_BYTES and not read_at(self._stream, offset, size).strip(JSON_SPACE)):
            return 0
        return size
