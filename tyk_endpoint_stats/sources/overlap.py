"""A stream whose beginning is gone: where it goes on from what was read of it before.

A container's log drops its oldest lines, and ``--since`` or ``tail -n`` cut it, so its first record is another and
its name, too. The bytes before the stored position are in the new stream nevertheless.
"""

from collections.abc import Iterable

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.forms.blocks import BLOCK_BYTES, WINDOW_BYTES, ByteStream, Mark
from tyk_endpoint_stats.sources.place import StoredPosition, window_hash

__all__ = ["ShiftedStream", "find_overlap", "refuse_cut_stream"]


class ShiftedStream(ByteStream):
    """A stream by the offsets it would have with its beginning.

    Args:
        stream: what is left of it.
        shift: how many bytes are gone.
    """

    def __init__(self, stream: ByteStream, shift: int) -> None:
        self._stream = stream
        self.shift = shift

    @property
    def at(self) -> int:
        """See ``ByteStream``."""
        return self._stream.at + self.shift

    def seek(self, offset: int) -> None:
        """See ``ByteStream``."""
        self._stream.seek(offset - self.shift)

    def readinto(self, view: memoryview) -> int:
        """See ``ByteStream``."""
        return self._stream.readinto(view)


def find_overlap(
    stream: ByteStream, known: Iterable[tuple[str, StoredPosition]]
) -> tuple[str, StoredPosition, Mark, int] | None:
    """Where what was read before ends in a stream; all that is there of it is read for that.

    Args:
        stream: the bytes.
        known: sources and their positions.

    Returns:
        The source, its position, the same as a place, and how many of its bytes are gone from the stream. ``None``:
        it has nothing of any of them, or less than the bytes by which a position is known.
    """
    wanted = {
        stored.window: (source, stored) for source, stored in known if stored.offset >= WINDOW_BYTES and stored.crc
    }
    if not wanted:
        return None
    stream.seek(0)
    view = memoryview(bytearray(BLOCK_BYTES))
    data, begins = b"", 0
    while got := stream.readinto(view):
        data += view[:got]
        end = data.find(b"\n", max(WINDOW_BYTES, len(data) - got) - 1) + 1
        while end:
            before = data[end - WINDOW_BYTES : end]
            found = wanted.get(window_hash(before))
            if found is not None:
                source, stored = found
                shift = stored.offset - begins - end
                return source, stored, Mark(stored.offset, before, stored.crc or 0), shift
            end = data.find(b"\n", end) + 1
        begins += max(0, len(data) - WINDOW_BYTES)
        data = data[-WINDOW_BYTES:]
    return None


def refuse_cut_stream(label: str, source_count: int) -> None:
    """Refuse a stream that may have been read before and can't be told from a new one.

    Raises:
        SourceError: always.
    """
    raise SourceError(
        f"{label}: this stream begins with another record than the {source_count} read through a pipe before, and "
        "the place where one of those ended is not in it; if its beginning was cut off, some of it would be "
        "counted twice. Give it from an earlier line on, or count it from its first record with --new-stream"
    )
