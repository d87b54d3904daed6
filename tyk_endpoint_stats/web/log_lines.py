"""What may stand in a log: one event, one line, plain ASCII, and no secret.

Where a gateway does not hash keys a consumer id is a credential, and anything else in a target may be one by
mistake. So of a target only the words of the table of routes, numbers of a date, and parameters whose values are of
a closed set are written; every other part of a path becomes the first 8 hexadecimal digits of its SHA-256, which
still tells equal from different.
"""

import json
import logging
import re
import time
from collections import Counter
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tyk_endpoint_stats.core.fingerprint import fingerprint
from tyk_endpoint_stats.web.table import PUBLIC_PARAMETERS, PUBLIC_SEGMENTS
from tyk_endpoint_stats.web.targets import path_and_query

__all__ = ["FIELDS", "JsonFormatter", "LineFormatter", "one_line", "safe_target"]

FIELDS = "fields"
"""The attribute of a log record that has what its message says as a mapping, for programs."""

_WORDS = PUBLIC_SEGMENTS | {"", "metrics"}
_NUMBER = re.compile("[0-9]{1,4}")
_MAX_SEGMENTS = 24
_LEAST_SECRET = 4
_UNPRINTABLE = re.compile("[^ -~]")


class LineFormatter(logging.Formatter):
    """A formatter for whoever runs the server as a program: one event, one line, whoever logged it.

    Other loggers' tracebacks become one line too, and nothing in a line can move a terminal's cursor.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, plain printable ASCII."""
        return _UNPRINTABLE.sub(lambda found: _escaped(found[0]), super().format(record))


class JsonFormatter(logging.Formatter):
    """A formatter for programs that collect logs: one event, one line, one JSON object. Masked as any line is.

    ``time`` (UTC, milliseconds), ``level``, ``logger``, ``message``; of an answer also ``peer``, ``method``,
    ``target``, ``status``, ``bytes``, ``ms`` and ``taken``; ``exception`` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The object, plain printable ASCII."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        event = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event).replace("\x7f", "\\u007f")


def one_line(problem: BaseException, target: str = "") -> str:
    """An exception, its causes and the place it came from, escaped, in one line. Never a traceback.

    Args:
        problem: drivers put what they were asked into their messages.
        target: the request's. What ``safe_target`` hides of its path is hidden here in the same way.
    """
    parts = []
    seen: set[int] = set()
    current: BaseException | None = problem
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append(f"{type(current).__name__}: {current}")
        current = current.__cause__
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None:
        parts.append(f"at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
    return _escaped(_without_segments("; ".join(parts), target))


def _without_segments(text: str, target: str) -> str:
    for segment in path_and_query(target)[0].split("/")[:_MAX_SEGMENTS]:
        shown, secret = _safe(segment), unquote_to_bytes(segment).decode("utf-8", "replace")
        # A shorter one is part of many words, and no secret.
        if shown != segment and len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, shown).replace(repr(secret)[1:-1], shown)
    return text


def safe_target(target: str) -> str:
    """A request target as the access log may show it."""
    path, query = path_and_query(target)
    found = path.split("/")
    shown = "/".join(_safe(segment) for segment in found[:_MAX_SEGMENTS])
    if len(found) > _MAX_SEGMENTS:
        shown += "/..."
    if not query:
        return shown
    pairs = query.split("&")
    times = Counter(pair.partition("=")[0] for pair in pairs)
    public = [pair for pair in pairs if times[pair.partition("=")[0]] == 1 and _is_public(pair)]
    return f"{shown}?{'&'.join(public)}{'' if len(public) == len(pairs) else '...'}"


def _is_public(pair: str) -> bool:
    name, _, value = pair.partition("=")
    return any(parameter.is_public(value) for parameter in PUBLIC_PARAMETERS.get(name, ()))


def _safe(segment: str) -> str:
    if segment in _WORDS or _NUMBER.fullmatch(segment):
        return segment
    return fingerprint(unquote_to_bytes(segment))


def _escaped(text: str) -> str:
    return text.encode("unicode_escape", "backslashreplace").decode("ascii")
