"""Tables for people: what is shown of rows, and what gives way where a terminal is narrow."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from unicodedata import east_asian_width

from tyk_endpoint_stats.cli.escaping import printable

__all__ = ["Column", "Row", "bar_text", "can_show_bars", "table_lines", "terminal_width"]

Row = dict[str, Any]

_GAP = "  "
_ELLIPSIS = "…"
_MIN_CELLS = 8
_WIDE = 100
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BAR_CELLS = 12


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: the member of a row that it shows.
        heading: what stands above it.
        kind: ``path``: cut between segments; ``share``: 0 to 1, shown as a percentage; ``bar``: left out where it does
            not fit, as a cut one would lie; ``mixed``: each number is of something else; ``text``: anything else,
            numbers to the right, times shortened.
        may_go: on a terminal of less than 100 columns it is left out before anything is cut.
    """

    name: str
    heading: str
    kind: Literal["text", "path", "share", "bar", "mixed"] = "text"
    may_go: bool = False


def terminal_width() -> int | None:
    """How many cells a line of stdout has; ``None`` where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def can_show_bars() -> bool:
    """Whether stdout can be given block characters."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def bar_text(value: int | float, largest: int | float) -> str:
    """A bar of up to 12 cells, in eighths of a cell; what is not 0 is seen."""
    eighths = round(value / largest * _BAR_CELLS * 8) if largest else 0
    whole, rest = divmod(max(eighths, int(value > 0)), 8)
    return "█" * whole + _EIGHTHS[rest].strip()


def table_lines(
    rows: Sequence[Row], columns: Sequence[Column], width: int | None = None, total: Row | None = None
) -> list[str]:
    """The lines of a table, none where there is no row: text to the left, numbers to the right.

    Times are never cut: ``31 Oct 20:42``, with the year where one of them is not of this year. Where the lines
    don't fit into ``width``, columns go that may, then bars; then the widest texts are cut, paths between their
    segments.

    Args:
        rows: each with a member for every column.
        columns: what is shown.
        width: how many cells a line may have; ``None``: any number.
        total: a last line; its first text is ``total``, what it has no member for is empty.
    """
    if not rows:
        return []
    every = [*rows, *([] if total is None else [total])]
    with_year = _spans_years(every)
    texts = {
        column.name: _texts([row.get(column.name, "") for row in every], column, with_year) for column in columns
    }
    if total is not None:
        texts[columns[0].name][-1] = "total"

    def widths_of(shown: Sequence[Column]) -> list[int]:
        return [max(map(_cells, (column.heading, *texts[column.name]))) for column in shown]

    shown, widths = list(columns), widths_of(columns)
    if width is not None and _line(widths) > width:
        if width < _WIDE:
            shown = [column for column in columns if not column.may_go]
            widths = widths_of(shown)
        if _line(widths) > width:
            shown = [column for column in shown if column.kind != "bar"]
            widths = widths_of(shown)
        _narrow(widths, [_min_cells(column, rows) for column in shown], width)
    lines = [
        _GAP.join(
            _padded(column.heading, wide, _is_number(column, rows))
            for column, wide in zip(shown, widths, strict=True)
        )
    ]
    cells = [
        _column_cells(column, texts[column.name], wide, _is_number(column, rows))
        for column, wide in zip(shown, widths, strict=True)
    ]
    lines += [_GAP.join(line) for line in zip(*cells, strict=True)]
    return [line.rstrip() for line in lines]


def _spans_years(rows: Sequence[Row]) -> bool:
    this_year = datetime.now(UTC).year
    return any(isinstance(value, datetime) and value.year != this_year for row in rows for value in row.values())


def _texts(values: Sequence[Any], column: Column, with_year: bool) -> list[str]:
    """Where one number of a column has a fraction, all have."""
    if column.kind != "mixed" and any(isinstance(value, float) for value in values):
        values = [float(value) if isinstance(value, int) else value for value in values]
    return [_text(value, column, with_year) for value in values]


def _text(value: Any, column: Column, with_year: bool) -> str:
    if value is None:
        return "-"
    if column.kind == "share" and isinstance(value, int | float):
        return _share_text(value)
    match value:
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
        case datetime():
            year = f" {value.year}" if with_year else ""
            return f"{value.day:2} {_MONTHS[value.month - 1]}{year} {value:%H:%M}"
        case _:
            return printable(str(value), keep_newlines=False)


def _share_text(share: int | float) -> str:
    """``0.0%`` is nothing alone, and ``100.0%`` all."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


def _is_number(column: Column, rows: Sequence[Row]) -> bool:
    return all(isinstance(row[column.name], int | float | None) for row in rows)


def _min_cells(column: Column, rows: Sequence[Row]) -> int | None:
    """How few cells a column may be cut to; ``None``: it may not be cut."""
    if _is_number(column, rows) or any(isinstance(row[column.name], datetime) for row in rows):
        return None
    return max(_MIN_CELLS, _cells(column.heading))


def _line(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _narrow(widths: list[int], least: Sequence[int | None], width: int) -> None:
    """Take from the widest text column, a cell at a time, until the line fits or nothing can be taken."""
    while _line(widths) > width:
        candidates = [index for index, wide in enumerate(widths) if wide > (least[index] or wide)]
        if not candidates:
            return
        widths[max(candidates, key=widths.__getitem__)] -= 1


def _column_cells(column: Column, texts: Sequence[str], width: int, to_the_right: bool) -> list[str]:
    cut = _cut_path if column.kind == "path" else _cut
    cells = {text: cut(text, width) for text in texts}
    seen = Counter(cells.values())
    # Two that look the same would be one to a reader: rather a line that is too long.
    return [_padded(text if seen[cells[text]] > 1 else cells[text], width, to_the_right) for text in texts]


def _padded(text: str, width: int, to_the_right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if to_the_right else text + space


def _cut_path(path: str, width: int) -> str:
    """The last segments of a path, whole; of a last one that is too long, beginning and end."""
    if _cells(path) <= width:
        return path
    at = path.find("/", 1)
    while at != -1:
        cut = _ELLIPSIS + path[at:]
        if _cells(cut) <= width:
            return cut
        at = path.find("/", at + 1)
    return _cut(path, width)


def _cut(text: str, width: int) -> str:
    """The beginning and the end of a text."""
    if _cells(text) <= width:
        return text
    for kept in range(min(len(text), width) - 1, 0, -1):
        tail = kept // 2
        cut = text[: kept - tail] + _ELLIPSIS + text[len(text) - tail :]
        if _cells(cut) <= width:
            return cut
    return _ELLIPSIS


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: two for a wide character."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
