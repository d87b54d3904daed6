"""What a file is, told by its first bytes and not by its name. Asked once for each file."""

from msgspec import Struct

from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.forms.blocks import ByteStream
from tyk_endpoint_stats.sources.forms.csv import delimiter_of
from tyk_endpoint_stats.sources.forms.csv_rows import columns_of
from tyk_endpoint_stats.sources.forms.csv_texts import are_names, text_delimiter_of
from tyk_endpoint_stats.sources.forms.form import EntriesForm, Form, LinesForm, RowsForm, ValuesForm, first_line
from tyk_endpoint_stats.sources.forms.json_text import (
    BYTE_ORDER_MARK,
    JSON_SPACE,
    Scan,
    end_of_frame,
    is_value,
    resumption,
    scan_value,
    valid_text,
)
from tyk_endpoint_stats.sources.forms.parts import is_container_log
from tyk_endpoint_stats.sources.forms.values import first_value

__all__ = ["HEAD_BYTES", "OTHER_FILES", "OtherFile", "form_of", "read_at", "refuse_other_files"]

HEAD_BYTES = 64 * 2**10
"""What a form is told by."""

_BEFORE_HEADER = 5
"""In so many lines a header is looked for."""

_ELEMENTS = (b"{", b"[", b"]", b"null", b'"')


class OtherFile(Struct, frozen=True):
    """A kind of file that is known and not read.

    Attributes:
        offset: where its magic stands.
        magic: the bytes it is known by.
        message: what it is, and what to do.
    """

    offset: int
    magic: bytes
    message: str


OTHER_FILES = (
    OtherFile(0, b"\xff\xfe\x00\x00", "UTF-32; save it as UTF-8"),
    OtherFile(0, b"\xff\xfe", "UTF-16; save it as UTF-8"),
    OtherFile(0, b"\xfe\xff", "UTF-16; save it as UTF-8"),
    OtherFile(0, b"PK\x03\x04", "a zip archive; unpack it first"),
    OtherFile(0, b"PK\x05\x06", "an empty zip archive"),
    OtherFile(257, b"ustar", "a tar archive; unpack it first"),
    OtherFile(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    OtherFile(0, b"Rar!\x1a\x07", "a rar archive; unpack it first"),
    OtherFile(0, b"PAR1", "a Parquet file; export it as JSON lines or CSV"),
    OtherFile(0, b"ORC", "an ORC file; export it as JSON lines or CSV"),
    OtherFile(0, b"ARROW1", "an Arrow file; export it as JSON lines or CSV"),
    OtherFile(0, b"Obj\x01", "an Avro file; export it as JSON lines or CSV"),
    OtherFile(0, b"SQLite format 3\x00", "an SQLite database and no file of records"),
    OtherFile(0, b"PGDMP", "a dump of pg_dump's; use \\copy … csv header"),
    OtherFile(0, b"REDIS0", "a dump of Redis; read the server itself: redis://HOST"),
    OtherFile(0, b"LPKSHHRH", "a journal of systemd's; pipe journalctl -o cat into ingest -"),
    OtherFile(0, b"\x6d\xe2\x99\x81", "an archive of mongodump's; use mongoexport instead"),
    *(
        OtherFile(0, magic, "an encrypted file; decrypt it first")
        for magic in (
            *(b"-----BEGIN PGP MESSAGE", b"-----BEGIN AGE ENCRYPTED", b"age-encryption.org/", b"Salted__"),
            # GnuPG's, for keys of RSA and of elliptic curves, and for a passphrase.
            *(b"\x85\x01\x0c\x03", b"\x85\x01\x8c\x03", b"\x85\x02\x0c\x03", b"\x84\x5e\x03", b"\x8c\x0d\x04"),
        )
    ),
    OtherFile(4, b"\x07_id\x00", "a BSON dump; use mongoexport instead of mongodump"),
)


def refuse_other_files(head: bytes, label: str) -> None:
    """Refuse by its name what is known and is no file of records.

    Raises:
        SourceError: it is such a file.
    """
    for other in OTHER_FILES:
        if head.startswith(other.magic, other.offset):
            raise SourceError(f"{label}: {other.message}")


def form_of(stream: ByteStream) -> Form | None:
    """The form of a stream; ``None`` while there is no whole unit in it."""
    head = read_at(stream, 0, HEAD_BYTES)
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip(JSON_SPACE)
    line = first_line(stream)
    if (end := end_of_frame(text, 0)) is not None and text[end - 1 : end + 1].strip(b"\n") == text[
        end - 1 : end + 1
    ]:
        return ValuesForm() if len(text) > end else None
    if text[:1] == b"{":
        return _form_of_objects(stream, text, line)
    if line is None:
        # An array that is not whole yet may turn out to be one of many, each on its line.
        return ValuesForm() if text[:1] == b"[" and _goes_on(text) else None
    line = line.removeprefix(BYTE_ORDER_MARK)
    if text[:1] == b"[" and text[1:].lstrip(JSON_SPACE).startswith(_ELEMENTS) and not is_value(valid_text(line)[0]):
        return ValuesForm()
    if delimiter := delimiter_of(line):
        return RowsForm(line, delimiter)
    # Excel writes "sep=;" before the header, others a line or two that say what it is.
    for below in text.split(b"\n")[1:_BEFORE_HEADER]:
        header = below.strip(JSON_SPACE)
        if (delimiter := delimiter_of(header)) and are_names(columns_of(header, delimiter)):
            return RowsForm(header, delimiter)
    if delimiter := text_delimiter_of(text):
        return RowsForm(line, delimiter)
    return _lines_or_entries(head)


def _form_of_objects(stream: ByteStream, text: bytes, line: bytes | None) -> Form | None:
    """One object a line, unless the first one ends before or behind the first line's end."""
    line = None if line is None else line.removeprefix(BYTE_ORDER_MARK)
    if line is not None and is_value(valid_text(line)[0]):
        return _lines_or_entries(text)
    if line is None:
        first = first_value(stream)
        return ValuesForm() if first is not None and is_value(valid_text(first)[0]) else None
    scan = Scan()
    is_known = scan_value(text, scan)
    end = resumption(text, scan) if scan.broken else scan.end
    if is_known and (end is None or (scan.broken and end > len(line)) or end == len(line)):
        return _lines_or_entries(text)
    return ValuesForm()


def _goes_on(text: bytes) -> bool:
    """Whether something stands behind the first value."""
    scan = Scan()
    return scan_value(text, scan) and scan.end is not None and bool(text[scan.end :].strip(JSON_SPACE))


def _lines_or_entries(head: bytes) -> Form:
    return EntriesForm() if any(map(is_container_log, head.split(b"\n"))) else LinesForm()


def read_at(stream: ByteStream, offset: int, size: int) -> bytes:
    """The bytes at an offset, fewer where the stream ends."""
    stream.seek(offset)
    view = memoryview(bytearray(size))
    filled = 0
    while filled < len(view) and (got := stream.readinto(view[filled:])):
        filled += got
    return bytes(view[:filled])
