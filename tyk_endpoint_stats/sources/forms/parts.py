"""Container logs, which cut a long line into parts: an entry is a line, or all parts of one.

Kubernetes marks a part with ``P`` and the last one with ``F``; Docker's json-file ends all but the last without the
newline. Lines of the other stream may stand between.
"""

import re
from collections.abc import Iterable, Iterator
from io import BytesIO

from tyk_endpoint_stats.sources.forms.blocks import MAX_LINE_BYTES, Block, Mark, UnitBlock
from tyk_endpoint_stats.sources.forms.json_text import decoded, is_value, valid_text
from tyk_endpoint_stats.sources.forms.objects import Found, look_again
from tyk_endpoint_stats.sources.forms.prefixes import container_part

__all__ = ["is_container_log", "look_at_entry", "read_entries"]

_DOCKER = re.compile(rb'\{"log":"((?:[^"\\]|\\.)*+)".*?"stream":"(stdout|stderr)"')


def is_container_log(line: bytes) -> bool:
    """Whether a line is one of a log in which long lines are cut."""
    return _part(line) is not None


def read_entries(blocks: Iterable[Block], begins: Mark) -> Iterator[Block]:
    """The entries of some lines; parts whose last one is not there yet wait for it.

    Args:
        blocks: of lines.
        begins: where they begin.
    """
    mark = begins
    waiting = b""
    for block in blocks:
        lines = [] if block.overlong else block.lines()
        units: list[bytes] = []
        starts: list[int] = []
        size = 0
        unit = waiting
        open_streams: set[bytes] = set()
        for line in BytesIO(waiting).readlines():
            _note(line, open_streams)
        for line in lines:
            unit += line
            _note(line, open_streams)
            if not open_streams or len(unit) > MAX_LINE_BYTES:
                units.append(unit)
                starts.append(mark.offset + size)
                size += len(unit)
                unit = b""
                open_streams.clear()
        if block.overlong and unit:
            units.append(unit)
            starts.append(mark.offset + size)
            size += len(unit)
            unit = b""
        waiting = unit
        if units:
            mark = mark.past(b"".join(units))
            yield UnitBlock(b"", starts[0], mark, len(units), units=units, starts=starts)
        if block.overlong:
            yield block
            mark = block.ends


def look_at_entry(entry: bytes, offset: int) -> list[Found]:
    """What an entry is: its parts are put together first."""
    lines = BytesIO(entry).readlines()
    if len(lines) < 2:
        return look_again(entry, offset)
    found: list[Found] = []
    parts: dict[bytes, list[tuple[bytes, bytes]]] = {}
    for line in lines:
        part = _part(line)
        if part is None:
            found += look_again(line, offset)
            continue
        stream, text, is_open = part
        parts.setdefault(stream, []).append((text, line))
        if not is_open:
            found += _joined(parts.pop(stream))
    for left in parts.values():
        found += _joined(left)
    return found


def _joined(parts: list[tuple[bytes, bytes]]) -> list[Found]:
    """What the parts of a line are together, or, where one of them is lost, each by itself."""
    if len(parts) > 1:
        together = look_again(b"".join(text for text, _ in parts))
        if any(one.record is not None or one.skipped for one in together):
            return together
        return [one for text, _ in parts for one in _alone(text)]
    return look_again(parts[0][1])


def _alone(text: bytes) -> list[Found]:
    data, _ = valid_text(text)
    return look_again(data) if is_value(data) else [Found(malformed="a part of a line")] if data else []


def _note(line: bytes, open_streams: set[bytes]) -> None:
    part = _part(line)
    if part is not None:
        stream, _, is_open = part
        (open_streams.add if is_open else open_streams.discard)(stream)


def _part(line: bytes) -> tuple[bytes, bytes, bool] | None:
    """Stream, text, and whether the line goes on; ``None``: it is no line of such a log."""
    part = container_part(line)
    if part is not None:
        stream, tag, text = part
        return stream, text.rstrip(b"\r\n"), tag == b"P"
    match = _DOCKER.match(line)
    if match is None:
        return None
    text = match[1]
    if text.endswith(b"\\n"):
        return match[2], _unescaped(text[:-2]), False
    return match[2], _unescaped(text), True


def _unescaped(text: bytes) -> bytes:
    found = decoded(valid_text(b'"' + text + b'"')[0], str)
    return found.encode()
