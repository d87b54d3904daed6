"""CSV that spreadsheets and programs read alike."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from tyk_endpoint_stats.questions.times import plain_value

__all__ = ["codes_text", "csv_cell", "write_csv"]

_FORMULA = re.compile("[=+@\t\r＝＋＠－-]")


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: such text gets a ``'`` before it; numbers stay numbers.

    Paths, ids and names come from whoever sent requests to the gateway.
    """
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write headings and rows.

    A value that there is none of is an empty cell; times are RFC 3339, status codes ``200:640 429:31``.
    """
    # Every text in quotes: with minimal quoting a lone CR would stand bare and end the row.
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_cell(_text(value)) for value in row])


def codes_text(codes: Mapping[Any, int]) -> str:
    """Hits by status code as one cell: ``200:640 429:31``."""
    return " ".join(f"{code}:{count}" for code, count in codes.items())


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return codes_text(value)
    return "" if value is None else plain_value(value)
