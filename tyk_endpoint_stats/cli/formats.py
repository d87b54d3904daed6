"""Rows on stdout: tables for people, JSON and CSV for programs."""

import sys
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any, TextIO

import click

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.tables import Column, Row, table_lines, terminal_width

__all__ = ["ROW_FORMS", "format_option", "write_rows"]


ROW_FORMS = ("table", "json", "ndjson", "csv")
"""What rows can be printed as."""


def format_option(*forms: str) -> Callable[[Any], Any]:
    """``--format``: one of these, by default those of rows."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms or ROW_FORMS),
        default="table",
        show_default=True,
        help="How to print the answer.",
    )


def write_rows(
    rows: Sequence[Row],
    members: Sequence[str],
    columns: Sequence[Column],
    form: str,
    *,
    total: Row | None = None,
    under: Sequence[str] = (),
) -> None:
    """Print rows.

    Args:
        rows: each with all members and columns.
        members: what programs get.
        columns: what a table shows.
        form: ``table``, ``json``, ``ndjson`` or ``csv``.
        total: the last line of a table.
        under: lines under a table that has rows.
    """
    out = sys.stdout
    if form == "table":
        lines = table_lines(rows, columns, terminal_width(), total)
        for line in [*lines, *(under if lines else ())]:
            out.write(line + "\n")
        return
    if form == "csv":
        text = _csv_text(rows, members, for_people=out.isatty())
        _refuse_what_can_not_be_written(text, out)
        out.write(text)
        return
    from msgspec import json

    from tyk_endpoint_stats.questions.times import plain_value
    from tyk_endpoint_stats.web.tyk_json import ascii_json

    plain = [{name: plain_value(row[name]) for name in members} for row in rows]
    if form == "json":
        out.write(json.format(ascii_json(plain), indent=2).decode() + "\n")
        return
    for row in plain:
        out.write(ascii_json(row).decode() + "\n")


def _csv_text(rows: Sequence[Row], members: Sequence[str], for_people: bool) -> str:
    from tyk_endpoint_stats.questions.csv_text import write_csv

    def shown(value: Any) -> Any:
        """A terminal would do what control characters say; a program gets the text itself."""
        return printable(value, keep_newlines=False) if for_people and isinstance(value, str) else value

    out = StringIO()
    write_csv(out, members, ([shown(row[name]) for name in members] for row in rows))
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
