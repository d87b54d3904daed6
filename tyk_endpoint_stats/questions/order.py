"""In which order rows come, how many of them, and where the next ones go on."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from msgspec import Struct

from tyk_endpoint_stats.core.instants import from_datetime
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.measures import Measures

__all__ = ["DEFAULT_ORDER", "Order", "Position", "page_of"]

Row = TypeVar("Row", bound=Measures)
Item = TypeVar("Item")

DEFAULT_ORDER = "-hits"
"""Most hits first."""

Position = list[Any]
"""Where a row stands in an order: plain values that can be written as JSON."""


class Order(Struct, frozen=True):
    """By one member; ties by the latest hit first, then by ids, so that no two rows are equal.

    A row without a value comes last, whichever way.
    """

    member: str
    descending: bool

    @classmethod
    def parse(cls, text: str, row_type: type[Measures]) -> "Order":
        """``hits``, or ``-hits`` for the largest first.

        Raises:
            InvalidQuestion: rows of that type have no such member, or none with an order.
        """
        member = text.removeprefix("-")
        known = [name for name in row_type.members() if name != "codes"]
        if member not in known:
            near = get_close_matches(member, known, 1)
            raise InvalidQuestion(
                f"rows can't be sorted by {member!r}; " + (f"did you mean {near[0]}?" if near else ", ".join(known))
            )
        return cls(member, text.startswith("-"))

    def position(self, row: Measures) -> Position:
        """Where a row stands."""
        value = getattr(row, self.member)
        if isinstance(value, datetime):
            value = from_datetime(value)
        return [value, row.stats.last_hit_us or 0, *(getattr(row, name) for name in row.IDS)]

    def key(self, position: Position) -> tuple[Any, ...]:
        """What positions are compared by.

        Raises:
            TypeError: it is no position.
        """
        value, last_hit_us, *ids = position
        if value is None:
            return (True, 0, -last_hit_us, *ids)
        if self.descending:
            value = _Reversed(value) if isinstance(value, str) else -value
        return (False, value, -last_hit_us, *ids)

    def arranged(self, rows: list[Row], after: Position | None = None) -> list[Row]:
        """Sort ``rows`` in place, and give those behind a position.

        Raises:
            InvalidQuestion: ``after`` is no position in this order.
        """
        rows.sort(key=self._key_of)
        if after is None:
            return rows
        try:
            return rows[bisect_right(rows, self.key(after), key=self._key_of) :]
        except (TypeError, ValueError):
            raise InvalidQuestion("this is no position among these rows") from None

    def _key_of(self, row: Measures) -> tuple[Any, ...]:
        return self.key(self.position(row))


class _Reversed(Struct, frozen=True):
    """Text whose order is turned round."""

    text: str

    def __lt__(self, other: object) -> bool:
        return other.text < self.text if isinstance(other, _Reversed) else NotImplemented


def page_of(rows: Sequence[Item], number: int | None, size: int) -> tuple[Sequence[Item], int]:
    """One page of the rows and the number of pages, by Tyk's rule.

    ``None``: all rows, 1 page. 1 and above: that page of ``size`` rows (none past the end), and how many
    pages there are, at least 1. 0 and below: all rows, 0 pages.
    """
    if number is None:
        return rows, 1
    if number <= 0:
        return rows, 0
    return rows[(number - 1) * size : number * size], max(1, -(-len(rows) // size))
