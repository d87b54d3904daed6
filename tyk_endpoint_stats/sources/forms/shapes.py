"""What people have that is no form of records, each known by a shape: what it is, and what to do."""

import re

from msgspec import Struct

__all__ = ["SHAPES", "Shape", "shape_of"]


class Shape(Struct, frozen=True):
    """One kind of bytes in which there is no record.

    Attributes:
        pattern: what is in its first bytes.
        message: what it is, and what to do.
    """

    pattern: re.Pattern[bytes]
    message: str


_MSGPACK = "MessagePack, as Tyk's gateway keeps its records in Redis; read the server itself: redis://HOST"
_ONE_COLUMN_A_LINE = "one column a line, as a database's client prints it; export CSV or JSON lines"

SHAPES = (
    # A map of texts, or a list of such; no UTF-8 begins like this.
    Shape(
        re.compile(
            rb"(?s)\A(?:[\x90-\x9f]|\xdc..|\xdd.{4})?(?:[\x80-\x8f]|\xde..|\xdf.{4})(?:[\xa1-\xbf]|\xd9.)[\w@-]"
        ),
        _MSGPACK,
    ),
    Shape(re.compile(rb'\A(?:\d+\) )?"\\x[89d]\w'), _MSGPACK),
    Shape(
        re.compile(rb'(?m)^[ {]*"[\w@.\-]+" ?=> ?'),
        "Logstash's rubydebug output; set codec => json_lines in its output",
    ),
    Shape(
        re.compile(rb"\b(?:ObjectId|ISODate|NumberLong|NumberInt)\("),
        "documents as MongoDB's shell prints them; use mongoexport",
    ),
    Shape(
        re.compile(rb"(?m)^[ \[(]*\{ ?'[^'\n]*' ?: "),
        "JSON with single quotes, as Python prints a dict; write it with json.dumps",
    ),
    Shape(
        re.compile(rb"(?m)^[ \[&]*\{ ?[A-Za-z_]\w* ?:"),
        "objects whose names have no quotes, as Go and JavaScript print them; export JSON",
    ),
    Shape(
        re.compile(rb"(?m)^\d{4}-\d\d-\d\dT\S+ \S+ [{\[]\r?$"),
        "JSON over several lines behind a time, as aws logs tail --format json prints it; use --format short",
    ),
    Shape(re.compile(rb"(?m)^(?:COPY|INSERT INTO) \S+ [^\n]*;\r?$"), r"a dump in SQL; use \copy … csv header"),
    Shape(re.compile(rb"(?m)^-\[ RECORD \d+ \]"), r"psql's expanded output; use \copy … csv header"),
    Shape(
        re.compile(rb"\A\+-{2,}[-+]*\+\r?\n"), "a table as a database's client prints it; export CSV or JSON lines"
    ),
    Shape(re.compile(rb"\A(?:Row 1:|\*{9,} 1\. row|(?: *\w+ = .*\n){2})"), _ONE_COLUMN_A_LINE),
    Shape(
        re.compile(rb"(?m)^.{0,99}\{&(?:quot|#34);"), "JSON with &quot; for its quotes, out of a page; export JSON"
    ),
    Shape(
        re.compile(rb'(?m)^[^"\n]{0,99}\{\\"'),
        r"JSON with \" for its quotes, cut out of a text; take all of it",
    ),
    Shape(re.compile(rb"(?m)^%7B(?:%0A|%20)*%22"), "URL-encoded JSON; decode it first"),
    Shape(re.compile(rb"(?m)^ey[A-Z][\w+/=]{20,}\r?$"), "JSON in base64; decode it first"),
    Shape(
        re.compile(
            rb"\A(?:(?:#|---|%YAML).*\n)*(?:- )?[\w.\-]+:(?: .*)?\r?\n(?:---| *(?:- ?)?[\w.\-]+:)(?: |\r?\n)"
        ),
        "YAML; export JSON",
    ),
)


def shape_of(head: bytes) -> str:
    """What some first bytes are; ``""``: nothing that is known."""
    return next((shape.message for shape in SHAPES if shape.pattern.search(head)), "")
