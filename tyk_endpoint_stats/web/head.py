"""A strict reader of HTTP/1 request heads: a pure function over bytes.

Every check has a fixed place, and the first that fails wins. What has two readings is refused, because a proxy
in front may have taken the other one: that is request smuggling (RFC 9112, 11.2).
"""

import re

from msgspec import Struct

__all__ = ["MAX_HEADERS", "MAX_HEAD_BYTES", "Head", "Refused", "read_head"]

MAX_HEAD_BYTES = 16_384
MAX_HEADERS = 64

_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) ([\x21-\x7e]{1,4096}) HTTP/1\.([01])")
_OTHER_VERSION = re.compile(rb"[A-Z]{1,16} [\x21-\x7e]{1,4096} HTTP/[0-9]\.[0-9]")
_LONG_TARGET = re.compile(rb"[A-Z]{1,16} [\x21-\x7e]{4097,} HTTP/1\.[01]")
# The name ends right at the colon: neither "Content-Length :" nor a folded line is a header.
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile("[0-9]{1,9}")
_ONCE = frozenset({"host", "authorization", "content-length", "transfer-encoding"})


class Refused(Exception):
    """A head that is answered with an error, after which the connection closes.

    Attributes:
        status: the HTTP status.
        is_head: the method was HEAD, as far as could be seen: the answer has no body.
    """

    def __init__(self, status: int, message: str, is_head: bool) -> None:
        super().__init__(message)
        self.status = status
        self.is_head = is_head


class Head(Struct, frozen=True):
    """A request's head.

    Attributes:
        method: capitals.
        target: as on the wire.
        headers: by lower-case name, trimmed, latin-1; repeated ones joined by ``", "``.
        minor: 1 for HTTP/1.1, 0 for HTTP/1.0.
        has_body: a body follows that will not be read, so the connection must close after the answer.
    """

    method: str
    target: str
    headers: dict[str, str]
    minor: int
    has_body: bool

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets the connection stay open."""
        if self.has_body:
            return False
        options = {option.strip().lower() for option in self.headers.get("connection", "").split(",")}
        return "close" not in options and (self.minor == 1 or "keep-alive" in options)


def read_head(data: bytes | bytearray) -> tuple[Head, int] | None:
    """The first head in ``data`` and where it ends; ``None``: not complete yet.

    Called again, with more, each time bytes arrive.

    Raises:
        Refused: no head that could begin like this is answered.
    """
    # Only the first 16 KiB are looked at, so that the answer never depends on how the bytes were cut up.
    window = bytes(data[:MAX_HEAD_BYTES])
    start = 2 if window.startswith(b"\r\n") else 0
    end = window.find(_END, start)
    head = window[start : end if end >= 0 else len(window)]
    is_head = head.startswith(b"HEAD ")
    if head and not 65 <= head[0] <= 90 and window != b"\r":
        raise Refused(400, "Bad request line", is_head)
    if head.count(b"\n") != head.count(b"\r\n"):
        raise Refused(400, "A line ends without CR", is_head)
    if end >= 0:
        return _parsed(head, is_head), end + len(_END)
    if len(data) <= MAX_HEAD_BYTES:
        return None
    if b"\r\n" not in head:
        raise Refused(414, "Request target too long", is_head)
    raise Refused(431, "Request head too long", is_head)


def _parsed(head: bytes, is_head: bool) -> Head:
    request_line, *lines = head.split(b"\r\n")
    matched = _REQUEST_LINE.fullmatch(request_line)
    if matched is None:
        if _OTHER_VERSION.fullmatch(request_line):
            raise Refused(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here", is_head)
        if _LONG_TARGET.fullmatch(request_line):
            raise Refused(414, "Request target too long", is_head)
        raise Refused(400, "Bad request line", is_head)
    if len(lines) > MAX_HEADERS:
        raise Refused(431, "Too many headers", is_head)
    headers = _headers(lines, is_head)
    method, target, minor = matched[1].decode(), matched[2].decode(), int(matched[3])
    if minor == 1 and "host" not in headers:
        raise Refused(400, "Host is missing", is_head)
    if "transfer-encoding" in headers:
        raise Refused(400, "Transfer-Encoding is not accepted", is_head)
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise Refused(400, "Bad Content-Length", is_head)
    if int(length) and method in ("GET", "HEAD"):
        raise Refused(413, "No body is accepted", is_head)
    return Head(method, target, headers, minor, int(length) > 0)


def _headers(lines: list[bytes], is_head: bool) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        matched = _HEADER.fullmatch(line)
        if matched is None:
            raise Refused(400, "Bad header line", is_head)
        name, value = matched[1].decode().lower(), matched[2].strip(b" \t").decode("latin-1")
        if name in headers:
            if name in _ONCE:
                raise Refused(400, f"{name} is given twice", is_head)
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers
