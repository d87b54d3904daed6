"""What a file is taken for: its compression, the layers around its records, their names, and the first of them."""

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.sources.forms.blocks import ByteStream, Mark
from tyk_endpoint_stats.sources.forms.csv_rows import columns_of
from tyk_endpoint_stats.sources.forms.dialects import dialect_of
from tyk_endpoint_stats.sources.forms.form import EntriesForm, Form, RowsForm
from tyk_endpoint_stats.sources.forms.looks import looks_of
from tyk_endpoint_stats.sources.forms.objects import look_again
from tyk_endpoint_stats.sources.forms.parts import look_at_entry
from tyk_endpoint_stats.sources.forms.sniffer import HEAD_BYTES, form_of, read_at

__all__ = ["Explanation", "explanation_of", "looks_of_stream"]

_MAX_UNITS = 10_000


class Explanation(Struct, frozen=True):
    """What a file is taken for.

    Attributes:
        label: the file, as people know it.
        compression: how it is packed, ``""``: not at all.
        form: how its bytes are cut into units, ``""``: there is no whole one yet.
        layers: what stands around the first record, the outermost first, and last whose names it has.
        record: the first record as it is read, ``None``: there is none among the first units.
        passed: how many units before it are none.
        looks: what the bytes look like if no record was found.
    """

    label: str
    compression: str
    form: str
    layers: tuple[str, ...] = ()
    record: Record | None = None
    passed: int = 0
    looks: str = ""


def explanation_of(stream: ByteStream, label: str, compression: str) -> Explanation:
    """What a stream is taken for.

    Args:
        stream: the bytes, decompressed.
        label: how people know them.
        compression: how they were packed.

    Raises:
        SourceError: they can't be read.
    """
    form = form_of(stream)
    if form is None:
        looks = looks_of_stream(stream, form)
        return Explanation(label, compression, "", looks=f"nothing whole yet, no record, no line: {looks}")
    passed = 0
    for record, layers in islice(_units(stream, form), _MAX_UNITS):
        if record is not None:
            return Explanation(label, compression, form.name, layers, record, passed)
        passed += 1
    return Explanation(label, compression, form.name, passed=passed, looks=looks_of_stream(stream, form))


def looks_of_stream(stream: ByteStream, form: Form | None) -> str:
    """What a stream looks like in which no record was found."""
    return looks_of(read_at(stream, 0, HEAD_BYTES), form)


def _units(stream: ByteStream, form: Form) -> Iterator[tuple[Record | None, tuple[str, ...]]]:
    look = form.look() if isinstance(form, RowsForm) else None
    if isinstance(form, RowsForm) and look is None:
        dialect = dialect_of(tuple(columns_of(form.header, form.delimiter))).name
        for block in form.blocks(stream, Mark()):
            chunk = form.decoder().decode(block, 1)
            yield from ((None, ()) for _ in chunk.rejected)
            yield from ((record, (dialect,)) for record in chunk.records)
        return
    look_at = look or (look_at_entry if isinstance(form, EntriesForm) else look_again)
    for block in form.blocks(stream, Mark()):
        for unit, offset in zip(block.lines(), block.offsets(), strict=True):
            yield from ((found.record, found.layers) for found in look_at(unit, offset))
