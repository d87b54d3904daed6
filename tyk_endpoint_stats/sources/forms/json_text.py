"""Where JSON values begin and end in bytes, whatever they stand in: lines, back to back, arrays, indented.

Nothing is built while looking, so a value takes no memory beside its bytes. A value that is torn is told where the
grammar breaks, and looking goes on where the next one may begin.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

from msgspec import DecodeError, Raw, Struct, json

from tyk_endpoint_stats.core.lenient_record import text_from_utf8

__all__ = [
    "BYTE_ORDER_MARK",
    "JSON_SPACE",
    "Scan",
    "behind_separators",
    "decoded",
    "end_of_frame",
    "end_of_line",
    "end_of_scalar",
    "is_value",
    "resumption",
    "scan_value",
    "valid_text",
    "values_of",
]

JSON_SPACE = b" \t\r\n"

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some programs of Windows put it before the first line; it is no part of it."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:[^u]|u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|([dD][89a-fA-F][0-9a-fA-F]{2}))?)",
    re.DOTALL,
)

_LITERALS = rb"[ \t\r\n,:0-9.+\-Eaeflnrstu]*+"
_STRING = rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"'
_UP_TO_BRACKET = re.compile(_LITERALS + rb"(?:" + _STRING + rb"[ \t\r\n]*+(?=[,:}\]])" + _LITERALS + rb")*+")
_MAY_GO_ON = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+(?:\\?|"[ \t\r\n]*+)\Z')
_MAY_BE_NAME = re.compile(rb'[ \t\r\n]*+(?:["}]|\Z)')
_BEHIND_CLOSING = re.compile(rb"[ \t\r\n]*+([,}\]])?")
_MAX_SPACE = 4096
_TORN_TEXT = re.compile(rb'"[^"\\\n{]*+(?:\\.[^"\\\n{]*+)*+(?=\{[ \t\r\n]*+")')
_NEXT_VALUE = re.compile(rb"\n(?=[{\[])|(?<=\})[ \t\r\n,]*+(?=\{)")
_FRAME = re.compile(rb"(\d{1,8}) (?=<\d{1,3}>)")
_SEPARATORS = re.compile(rb"[ \t\r\n,\[\]\x1e\0]*+")
_SCALAR = re.compile(rb"(?:null|true|false|-?\d[\d.eE+\-]*+|" + _STRING + rb")(?=[ \t\r]*+(?:[,\]\n]|\Z))")

_T = TypeVar("_T")


class Scan(Struct):
    """How far a value was looked at; going on with more bytes behind the same ones begins there.

    Attributes:
        at: the next byte to look at.
        depth: how many brackets are open.
        end: behind the value, once that is known.
        broken: at ``at`` the grammar breaks.
    """

    at: int = 0
    depth: int = 0
    end: int | None = None
    broken: bool = False


def scan_value(data: bytes | bytearray, scan: Scan) -> bool:
    """Look on at an object or an array; whether it is known how it ends, well or broken."""
    size = len(data)
    while True:
        match = _UP_TO_BRACKET.match(data, scan.at)
        assert match is not None
        at = match.end()
        if at == size:
            return False
        byte = data[at]
        if byte in b"{[":
            if not _may_open(data, scan.at, at):
                scan.at, scan.broken = at, True
                return True
            scan.depth += 1
            scan.at = at + 1
            if byte in b"{" and not _MAY_BE_NAME.match(data, at + 1):
                scan.broken = True
                return True
            continue
        if byte in b"}]" and scan.depth > 0:
            if scan.depth == 1:
                scan.depth, scan.end = 0, at + 1
                return True
            behind = _BEHIND_CLOSING.match(data, at + 1)
            assert behind is not None
            if behind[1] is None and behind.end() == size:
                scan.at = at
                return False
            if behind[1] is None:
                scan.at, scan.broken = behind.end(), True
                return True
            scan.depth -= 1
            scan.at = at + 1
            continue
        scan.at = at
        if byte in b'"' and _MAY_GO_ON.match(data, at):
            return False
        scan.broken = True
        return True


def _may_open(data: bytes | bytearray, begins: int, at: int) -> bool:
    """Whether a bracket may open here: behind a colon or a comma, or at the beginning of an array or of all."""
    between = data[max(begins, at - _MAX_SPACE) : at].rstrip(JSON_SPACE)
    if between:
        return between[-1:] in (b":", b",")
    return at - begins >= _MAX_SPACE or not begins or data[begins - 1 : begins] != b"{"


def resumption(data: bytes | bytearray, scan: Scan) -> int | None:
    """Where the next value may begin behind a broken one; ``None``: not in these bytes."""
    if data[scan.at : scan.at + 1] in (b"{", b"["):
        return scan.at
    if data[scan.at : scan.at + 1] == b'"' and (match := _TORN_TEXT.match(data, scan.at)):
        return match.end()
    match = _NEXT_VALUE.search(data, scan.at)
    return match.end() if match else None


def values_of(text: bytes) -> Iterator[bytes]:
    """The values of a text one by one, with or without anything between them; what is none as it stands."""
    at = 0
    while True:
        at = behind_separators(text, at)
        if at >= len(text):
            return
        start = at
        if text[at : at + 1] == b"{":
            scan = Scan(at)
            if scan_value(text, scan) and scan.end is not None:
                at = scan.end
            else:
                at = (resumption(text, scan) if scan.broken else None) or len(text)
        else:
            at = end_of_scalar(text, at) or end_of_line(text, at) or len(text)
        yield text[start:at].rstrip(JSON_SPACE)


def behind_separators(data: bytes | bytearray, at: int) -> int:
    """The first byte that is neither space, comma, the bracket of an array, nor what ends a GELF message."""
    match = _SEPARATORS.match(data, at)
    assert match is not None
    return match.end()


def end_of_scalar(data: bytes | bytearray, at: int) -> int | None:
    """The end of a number, a text, ``null`` or the like; ``None``: there is none here."""
    match = _SCALAR.match(data, at)
    return match.end() if match else None


def end_of_frame(data: bytes | bytearray, at: int) -> int | None:
    """Behind a message of syslog's that begins with its length (RFC 6587), which may be further than the data."""
    match = _FRAME.match(data, at)
    return match.end() + int(match[1]) if match else None


def end_of_line(data: bytes | bytearray, at: int) -> int | None:
    """Behind the next newline; ``None``: there is none."""
    return data.find(b"\n", at) + 1 or None


def valid_text(line: bytes, offset: int = 1) -> tuple[bytes, bool]:
    """JSON with U+FFFD for bytes that are not UTF-8 and for lone surrogates, and whether there were any."""
    clean = data = (line if offset else line.removeprefix(BYTE_ORDER_MARK)).strip(JSON_SPACE)
    if not data.isascii():
        clean = text_from_utf8(data).encode()
    if _SURROGATE_ESCAPE.search(clean):
        clean = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], clean)
    return clean, clean != data


def decoded(data: bytes | Raw, kind: type[_T]) -> _T | str:
    """The value, or the reason why there is none."""
    try:
        return json.decode(data, type=kind)
    except RecursionError:
        return "nested too deep"
    except (DecodeError, UnicodeError):
        return "not one JSON value"


def is_value(text: bytes) -> bool:
    """Whether a text is one object or one array, of which no beginning is one."""
    return text[:1] in (b"{", b"[") and isinstance(decoded(text, Raw), Raw)
