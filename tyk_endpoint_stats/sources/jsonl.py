"""Lines of JSON into chunks of records: plain records, or the envelopes of Tyk Pump's stdout pump.

A block of lines is decoded in one sweep of C. Only a block that has something odd in it is looked at line by
line, and only its odd lines get the lenient look.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from msgspec import DecodeError, defstruct, field, json

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.sources.contract import Chunk, Rejected
from tyk_endpoint_stats.sources.second_look import look_again

__all__ = ["LineChunk", "LineDecoder", "name_of_line"]

_MAX_MEMBERS = 8
_UNDECODABLE = (DecodeError, UnicodeDecodeError, RecursionError)


class LineChunk(Chunk):
    """A chunk that knows its lines.

    Attributes:
        lines: the bytes of each.
        offset: where the first of them begins in the source.
        number: its number, counted from 1; 0: not known, because reading began further on.
        places: the index of the line that each record is on; ``None``: each is on the line of its own index.
    """

    lines: Sequence[bytes] = ()
    offset: int = 0
    number: int = 0
    places: Sequence[int] | None = None
    _offsets: Sequence[int] | None = None

    def locate(self, index: int) -> Rejected:
        """Where ``records[index]`` stands, and its line."""
        if self._offsets is None:
            self._offsets = list(accumulate(map(len, self.lines), initial=self.offset))
        line = index if self.places is None else self.places[index]
        return Rejected(name_of_line(self.number and self.number + line, self._offsets[line]), "", self.lines[line])


def name_of_line(number: int, offset: int) -> str:
    """How people find a line again: by its number where that is known, and by its byte."""
    return f"line {number} (byte {offset})" if number else f"byte {offset}"


class LineDecoder:
    """Decodes blocks of lines. It learns from them whether records stand alone or in an envelope."""

    def __init__(self) -> None:
        self._member = ""
        self._decode: Callable[[bytes], Any] = json.Decoder(Record).decode
        self._decoders: dict[str, Callable[[bytes], Any]] = {"": self._decode}

    def decode(self, lines: Sequence[bytes], offset: int, number: int) -> LineChunk:
        """The chunk of some whole lines.

        Args:
            lines: with or without their line ends; they must not change while the chunk is used.
            offset: where the first begins in the source.
            number: the number of the first, 0 if not known.
        """
        try:
            # Line by line, though inside of C: ``decode_lines`` takes two objects in a line for two records,
            # and every way of noticing that afterwards costs as much as these calls do.
            records = list(map(self._decode, lines))
            if self._member:
                records = [envelope.record for envelope in records]
            # A log line, or an envelope where none is expected, looks like a record without a timestamp.
            if all([record.timestamp for record in records]):  # noqa: C419 - a generator takes twice as long
                return LineChunk(records, lines=lines, offset=offset, number=number)
        except (*_UNDECODABLE, AttributeError):  # AttributeError: an envelope without a record
            pass
        return self._decode_one_by_one(lines, offset, number)

    def _decode_one_by_one(self, lines: Sequence[bytes], offset: int, number: int) -> LineChunk:
        records: list[Record] = []
        places: list[int] = []
        repaired: list[int] = []
        rejected: list[Rejected] = []
        skipped: dict[str, int] = {}
        at = offset
        for place, line in enumerate(lines):
            record = self._decoded(line)
            if record is not None:
                records.append(record)
                places.append(place)
                at += len(line)
                continue
            for found in look_again(line, at):
                if found.record is not None:
                    if found.repaired:
                        repaired.append(len(records))
                    records.append(found.record)
                    places.append(place)
                    self._expect(found.member)
                elif found.skipped:
                    skipped[found.skipped] = skipped.get(found.skipped, 0) + 1
                else:
                    rejected.append(Rejected(name_of_line(number and number + place, at), found.malformed, line))
            at += len(line)
        return LineChunk(
            records,
            repaired=repaired,
            skipped=skipped,
            rejected=rejected,
            lines=lines,
            offset=offset,
            number=number,
            places=places,
        )

    def _decoded(self, line: bytes) -> Record | None:
        try:
            decoded = self._decode(line)
        except _UNDECODABLE:
            return None
        record: Record | None = decoded.record if self._member else decoded
        return record if record is not None and record.timestamp else None

    def _expect(self, member: str) -> None:
        """From now on try this first: records alone, or records in that member of an envelope."""
        if member not in self._decoders and len(self._decoders) < _MAX_MEMBERS:
            envelope = defstruct(
                "Envelope", [("record", Record | None, field(default=None, name=member))], gc=False
            )
            self._decoders[member] = json.Decoder(envelope).decode
        if member in self._decoders:
            self._member, self._decode = member, self._decoders[member]
