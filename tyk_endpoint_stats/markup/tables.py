"""A table as values: columns, rows of cells, a total line. The templates draw it for pages, files and notebooks."""

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Cell", "Column", "Table"]


class Cell(Struct, frozen=True):
    """One cell.

    Attributes:
        text: what is written.
        href: where it leads to; empty: nowhere.
        detail: said beside it, in a quieter voice: an API's name below a path.
        tone: ``hot`` where it should be seen first, ``quiet`` where it need not be seen.
        bar: length and the longest of all, to be drawn as a bar.
        spark: columns of a sparkline.
    """

    text: str = ""
    href: str = ""
    detail: str = ""
    tone: str = ""
    bar: tuple[int, int] | None = None
    spark: Sequence[tuple[int, int]] = ()


class Column(Struct, frozen=True):
    """One column.

    Attributes:
        title: its heading.
        kind: ``path``, ``name``, ``number``, ``text`` or ``picture``.
        sort_href: orders the rows by it; empty: it can't be done.
        sorted: ``ascending`` or ``descending``, if the rows are in its order.
        minor: whether a narrow page leaves it out.
    """

    title: str
    kind: str = "number"
    sort_href: str = ""
    sorted: str = ""
    minor: bool = False

    @property
    def is_head(self) -> bool:
        """Whether its cells name their rows."""
        return self.kind in ("path", "name")

    @property
    def classes(self) -> str:
        """For the style."""
        return f"{self.kind} minor" if self.minor else self.kind


class Table(Struct, frozen=True, kw_only=True):
    """Rows, each with a cell for every column; ``total`` is the last line, ``more`` leads to the other rows."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    more: Cell | None = None
    note: str = ""
