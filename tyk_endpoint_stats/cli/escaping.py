"""Hostile text made harmless for terminals; ``questions/csv_text.py`` does it for spreadsheets.

Paths, ids and names come from whoever sent requests to the gateway.
"""

__all__ = ["printable"]


def printable(text: str, keep_newlines: bool = True) -> str:
    """Text for a terminal: control characters, bidi overrides and the like are escaped, as in Python."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or (keep_newlines and char == "\n") else _escaped(char) for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
