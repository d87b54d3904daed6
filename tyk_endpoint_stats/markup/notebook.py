"""Rows as a table in a notebook: the pages' own table, with a style of its own and without a script."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tyk_endpoint_stats.markup.rendering import render
from tyk_endpoint_stats.markup.tables import Cell, Column, Table
from tyk_endpoint_stats.markup.texts import count_text, duration_text

__all__ = ["MAX_ROWS", "notebook_html"]

MAX_ROWS = 50
"""A cell of a notebook is no place for more."""

_DURATIONS = {"request_time", "latency", "upstream_latency", "min_latency", "max_latency", "p50", "p95", "p99"}


def notebook_html(columns: Sequence[str], rows: Sequence[Sequence[Any]], total_rows: int) -> str:
    """A table as HTML.

    Args:
        columns: the names of the members shown.
        rows: their values; at most ``MAX_ROWS`` of them are drawn.
        total_rows: how many rows there are.
    """
    heads = [Column(name, "path" if name == "path" else "text" if name in _TEXTS else "number") for name in columns]
    cells = [
        [Cell(_text(name, value)) for name, value in zip(columns, row, strict=True)] for row in rows[:MAX_ROWS]
    ]
    table = Table(title=f"{total_rows} rows", columns=heads, rows=cells)
    note = (
        f"{count_text(min(len(rows), MAX_ROWS))} of {count_text(total_rows)} rows"
        if total_rows > len(cells)
        else ""
    )
    return render("notebook.html", table=table, note=note).decode()


_TEXTS = {"kind", "id", "alias", "api_id", "api_name", "start", "end", "first_hit", "last_hit"}


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if name == "error_rate":
        return f"{100 * value:.1f} %"
    if name in _DURATIONS:
        return duration_text(value)
    return count_text(value) if isinstance(value, int) else str(value)
