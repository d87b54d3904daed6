"""Which APIs were called."""

from typing import Any, ClassVar

from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.questions.answer import GroupRow, Readable, answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["ApiRow", "apis"]


class ApiRow(GroupRow, frozen=True, kw_only=True):
    """One API, over the whole period; its numbers are those of ``Measures``.

    Attributes:
        api_id: its id.
        api_name: the newest name known, ``""`` where there is none.
        endpoints: how many of its endpoints were called.
    """

    IDS: ClassVar[tuple[str, ...]] = ("api_id",)
    NAMES: ClassVar[tuple[str, ...]] = ("api_name", "endpoints")
    GROUP_BY: ClassVar[frozenset[Dimension]] = frozenset({Dimension.ENDPOINT})
    IS_SUM: ClassVar[bool] = True

    api_id: str
    api_name: str = ""
    endpoints: int = 0

    @classmethod
    def named(cls, group: Group, groups: int) -> dict[str, Any]:
        """See ``GroupRow``."""
        assert group.endpoint is not None
        return {"api_id": group.endpoint.api_id, "api_name": group.api_name, "endpoints": groups}

    @classmethod
    def ids_of(cls, group: Group) -> tuple[str, ...]:
        """See ``GroupRow``."""
        assert group.endpoint is not None
        return (group.endpoint.api_id,)


def apis(
    store: Readable,
    period: Period,
    where: Filter = Filter(),  # noqa: B008 - frozen
    *,
    before: Period | None = None,
    sort: str = DEFAULT_ORDER,
    limit: int | None = None,
    after: Position | None = None,
    distributions: bool = True,
    max_rows: int | None = None,
) -> Rows[ApiRow]:
    """The APIs that were called. Arguments as in ``answer``."""
    return answer(
        store,
        ApiRow,
        period,
        where,
        before=before,
        sort=sort,
        limit=limit,
        after=after,
        distributions=distributions,
        max_rows=max_rows,
    )
