"""Which source some bytes are, and how far into them a store has come.

A source's name is made of its first record, so a renamed or compressed file is the same source. A position is an
offset, a hash of the bytes just before it and a running hash of all of them, so a file that merely begins alike, or
differs somewhere in the middle, is told apart.
"""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256

from msgspec import Struct

from tyk_endpoint_stats.sources.contract import PositionLookup
from tyk_endpoint_stats.sources.forms.blocks import WINDOW_BYTES, ByteStream, Mark
from tyk_endpoint_stats.sources.forms.form import Form
from tyk_endpoint_stats.sources.forms.sniffer import form_of, read_at

__all__ = [
    "Beginning",
    "Place",
    "StoredPosition",
    "beginning_of",
    "find_place",
    "hash_of_tail",
    "mark_at",
    "position_text",
    "window_hash",
]

_POSITION = re.compile(
    r"(\d{20}):([0-9a-f]{16})(?::([0-9a-f]{8})(:pipe(?::((?:[0-9a-f]{3}-[0-9a-f]{8}){1,16}))?)?)?", re.ASCII
)
_TAIL_CHARACTERS = 12
_MAX_TAILS = 16
_PIECE_BYTES = 256 * 2**10


class Beginning(Struct, frozen=True):
    """What a stream's first bytes say about it.

    Attributes:
        name: of the source.
        form: of its bytes.
        head: the first of them.
    """

    name: str
    form: Form
    head: bytes = b""


class Place(Struct, frozen=True):
    """Where to begin reading.

    Attributes:
        source: the name under which the store keeps the position.
        form: of its bytes.
        begins: the stored position, ``None``: the store has not met these bytes.
        mark: the same as a place in the stream.
        head: the first bytes of all.
    """

    source: str
    form: Form
    begins: str | None = None
    mark: Mark = Mark()
    head: bytes = b""


class StoredPosition(Struct, frozen=True):
    """A position as a store keeps it.

    Attributes:
        text: as it is stored.
        offset: how many bytes lie before it.
        window: the hash of the last of them.
        crc: the running hash of all; ``None``: it was stored before positions had one.
        is_of_pipe: the bytes came through a pipe, so the next time their beginning may be gone.
        tails: of the bytes behind each of the last newlines before it the length and a hash, as text: by them the
            place is found in a stream of which so little is left that it has no whole window.
    """

    text: str
    offset: int
    window: str
    crc: int | None
    is_of_pipe: bool = False
    tails: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "StoredPosition | None":
        """``None``: it is none of a file's."""
        match = _POSITION.fullmatch(text)
        if match is None:
            return None
        tails = match[5] or ""
        return cls(
            text,
            int(match[1]),
            match[2],
            int(match[3], 16) if match[3] else None,
            bool(match[4]),
            frozenset(tails[at : at + _TAIL_CHARACTERS] for at in range(0, len(tails), _TAIL_CHARACTERS)),
        )

    def fits(self, mark: Mark) -> bool:
        """Whether the bytes before a place are those it was made of."""
        return (
            mark.offset == self.offset and window_hash(mark.before) == self.window and self.crc in (None, mark.crc)
        )


def position_text(mark: Mark, *, is_of_pipe: bool = False) -> str:
    """The position of a place in a stream."""
    text = f"{mark.offset:020d}:{window_hash(mark.before)}:{mark.crc:08x}"
    if not is_of_pipe:
        return text
    tails = "".join(_tails_of(mark))
    return f"{text}:pipe:{tails}" if tails else f"{text}:pipe"


def find_place(
    stream: ByteStream,
    position: PositionLookup,
    beginning: Beginning | None = None,
    anchors: Iterable[Mark] = (),
) -> Place | None:
    """Where the store left these bytes; ``None`` while there is no whole record in them.

    Of the sources whose first record is the same, it is the one whose position fits the bytes and is furthest;
    where none fits, it is a new one. All bytes before a position are read for that, from the last anchor on.

    Args:
        stream: the bytes.
        position: asked for the position of every source that may be these.
        beginning: ``beginning_of(stream)``, where it is known already.
        anchors: places in this very stream up to which it is known to be what it was.
    """
    beginning = beginning or beginning_of(stream)
    if beginning is None:
        return None
    name = beginning.name
    number = 0
    known: list[tuple[int, str, StoredPosition]] = []
    while (text := position(name)) is not None:
        stored = StoredPosition.parse(text)
        if stored is not None:
            known.append((stored.offset, name, stored))
        number += 1
        name = f"{beginning.name}~{number}"
    found = Place(name, beginning.form, head=beginning.head)
    marks = [Mark(), *(mark for mark in anchors if _stands(stream, mark))]
    # Upwards, because some streams can only go forwards.
    for offset, source, stored in sorted(known, key=lambda each: each[:2]):
        if stream.rewinds and window_hash(_window_at(stream, offset)) != stored.window:
            continue
        mark = mark_at(
            stream, offset, max((each for each in marks if each.offset <= offset), key=lambda each: each.offset)
        )
        marks.append(mark)
        if stored.fits(mark):
            found = Place(source, beginning.form, stored.text, mark, beginning.head)
    return found


def beginning_of(stream: ByteStream) -> Beginning | None:
    """What a stream's first bytes say about it; ``None`` while there is no whole record in them."""
    form = form_of(stream)
    first = form.first(stream) if form is not None else None
    if form is None or first is None:
        return None
    return Beginning(f"file:{sha256(first).hexdigest()}", form, read_at(stream, 0, WINDOW_BYTES))


def mark_at(stream: ByteStream, offset: int, begins: Mark = Mark()) -> Mark:  # noqa: B008 - frozen
    """The place at an offset, or at the stream's end where that is nearer.

    Args:
        stream: the bytes, all of which are read from ``begins`` on.
        offset: where.
        begins: a place before it.
    """
    stream.seek(begins.offset)
    view = memoryview(bytearray(min(_PIECE_BYTES, max(1, offset - begins.offset))))
    mark = begins
    while mark.offset < offset and (got := stream.readinto(view[: offset - mark.offset])):
        mark = mark.past(view[:got])
    return mark


def hash_of_tail(lines: bytes) -> str:
    """What a position of a pipe keeps of the last lines before it: their length and a hash."""
    return f"{len(lines):03x}-{window_hash(lines)[:8]}"


def _tails_of(mark: Mark) -> Iterator[str]:
    """The last line before a place, the last two, … as far as its bytes are kept."""
    before = mark.before
    start = len(before)
    for _ in range(_MAX_TAILS):
        start = before.rfind(b"\n", 0, max(0, start - 1)) + 1
        if start == 0 and (not before or len(before) != mark.offset):
            return  # whether a line begins there is not known
        yield hash_of_tail(before[start:])
        if start == 0:
            return


def _stands(stream: ByteStream, mark: Mark) -> bool:
    return read_at(stream, mark.offset - len(mark.before), len(mark.before)) == mark.before


def _window_at(stream: ByteStream, offset: int) -> bytes:
    return read_at(stream, max(offset - WINDOW_BYTES, 0), min(offset, WINDOW_BYTES))


def window_hash(before: bytes) -> str:
    """What a position keeps of the last bytes before it."""
    return sha256(before).hexdigest()[:16]
