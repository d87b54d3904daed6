"""Lines of Tyk Pump's own log, which stand among its records: no records, and no errors either."""

import re
from collections.abc import Iterator

__all__ = ["ACTION", "LOG_LINE", "NO_RECORDS", "TEXT_FORMAT", "is_log_text", "is_text_format", "logfmt_texts"]

LOG_LINE = "log"
"""The reason to skip a line of Tyk Pump's own log."""

ACTION = "bulk action"
"""The reason to skip a line of Elasticsearch's bulk format that says what to do with the next one."""

NO_RECORDS = frozenset({LOG_LINE, ACTION})
"""The reasons to skip what is no record of Tyk's."""

TEXT_FORMAT = "Tyk Pump's stdout in its text format"
"""What is wrong with a record that can't be read: it is printed as Go prints a struct, without names."""

_LOGRUS = re.compile(rb'(?:[^\s"=]+ )?(?:time="[^"]*" )?level=[a-z]+ ')
_COLOUR = rb"(?:\x1b\[[\d;]*m)?"
_LOGRUS_ON_A_TERMINAL = re.compile(
    _COLOUR + rb"(?:(?:TRAC|DEBU|INFO|WARN|ERRO|FATA|PANI)" + _COLOUR + rb"\[\d{4}\]|"
    rb"\[[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\] +"
    + _COLOUR
    + rb" *(?:TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|PANIC)\b)"
)
_PAIR = re.compile(rb'([\w.@/\-]++)=("(?:[^"\\]|\\.)*+"|[^\s"]*+)(?:[ \t]++|\Z)')
_LOGFMT = re.compile(rb"(?:%b)++\Z" % _PAIR.pattern)
_GO_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|.)", re.DOTALL)
_RECORD_AS_TEXT = re.compile(rb'\btyk-analytics-record="?\{')


def is_text_format(text: bytes) -> bool:
    """Whether a text holds a record in the stdout pump's text format."""
    return _RECORD_AS_TEXT.search(text) is not None


def is_log_text(text: bytes) -> bool:
    """Whether a text is a line of a log as Tyk's programs write it, and no record."""
    return (_LOGRUS.match(text) or _LOGRUS_ON_A_TERMINAL.match(text)) is not None


def logfmt_texts(line: bytes) -> Iterator[tuple[str, bytes]]:
    """The names and the quoted texts, as JSON, of a line that is ``name=value name="a text" …``."""
    if _LOGFMT.match(line):
        for name, value in _PAIR.findall(line):
            if value[:1] == b'"':
                yield name.decode(), _GO_ESCAPE.sub(lambda one: rb"\u00" + one[1] if one[1] else one[0], value)
