"""One pass over a stream of JSON lines or of CSV, from where the store left it."""

from collections.abc import Callable, Iterator

from tyk_endpoint_stats.sources.blocks import ByteStream, read_blocks
from tyk_endpoint_stats.sources.contract import Chunk, Reading
from tyk_endpoint_stats.sources.jsonl import LineDecoder
from tyk_endpoint_stats.sources.place import Place, position_text
from tyk_endpoint_stats.sources.pump_csv import CsvDecoder, read_csv

__all__ = ["LineReading"]


class LineReading(Reading):
    """Chunks of a stream's lines or rows.

    Args:
        stream: the bytes.
        place: where to begin; ``None``: there is no whole line yet.
        total: how many bytes there are, if that is known.
        close: called once when the reading is closed.
    """

    def __init__(
        self, stream: ByteStream, place: Place | None, total: int | None, close: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._place = place
        self._close = close
        self.total = total
        if place is not None:
            self.source, self.begins, self.done = place.source, place.begins, place.offset

    def chunks(self) -> Iterator[Chunk]:
        """The chunks behind ``begins``, one for each block of whole lines or rows.

        Raises:
            SourceError: the stream can't be read on.
        """
        if self._place is None:
            return
        offset, before, header = self._place.offset, self._place.before, self._place.header
        blocks = (
            read_csv(self._stream, offset, before, header) if header else read_blocks(self._stream, offset, before)
        )
        decoder = CsvDecoder(header) if header else LineDecoder()
        # Lines before the place were not read, so those behind it have no number.
        number = 0 if offset else 1
        for block in blocks:
            if block.offset == 0 and not self._stream.still_has(0, self._place.head):
                return  # it was begun anew since its place was found: what is there now is another source
            chunk = decoder.decode(block, number)
            chunk.ends = position_text(block.ends, block.before)
            chunk.size = block.ends - block.offset
            yield chunk
            if number:
                number += block.count

    def close(self) -> None:
        """Give back the stream."""
        self._close()
