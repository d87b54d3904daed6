"""Rows on stdout: tables for people, JSON and CSV for programs."""

import csv
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any, TextIO
from unicodedata import east_asian_width

import click

from tyk_endpoint_stats.cli.escaping import csv_cell, printable
from tyk_endpoint_stats.core.instants import format_rfc3339, from_datetime

__all__ = ["Column", "format_option", "table_lines", "terminal_width", "write_rows"]

Row = dict[str, Any]
Column = tuple[str, str]
"""The name of a member and the heading above it."""

_GAP = "  "
_ELLIPSIS = "…"


def format_option(*more: str) -> Callable[[Any], Any]:
    """``--format``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "ndjson", "csv", *more]),
        default="table",
        show_default=True,
        help="How to print the answer.",
    )


def write_rows(rows: Sequence[Row], members: Sequence[str], columns: Sequence[Column], form: str) -> None:
    """Print rows.

    Args:
        rows: each with all members and columns.
        members: what programs get.
        columns: what a table shows; text is cut where a terminal is too narrow.
        form: ``table``, ``json``, ``ndjson`` or ``csv``.
    """
    out = sys.stdout
    if form == "table":
        for line in table_lines(rows, columns, terminal_width()):
            out.write(line + "\n")
        return
    if form == "csv":
        text = _csv_text(rows, members)
        _refuse_what_can_not_be_written(text, out)
        out.write(text)
        return
    from msgspec import json

    from tyk_endpoint_stats.web.tyk_json import ascii_json

    plain = [{name: _plain(row[name]) for name in members} for row in rows]
    if form == "json":
        out.write(json.format(ascii_json(plain), indent=2).decode() + "\n")
        return
    for row in plain:
        out.write(ascii_json(row).decode() + "\n")


def terminal_width() -> int | None:
    """How many cells a line of stdout has; ``None`` where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table_lines(rows: Iterable[Row], columns: Sequence[Column], width: int | None = None) -> list[str]:
    """The lines of a table: text to the left, numbers to the right; the widest texts are cut to fit ``width``."""
    shown = [[_text(row[name]) for name, _ in columns] for row in rows]
    is_number = [
        bool(shown) and all(isinstance(row[name], int | float | None) for row in rows) for name, _ in columns
    ]
    table = [[heading for _, heading in columns], *shown]
    widths = [max(_cells(line[index]) for line in table) for index in range(len(columns))]
    if width is not None:
        _narrow(widths, [len(heading) for _, heading in columns], is_number, width)
    lines = []
    for line in table:
        cells = [_padded(text, wide, number) for text, wide, number in zip(line, widths, is_number, strict=True)]
        lines.append(_GAP.join(cells).rstrip())
    return lines


def _csv_text(rows: Sequence[Row], members: Sequence[str]) -> str:
    out = StringIO()
    # Every text in quotes: with minimal quoting a lone CR would stand bare and end the row.
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(members)
    for row in rows:
        writer.writerow([csv_cell(_flat(row[name])) for name in members])
    return out.getvalue()


def _refuse_what_can_not_be_written(text: str, out: TextIO) -> None:
    """A table may show a character by its number, but a program would take that for the text itself."""
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError as problem:
        raise click.ClickException(
            f"the answer has characters that {out.encoding} can't write; "
            "set PYTHONIOENCODING=utf-8, or ask for --format json"
        ) from problem


def _plain(value: Any) -> Any:
    return format_rfc3339(from_datetime(value), value.tzinfo or UTC) if isinstance(value, datetime) else value


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{key}:{count}" for key, count in value.items())
    return "" if value is None else _plain(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{value:,.1f}"
        case int():
            return f"{value:,}"
        case datetime():
            return value.isoformat(" ", "seconds")
        case _:
            return printable(str(value), keep_newlines=False)


def _narrow(widths: list[int], least: list[int], is_number: list[bool], width: int) -> None:
    """Take from the widest text column, a cell at a time, until the line fits or nothing can be taken."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        candidates = [
            index for index, wide in enumerate(widths) if not is_number[index] and wide > max(least[index], 8)
        ]
        if not candidates:
            return
        widths[max(candidates, key=widths.__getitem__)] -= 1


def _padded(text: str, width: int, to_the_right: bool) -> str:
    text = _cut(text, width)
    space = " " * (width - _cells(text))
    return space + text if to_the_right else text + space


def _cut(text: str, width: int) -> str:
    """The beginning and the end of a text: ends of paths tell endpoints apart better than their middles."""
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
