"""The forms of files: how their bytes are cut into units, and what decodes those.

A form is a value, so it can be sent to another process and stands in a ``Place``. ``sniffer.py`` tells which it is.
"""

from collections.abc import Iterator
from typing import ClassVar, Protocol, TypeAlias

from msgspec import Struct

from tyk_endpoint_stats.sources.forms.blocks import MAX_LINE_BYTES, Block, ByteStream, Mark, read_blocks
from tyk_endpoint_stats.sources.forms.csv import CsvDecoder, delimiter_of, first_row, read_csv
from tyk_endpoint_stats.sources.forms.csv_texts import RowLook
from tyk_endpoint_stats.sources.forms.json_text import JSON_SPACE, is_value, valid_text
from tyk_endpoint_stats.sources.forms.lines import LineChunk, LineDecoder
from tyk_endpoint_stats.sources.forms.parts import look_at_entry, read_entries
from tyk_endpoint_stats.sources.forms.prefixes import without_prefix
from tyk_endpoint_stats.sources.forms.values import first_value, read_values, with_elements

__all__ = ["Decoder", "EntriesForm", "Form", "LinesForm", "RowsForm", "ValuesForm", "first_line"]

_PIECE_BYTES = 64 * 2**10
_NEWLINE = b"\n"


class Decoder(Protocol):
    """Decodes blocks of one form."""

    def decode(self, block: Block, number: int) -> LineChunk:
        """The chunk of a block whose first unit has this number, 0 if not known."""


class LinesForm(Struct, frozen=True, tag="lines"):
    """One value of JSON on each line, whatever stands around it. Any newline is the end of a unit."""

    name: ClassVar[str] = "lines"
    """How people call such a form."""

    def blocks(self, stream: ByteStream, begins: Mark) -> Iterator[Block]:
        """The units of a stream from a place on."""
        return with_elements(read_blocks(stream, begins, _is_whole_line), begins)

    def decoder(self) -> Decoder:
        """What decodes them."""
        return LineDecoder()

    def first(self, stream: ByteStream) -> bytes | None:
        """The bytes by which the source is named: its first unit; ``None`` while that is not whole."""
        return first_line(stream)


class EntriesForm(Struct, frozen=True, tag="entries"):
    """A container's log, in which a long line is cut into several."""

    name: ClassVar[str] = "lines of a container's log, long ones in parts"

    def blocks(self, stream: ByteStream, begins: Mark) -> Iterator[Block]:
        """See ``LinesForm``."""
        return read_entries(read_blocks(stream, begins, _is_whole_line), begins)

    def decoder(self) -> Decoder:
        """See ``LinesForm``."""
        return LineDecoder(look_at_entry, "entry")

    def first(self, stream: ByteStream) -> bytes | None:
        """See ``LinesForm``."""
        return first_line(stream)


class ValuesForm(Struct, frozen=True, tag="values"):
    """Values of JSON that are not one a line."""

    name: ClassVar[str] = "JSON values: an array, over several lines, or back to back"

    def blocks(self, stream: ByteStream, begins: Mark) -> Iterator[Block]:
        """See ``LinesForm``."""
        return read_values(stream, begins)

    def decoder(self) -> Decoder:
        """See ``LinesForm``."""
        return LineDecoder(unit="value")

    def first(self, stream: ByteStream) -> bytes | None:
        """See ``LinesForm``."""
        return first_value(stream)


class RowsForm(Struct, frozen=True, tag="rows"):
    """CSV with a header.

    Attributes:
        header: its first line.
        delimiter: what stands between its columns.
    """

    header: bytes
    delimiter: str

    @property
    def name(self) -> str:
        """How people call it."""
        return f"CSV with {self.delimiter!r} between its columns"

    def blocks(self, stream: ByteStream, begins: Mark) -> Iterator[Block]:
        """See ``LinesForm``."""
        return read_csv(stream, begins, self.header, self.delimiter)

    def decoder(self) -> Decoder:
        """See ``LinesForm``."""
        look = self.look()
        return CsvDecoder(self.header, self.delimiter) if look is None else LineDecoder(look, "row")

    def look(self) -> RowLook | None:
        """The look at a row in which a record stands as text; ``None``: its columns are a record's."""
        return None if delimiter_of(self.header) else RowLook(self.header, self.delimiter)

    def first(self, stream: ByteStream) -> bytes | None:
        """All files of Tyk Pump's CSV have the same header, so their first row names them too."""
        row = first_row(stream, self.header, self.delimiter)
        return None if row is None else self.header + _NEWLINE + row


Form: TypeAlias = LinesForm | EntriesForm | ValuesForm | RowsForm


def first_line(stream: ByteStream) -> bytes | None:
    """The first line that is not blank, without the space around it, as far as the cap; ``None``: half a line."""
    stream.seek(0)
    view = memoryview(bytearray(_PIECE_BYTES))
    line = bytearray()
    while len(line) < MAX_LINE_BYTES and (got := stream.readinto(view)):
        piece = bytes(view[:got])
        line += piece if line else piece.lstrip(JSON_SPACE)
        end = line.find(b"\n", -len(piece))
        if end >= 0:
            return bytes(line[: min(end, MAX_LINE_BYTES)].rstrip(JSON_SPACE))
    if len(line) >= MAX_LINE_BYTES or _is_whole_line(bytes(line), 0):
        return bytes(line[:MAX_LINE_BYTES].rstrip(JSON_SPACE))
    return None


def _is_whole_line(line: bytes, offset: int) -> bool:
    """Whether a line that has no newline yet is whole: it ends with an object, of which no beginning is one."""
    data, _ = valid_text(line, offset)
    while not is_value(data):
        split = without_prefix(data)
        if split is None:
            return False
        data = split[1].strip(JSON_SPACE)
    return True
