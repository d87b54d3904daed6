"""Lines of JSON into chunks of records: plain records, the envelopes of Tyk Pump's stdout, and all else.

A block of lines is decoded in one sweep of C. Only a block that has something odd in it is looked at line by
line, and only its odd lines get the lenient look.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import DecodeError, Raw, defstruct, field, json

from tyk_endpoint_stats.core.record import NO_LATENCY, Record
from tyk_endpoint_stats.sources.contract import Chunk, Rejected
from tyk_endpoint_stats.sources.forms.blocks import Block, UnitBlock
from tyk_endpoint_stats.sources.forms.json_text import JSON_SPACE
from tyk_endpoint_stats.sources.forms.native import is_whole
from tyk_endpoint_stats.sources.forms.objects import Found, look_again

__all__ = ["LineChunk", "LineDecoder", "overlong_chunk"]

_MAX_MEMBERS = 8
_ABSENT = Raw(b"")
_UNDECODABLE = (DecodeError, UnicodeDecodeError, RecursionError)


class LineChunk(Chunk, kw_only=True):
    """A chunk that knows its lines.

    Attributes:
        block: the lines; as long as that lasts, records can be located.
        number: the number of the first line, counted from 1; 0: not known, because reading began further on.
        places: the index of the line that each record is on; ``None``: each is on the line of its own index.
        unit: what people call a line of such a file.
    """

    block: Block
    number: int
    places: Sequence[int] | None = None
    unit: str = "line"
    _lines: tuple[list[bytes], list[int]] | None = None
    _given: set[int] = field(default_factory=set)

    def locate(self, index: int) -> Rejected:
        """Where ``records[index]`` stands, and its line: once, also where several records of it are malformed."""
        if self._lines is None:
            self._lines = self.block.lines(), self.block.offsets()
        lines, offsets = self._lines
        place = index if self.places is None else self.places[index]
        return self.reject(place, offsets[place], "", lines[place])

    def reject(self, place: int, offset: int, reason: str, line: bytes) -> Rejected:
        """A malformed record of a line. Only the first has its bytes: an array may have thousands of them."""
        raw = b"" if place in self._given else line
        self._given.add(place)
        return Rejected(self.where(place, offset), reason, raw)

    def where(self, place: int, offset: int) -> str:
        """How people find a line again: by its number where that is known, and by its first byte."""
        return f"{self.unit} {self.number + place} (byte {offset})" if self.number else f"byte {offset}"


def overlong_chunk(block: Block, number: int, unit: str = "line") -> LineChunk:
    """A line over the cap: one malformed record."""
    chunk = LineChunk([], block=block, number=number, unit=unit)
    raw = bytes(block.data) + f" … ({block.overlong} bytes)".encode()
    chunk.rejected = [Rejected(chunk.where(0, block.offset), f"{unit} over 16 MiB", raw)]
    return chunk


class LineDecoder:
    """Decodes blocks of lines. It learns from them whether records stand alone or in an envelope.

    Args:
        look: the lenient look at a line at an offset.
        unit: what people call a line of such a file.
    """

    def __init__(self, look: Callable[[bytes, int], list[Found]] = look_again, unit: str = "line") -> None:
        self._look = look
        self._unit = unit
        self._member = ""
        self._decoder: json.Decoder[Any] = json.Decoder(Record)
        self._decoders = {"": self._decoder}

    def decode(self, block: Block, number: int) -> LineChunk:
        """The chunk of a block.

        Args:
            block: some whole lines.
            number: the number of the first, 0 if not known.
        """
        if block.overlong:
            return overlong_chunk(block, number, self._unit)
        records = self._swept(block)
        try:
            # What is no record of the gateway's lacks one of these: a log line, an envelope, the names of others.
            if records and all(
                [  # noqa: C419 - half as long
                    record.timestamp
                    and record.response_code
                    and record.latency is not NO_LATENCY
                    and record.latency
                    for record in records
                ]
            ):
                return LineChunk(records, block=block, number=number, unit=self._unit)
        except AttributeError:
            pass  # an envelope without a record
        return self._picked(block, number, records)

    def _swept(self, block: Block) -> list[Any] | None:
        """What every line holds, ``None`` if they must be looked at one by one."""
        if not block.braced:
            return None
        try:
            decoded = self._decoder.decode_lines(block.data)
        except _UNDECODABLE:
            return None
        # The decoder would take two objects in a line for two records, and one in two lines for one.
        if len(decoded) != block.count:
            return None
        return [_inner_of(envelope) for envelope in decoded] if self._member else decoded

    def _decoded(self, line: bytes) -> Record | None:
        try:
            decoded = self._decoder.decode(line)
        except _UNDECODABLE:
            return None
        record: Record | None = _inner_of(decoded) if self._member else decoded
        return record

    def _picked(self, block: Block, number: int, swept: list[Any] | None) -> LineChunk:
        """The chunk of a block in which not all is well."""
        records: list[Record] = []
        places: list[int] = []
        repaired: list[int] = []
        rejected: list[Rejected] = []
        skipped: dict[str, int] = {}
        if isinstance(block, UnitBlock) and block.is_in_line:
            number = 0
        chunk = LineChunk([], block=block, number=number, places=places, unit=self._unit)
        for place, (line, at) in enumerate(zip(block.lines(), block.offsets(), strict=True)):
            record = swept[place] if swept else self._decoded(line) if line.strip(JSON_SPACE) else None
            if record is not None and is_whole(record):
                records.append(record)
                places.append(place)
                continue
            for found in self._look(line, at):
                if found.record is not None:
                    if found.repaired:
                        repaired.append(len(records))
                    records.append(found.record)
                    places.append(place)
                    if found.member is not None and found.member != self._member:
                        self._expect(found.member)
                        swept = None
                elif found.skipped:
                    skipped[found.skipped] = skipped.get(found.skipped, 0) + 1
                else:
                    rejected.append(chunk.reject(place, at, found.malformed, line))
        chunk.records, chunk.repaired, chunk.skipped, chunk.rejected = records, repaired, skipped, rejected
        return chunk

    def _expect(self, member: str) -> None:
        """From now on try this first: records alone, or records in that member of an envelope."""
        if member not in self._decoders and len(self._decoders) < _MAX_MEMBERS:
            record = ("record", Record | None, field(default=None, name=member))
            envelope = defstruct("Envelope", [record, ("latency", Raw, _ABSENT)], gc=False)
            self._decoders[member] = json.Decoder(envelope)
        if member in self._decoders:
            self._member, self._decoder = member, self._decoders[member]


def _inner_of(envelope: Any) -> Record | None:
    # A line with a latency of its own may be a record itself, whatever else is in it.
    record: Record | None = None if envelope.latency else envelope.record
    return record
