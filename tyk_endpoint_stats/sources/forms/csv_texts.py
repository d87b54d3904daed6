"""CSV of lines that were printed: what log searches export. A record stands as text in one of the columns."""

import re
from collections.abc import Sequence

from msgspec import json

from tyk_endpoint_stats.core.lenient_record import MalformedRecord, text_from_utf8
from tyk_endpoint_stats.sources.forms.csv_rows import Table, columns_of, quoting_of
from tyk_endpoint_stats.sources.forms.json_text import JSON_SPACE
from tyk_endpoint_stats.sources.forms.members import TEXT_MEMBERS, plain_member
from tyk_endpoint_stats.sources.forms.objects import Found, look_again

__all__ = ["RowLook", "are_names", "text_columns", "text_delimiter_of"]

_NAME = re.compile(r" ?[\w@][\w@. \-\[\]]{0,63}")


def text_delimiter_of(head: bytes) -> str | None:
    """What stands between the columns where lines were printed into some of them; ``None``: it is no such file.

    Args:
        head: the first bytes: a header, and a row with as many columns, in quotes if it has a single one.
    """
    header, _, rest = head.partition(b"\n")
    for delimiter in (",", ";", "\t"):
        quoting = quoting_of(delimiter)
        names = columns_of(header.strip(JSON_SPACE), delimiter)
        row = quoting.row.match(rest)
        if row is None or not text_columns(names):
            continue
        fields = quoting.fields_of(text_from_utf8(row[0].strip(b"\r\n")))
        if fields is not None and len(fields) == len(names) and (len(names) > 1 or rest[:1] == b'"'):
            return delimiter
    return None


def are_names(columns: Sequence[str]) -> bool:
    """Whether these are names and not any text."""
    return all(map(_NAME.fullmatch, columns))


def text_columns(names: Sequence[str]) -> list[int]:
    """Which columns of a header hold lines; none where it is no header."""
    if not are_names(names):
        return []
    return [place for place, name in enumerate(names) if plain_member(name) in TEXT_MEMBERS]


class RowLook:
    """The lenient look at a row: what stands in its text columns is looked at as in the members of an object.

    Args:
        header: the file's header line.
        delimiter: what stands between its columns.
    """

    def __init__(self, header: bytes, delimiter: str) -> None:
        self._table = Table(header, delimiter)
        self.columns = text_columns(self._table.names)

    def __call__(self, row: bytes, offset: int) -> list[Found]:
        """What is in the row at an offset."""
        line = self._table.line_of(row, offset)
        if not line:
            return []
        try:
            fields = self._table.fields_of(text_from_utf8(line))
        except MalformedRecord as problem:
            return [Found(malformed=problem.reason)]
        names = self._table.names
        return look_again(json.encode({names[place]: fields[place] for place in self.columns}))
