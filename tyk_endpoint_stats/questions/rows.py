"""The answer to a question: a list of rows that can be turned into what people work with."""

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, SupportsIndex, TextIO, TypeVar, overload

from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.questions.csv_text import codes_text, write_csv
from tyk_endpoint_stats.questions.measures import BEFORE_MEMBERS, Measures

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["Rows", "flat"]

Row = TypeVar("Row", bound=Measures)

_NOT_IN_NOTEBOOKS = frozenset(
    {"codes", "c2xx", "c3xx", "request_time", "upstream_latency", "success", "first_hit", "latency"}
    | {"min_latency", "max_latency", "min_upstream_latency", "max_upstream_latency", "p99"}
)
"""A table in a notebook is to be read: these are in ``to_pandas`` and the others."""


class Rows(list[Row]):
    """Rows of one kind. A list, and what can be made of it.

    Args:
        rows: in their order.
        row_type: what they are; an empty answer has columns, too.
        all_rows: all that there are, where ``rows`` are only some of them.
        total_of: how many there are and their sum, where not even all were read.
        has_more: whether others follow behind these.
        compared: whether a period before was asked for.
    """

    def __init__(
        self,
        rows: Iterable[Row] = (),
        row_type: type[Row] | None = None,
        *,
        all_rows: Sequence[Row] | None = None,
        total_of: tuple[int, EndpointStats] | None = None,
        has_more: bool = False,
        compared: bool = False,
    ) -> None:
        super().__init__(rows)
        self.row_type = row_type
        self.has_more = has_more
        self.compared = compared
        self._all_rows = all_rows
        self._total_of = total_of

    @overload
    def __getitem__(self, index: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "Rows[Row]": ...
    def __getitem__(self, index: SupportsIndex | slice) -> "Row | Rows[Row]":
        if isinstance(index, slice):
            return Rows(super().__getitem__(index), self.row_type, compared=self.compared)
        return super().__getitem__(index)

    @property
    def total_rows(self) -> int:
        """How many rows there are in all, also beyond a limit."""
        if self._total_of is not None:
            return self._total_of[0]
        return len(self if self._all_rows is None else self._all_rows)

    @property
    def total(self) -> EndpointStats:
        """The merge of all rows: of a list that was cut by a limit, of those beyond it, too.

        A hit with both a key and a client stands in two rows of consumers, and counts twice here. Of the busiest
        consumers or pairs, where others were not read, it has no codes and percentiles.
        """
        if self._total_of is not None:
            return self._total_of[1].copy()
        total = EndpointStats()
        for row in self if self._all_rows is None else self._all_rows:
            total.merge(row.stats)
        return total

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the members, flat: what a table of these rows has."""
        kind = self.row_type or (type(self[0]) if self else Measures)
        return (*kind.members(), *(f"before_{name}" for name in BEFORE_MEMBERS if self.compared))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain values, ready for JSON, by the names that ``/v1`` has."""
        return [row.to_dict() for row in self]

    def to_pandas(self) -> "pandas.DataFrame":
        """A data frame: times are times, codes are text (``200:640 429:31``).

        Raises:
            ImportError: pandas is not installed.
        """
        frame: pandas.DataFrame = _library("pandas").DataFrame(self._table())
        return frame

    def to_polars(self) -> "polars.DataFrame":
        """A data frame of Polars.

        Raises:
            ImportError: Polars is not installed.
        """
        frame: polars.DataFrame = _library("polars").DataFrame(self._table(), strict=False)
        return frame

    def to_arrow(self) -> "pyarrow.Table":
        """A table of Arrow.

        Raises:
            ImportError: PyArrow is not installed.
        """
        table: pyarrow.Table = _library("pyarrow").table(self._table())
        return table

    def to_csv(self, file: TextIO) -> None:
        """Write CSV with a line of headings. No text in it is taken for a formula by a spreadsheet."""
        columns = self.columns
        write_csv(file, columns, ([flat(row, name) for name in columns] for row in self))

    def _repr_html_(self) -> str:
        """The first 50 rows as a table, for notebooks."""
        from tyk_endpoint_stats.markup.notebook import notebook_html

        known = self.columns
        shown = [name for name in known if name not in _NOT_IN_NOTEBOOKS and not name.startswith("before_")]
        return notebook_html(shown, [[getattr(row, name) for name in shown] for row in self], self.total_rows)

    def _table(self) -> dict[str, list[Any]]:
        return {name: [flat(row, name) for row in self] for name in self.columns}


def flat(row: Measures, name: str) -> Any:
    """A row's member as one value: that of the period before by ``before_…``, codes as text."""
    of: Measures | None = row
    if name.startswith("before_"):
        of, name = row.before, name.removeprefix("before_")
    value = None if of is None else getattr(of, name)
    return codes_text(value) if isinstance(value, dict) else value


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as problem:
        raise ImportError(f"this needs {name}, which is not installed: pip install {name}", name=name) from problem
