"""Hostile text made harmless, for terminals and for spreadsheets.

Paths, ids and names come from whoever sent requests to the gateway.
"""

import re

__all__ = ["csv_cell", "printable"]

_FORMULA = re.compile("[=+@\t\r＝＋＠－-]")


def printable(text: str, keep_newlines: bool = True) -> str:
    """Text for a terminal: control characters, bidi overrides and the like are escaped, as in Python."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (keep_newlines and char == "\n") else _escaped(char) for char in text
    )


def csv_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: such text gets a ``'`` before it; numbers stay numbers."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
