"""What programs put before a line: times, streams, containers, hosts.

A layer is told by its form and not by whose it is, and several may stand one before the other. What follows the
last of them is what was printed.
"""

import re

from msgspec import Struct

__all__ = ["PREFIXES", "Prefix", "container_part", "without_prefix"]

_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"


class Prefix(Struct, frozen=True):
    """One kind of prefix.

    Attributes:
        name: how people call it.
        pattern: the prefix, with the space behind it.
        json_only: it is one only where an object follows: it would fit any text.
    """

    name: str
    pattern: re.Pattern[bytes]
    json_only: bool = False


PREFIXES = (
    Prefix("Kubernetes' container log", re.compile(rb"(\S+) (stdout|stderr) ([FP])(?::\S*)? ")),
    Prefix("docker compose logs", re.compile(rb"[A-Za-z0-9][\w.\-/]{0,200}\s{0,100}\| ?")),
    Prefix("kubectl logs --prefix", re.compile(rb"\[[\w.\-]+/[\w.\-/]+\] ")),
    Prefix(
        "syslog (RFC 5424)",
        re.compile(
            rb"(?:\d+ )?<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ "
            rb'(?:-|(?:\[(?:[^\]"\\]|"(?:[^"\\]|\\.)*+")*+\])+)(?: (?:\xef\xbb\xbf)?|$)'
        ),
    ),
    Prefix(
        "syslog",
        re.compile(
            rb"(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?|" + _TIME + rb") "
            rb"[\w.\-:]{1,255} [\w./\-@]{1,100}(?:\[\d+\])?: "
        ),
    ),
    Prefix("a time", re.compile(rb"\[?" + _TIME + rb"\]?[ \t]+")),
    Prefix("labels", re.compile(rb'\{(?:\w+="(?:[^"\\]|\\.)*+"(?:, ?)?)++\}[ \t]+')),
    Prefix("a number", re.compile(rb'\d{1,9}[):.] (?=")')),
    Prefix("text", re.compile(rb'[^"{}\n]{0,512}?[\s:|\[\]=\x1e](?=\{)'), json_only=True),
)


def without_prefix(line: bytes) -> tuple[Prefix, bytes] | None:
    """The outermost prefix of a line and what follows it; ``None``: there is none."""
    for prefix in PREFIXES:
        match = prefix.pattern.match(line)
        if match is not None:
            return prefix, line[match.end() :]
    return None


def container_part(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Stream, tag (``P``: the next line of the stream goes on with this one) and text of a container's log line."""
    match = PREFIXES[0].pattern.match(line)
    return (match[2], match[3], line[match.end() :]) if match else None
