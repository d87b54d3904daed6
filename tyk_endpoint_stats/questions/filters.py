"""What narrows an answer: whose hits are read, and which of the rows are wanted."""

import re
from collections.abc import Callable, Iterable

from msgspec import Struct

from tyk_endpoint_stats.core.batch import Consumer, Kind
from tyk_endpoint_stats.core.buckets import Span
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.measures import Measures

__all__ = ["Filter"]

_SEARCHED = ("id", "alias", "path", "api_id", "api_name")
_CODE = re.compile("[0-9]{1,3}")
_CLASS = re.compile("([1-9])xx")


class Filter(Struct, frozen=True, kw_only=True):
    """Every filter that is ``None`` lets everything through. The first six choose hits, the last two rows.

    Without a consumer and a kind every hit counts once, also one without a key or client.

    Attributes:
        org_id: only that organisation; ``None``: all of them.
        consumer: only that key or client.
        kind: only keys, or only OAuth clients.
        api_id: only that API; ``""`` is the API whose id is empty.
        path: only that path.
        q: rows that have this text in an id, an alias, a path or an API's name, in upper or lower case.
        status: rows with at least one hit of that status code (``"429"``) or class (``"5xx"``).

    Raises:
        InvalidQuestion: ``status`` is neither.
    """

    org_id: str | None = None
    consumer: Consumer | None = None
    kind: Kind | None = None
    api_id: str | None = None
    path: str | None = None
    q: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        if self.status is not None and not (_CODE.fullmatch(self.status) or _CLASS.fullmatch(self.status)):
            raise InvalidQuestion(f"status must be a code such as 429 or a class such as 5xx, not {self.status!r}")

    @property
    def chooses_rows(self) -> bool:
        """Whether rows are looked at one by one after they were read."""
        return self.q is not None or self.status is not None

    def selection(
        self,
        spans: tuple[Span, ...],
        group_by: Iterable[Dimension],
        distributions: bool,
        max_groups: int | None = None,
        busiest: int | None = None,
    ) -> Selection | None:
        """What is asked of a store; ``None``: nothing can be found."""
        kind, consumer_id = self.kind, None
        if self.consumer is not None:
            if kind not in (None, self.consumer.kind):
                return None
            kind, consumer_id = self.consumer.kind, self.consumer.id
        if not spans:
            return None
        return Selection(
            spans,
            frozenset(group_by),
            org_id=self.org_id,
            kind=kind,
            consumer_id=consumer_id,
            api_id=self.api_id,
            path=self.path,
            distributions=distributions,
            max_groups=max_groups,
            busiest=busiest,
        )

    def wanted(self) -> Callable[[Measures], bool]:
        """Says of a row whether ``q`` and ``status`` let it through."""
        text = None if self.q is None else self.q.casefold()
        found = _CLASS.fullmatch(self.status or "")
        first = int(found[1]) * 100 if found else int(self.status or 0)
        codes = range(first, first + 100 if found else first + 1)

        def keeps(row: Measures) -> bool:
            if text is not None and not any(
                text in getattr(row, name).casefold() for name in _SEARCHED if name in row.IDS or name in row.NAMES
            ):
                return False
            return self.status is None or any(code in codes for code in row.stats.codes)

        return keeps

    def refuse_choosing_rows(self, what: str) -> None:
        """For answers whose rows stand for all there is.

        Raises:
            InvalidQuestion: ``q`` or ``status`` is given.
        """
        if self.chooses_rows:
            name = "status" if self.q is None else "q"
            raise InvalidQuestion(f"{name} chooses among rows: {what} has none to choose from")
