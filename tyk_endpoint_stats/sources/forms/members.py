"""Members that programs print lines into, and the ways in which lines are encoded there."""

import binascii
import re
import zlib

from tyk_endpoint_stats.sources.forms.blocks import MAX_LINE_BYTES
from tyk_endpoint_stats.sources.forms.dialects import plain_name
from tyk_endpoint_stats.sources.forms.json_text import decoded

__all__ = ["ENCODED_MEMBERS", "TEXT_MEMBERS", "from_base64", "from_numbers", "plain_member"]

TEXT_MEMBERS = frozenset(
    {
        *("log", "message", "msg", "line", "payload", "body", "event", "result", "source", "record", "content"),
        *("shortmessage", "fullmessage", "data", "value", "text", "textpayload", "stringvalue", "original", "raw"),
        *("logentry", "logmessage", "logs", "lines", "messages", "entries", "values", "rows"),
        *("entry", "rawstring", "string"),
    }
)
"""Plain names of what programs print lines into: Docker, Fluent Bit, Filebeat, journald, Loki, SQS, Splunk, …"""

ENCODED_MEMBERS = frozenset({"data", "value"})
"""Where text may be in base64: Kinesis, Kafka's REST."""

_GZIP = b"\x1f\x8b"
_WBITS_OF_GZIP = 31
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}", re.ASCII)


def plain_member(name: str) -> str:
    """A member's name as the tables have it."""
    return plain_name(name).removeprefix("@")


def from_base64(text: bytes) -> bytes:
    """The JSON object that a text in base64 is, gzip-compressed or not; ``b""``: it is none."""
    if text[:1] in (b"{", b"[") or not _BASE64.fullmatch(text.decode("ascii", "replace").strip()):
        return b""
    try:
        opened = binascii.a2b_base64(text)
        if opened.startswith(_GZIP):  # what CloudWatch sends to subscribers
            opened = zlib.decompressobj(_WBITS_OF_GZIP).decompress(opened, MAX_LINE_BYTES)
    except (binascii.Error, zlib.error):
        return b""
    return opened if opened.lstrip()[:1] == b"{" else b""


def from_numbers(data: bytes) -> bytes:
    """The bytes that a list of numbers is, as journald prints what is no UTF-8; ``b""``: it is none."""
    numbers = decoded(data, list[int])
    if isinstance(numbers, str):
        return b""
    try:
        return bytes(numbers)
    except ValueError:
        return b""
