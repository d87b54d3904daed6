"""A stream whose beginning is gone: where it goes on from what was read of it before.

A container's log drops its oldest lines, and ``--since`` or ``tail -n`` cut it, so its first record is another and
its name, too. The bytes before the stored position are in the new stream nevertheless: all of the window by which a
position is known, or at its very beginning a few whole lines, of which a pipe's position has a hash, too.
"""

from collections.abc import Iterable

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.forms.blocks import BLOCK_BYTES, WINDOW_BYTES, ByteStream, Mark
from tyk_endpoint_stats.sources.forms.sniffer import read_at
from tyk_endpoint_stats.sources.place import StoredPosition, hash_of_tail, window_hash

__all__ = ["ShiftedStream", "find_overlap", "refuse_cut_stream"]

_NEWLINE = 0x0A


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
        it has no whole line of any of them, or begins as more than one of them ended.
    """
    known = list(known)
    return _find_window(stream, known) or _find_tail(stream, known)


def _find_window(
    stream: ByteStream, known: Iterable[tuple[str, StoredPosition]]
) -> tuple[str, StoredPosition, Mark, int] | None:
    """Anywhere in the stream."""
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


def _find_tail(
    stream: ByteStream, known: Iterable[tuple[str, StoredPosition]]
) -> tuple[str, StoredPosition, Mark, int] | None:
    """At the beginning of a stream that has less than a window of what was read before."""
    head = read_at(stream, 0, WINDOW_BYTES - 1)
    newlines = [at for at, byte in enumerate(head) if byte == _NEWLINE]
    starts = {0, *(at + 1 for at in newlines[:1])}  # the first line may be cut, too
    ends = {*newlines, *(at + 1 for at in newlines), len(head)}
    lines = {(end, hash_of_tail(head[start:end])) for start in starts for end in ends if start < end}
    found = {(end, source): stored for source, stored in known for end, tail in lines if tail in stored.tails}
    if len(found) != 1:
        return None
    ((end, source), stored) = found.popitem()
    return source, stored, Mark(stored.offset, head[:end], stored.crc or 0), stored.offset - end


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
