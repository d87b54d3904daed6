"""What bytes look like in which no record was found, in words that say what to do."""

import re

from msgspec import Raw

from tyk_endpoint_stats.core.instants import parse_rfc3339
from tyk_endpoint_stats.core.lenient_record import text_from_utf8
from tyk_endpoint_stats.sources.forms.csv import DELIMITERS
from tyk_endpoint_stats.sources.forms.csv_rows import columns_of, quoting_of
from tyk_endpoint_stats.sources.forms.dialects import names_of_fields
from tyk_endpoint_stats.sources.forms.form import Form, RowsForm
from tyk_endpoint_stats.sources.forms.json_text import decoded, valid_text
from tyk_endpoint_stats.sources.forms.log_lines import is_text_format
from tyk_endpoint_stats.sources.forms.objects import look_again
from tyk_endpoint_stats.sources.forms.shapes import shape_of
from tyk_endpoint_stats.sources.forms.times import rfc3339_text

__all__ = ["looks_of"]

_ACCESS_LOG = re.compile(rb'\S+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "')
_NOT_IN_TEXT = bytes(set(range(32)) - set(b"\t\n\r\x0c\x1b\x1e\0"))
_MARKUP = re.compile(rb"\s*<(?:[!?a-zA-Z])")
_NOT_A_RECORD = frozenset({"", "no timestamp", "not one JSON value", "not an object", "null", "a part of a line"})
_MAX_NAMES = 6
_LONG = 32 * 2**10
_MAX_LINES = 200


def looks_of(head: bytes, form: Form | None) -> str:
    """What the first bytes of a source look like of which nothing could be counted.

    Args:
        head: its first bytes, decompressed.
        form: what it was read as, ``None``: nothing in it is whole.
    """
    if isinstance(form, RowsForm):
        return _looks_of_rows(head, form)
    if head.count(0) * 4 > len(head):
        is_utf16 = head[1::2].count(0) * 2 > len(head) // 2 and head[::2].count(0) * 8 < len(head)
        return "UTF-16; save it as UTF-8" if is_utf16 else "bytes that are no text"
    shape = shape_of(head)
    if len(head) - len(head.translate(None, _NOT_IN_TEXT)) > len(head) // 50:
        return shape or "bytes that are no text"
    if b"\r" in head and b"\n" not in head:
        return "lines that end in CR alone; save it with LF or CRLF"
    lines = [line for line in head.split(b"\n")[:_MAX_LINES] if line.strip()]
    if not lines:
        return "nothing but space"
    if any(map(is_text_format, lines)):
        return 'Tyk Pump\'s stdout in its text format; set "format": "json" in the stdout pump\'s meta'
    if any(map(_ACCESS_LOG.match, lines)):
        return "an access log of nginx or Apache; Tyk's records are in Tyk Pump's sinks"
    found = [one for line in lines for one in look_again(line)]
    if found and all(one.skipped for one in found):
        return 'log lines alone; Tyk Pump prints records where its stdout pump is set to "format": "json"'
    if found and (reasons := sorted({one.malformed for one in found} - _NOT_A_RECORD)):
        return f"records of Tyk's that can't be read ({', '.join(reasons)})"
    if names := _names_of_objects(lines):
        return f"JSON objects that are no records of Tyk's (they have {', '.join(names)})"
    if shape:
        return shape
    if lines and lines[0].lstrip()[:1] in (b"{", b"["):
        if len(head) >= _LONG and len(lines) == 1:
            return (
                "one long JSON value with no record near its beginning, or too many in one line; write one a line"
            )
        if form is None and lines[0].lstrip()[:1] == b"[":
            return "a JSON array on one line that has no end; nothing of it counts before that is there"
        return "JSON that is cut off or broken"
    if any(_MARKUP.match(line) for line in lines[:1]):
        return "a page or XML; export JSON"
    if any(b'{"' in line for line in lines):
        return "lines with JSON in them and something else around it that is not known"
    if lines and any(lines[0].count(delimiter.encode()) > 1 for delimiter in DELIMITERS):
        return "a CSV without Tyk Pump's columns (its first line must have Path, ResponseCode and TimeStamp)"
    return "text that is no JSON"


def _looks_of_rows(head: bytes, form: RowsForm) -> str:
    """Rows under the right names whose values can't be read."""
    names = columns_of(form.header, form.delimiter)
    if (look := form.look()) is not None:
        columns = ", ".join(ascii(names[place])[1:-1] for place in look.columns)
        return f"a CSV with nothing of Tyk's in the columns where a record may be ({columns})"
    place = names.index(names_of_fields(tuple(names))["timestamp"])
    for line in head.split(b"\n")[1:_MAX_LINES]:
        fields = quoting_of(form.delimiter).fields_of(text_from_utf8(line.rstrip(b"\r"))) or []
        if place < len(fields) and fields[place]:
            try:
                parse_rfc3339(rfc3339_text(fields[place]))
            except ValueError:
                return (
                    f"a CSV whose times have been changed, by a spreadsheet it seems: {fields[place][:40]!r} has no "
                    "zone; take the file as it was before"
                )
    return "a CSV with Tyk Pump's columns and no row that can be read"


def _names_of_objects(lines: list[bytes]) -> list[str]:
    for line in lines:
        members = decoded(valid_text(line)[0], dict[str, Raw])
        if not isinstance(members, str):
            return [ascii(name[:40])[1:-1] for name in list(members)[:_MAX_NAMES]]
    return []
