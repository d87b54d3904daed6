"""Which endpoints were called: by one consumer, or by anybody."""

from typing import Any, ClassVar

from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.questions.answer import GroupRow, Readable, answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["EndpointRow", "endpoints"]


class EndpointRow(GroupRow, frozen=True, kw_only=True):
    """One endpoint, over the whole period; its numbers are those of ``Measures``.

    Attributes:
        api_id: of which API.
        path: without a query.
        api_name: the newest name known, ``""`` where there is none.
    """

    IDS: ClassVar[tuple[str, ...]] = ("api_id", "path")
    NAMES: ClassVar[tuple[str, ...]] = ("api_name",)
    GROUP_BY: ClassVar[frozenset[Dimension]] = frozenset({Dimension.ENDPOINT})

    api_id: str
    path: str
    api_name: str = ""

    @classmethod
    def named(cls, group: Group, groups: int) -> dict[str, Any]:
        """See ``GroupRow``."""
        assert group.endpoint is not None
        return {"api_id": group.endpoint.api_id, "path": group.endpoint.path, "api_name": group.api_name}

    @classmethod
    def ids_of(cls, group: Group) -> tuple[str, ...]:
        """See ``GroupRow``."""
        assert group.endpoint is not None
        return group.endpoint.api_id, group.endpoint.path


def endpoints(
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
) -> Rows[EndpointRow]:
    """The endpoints that were called: of one consumer with ``where.consumer``. Arguments as in ``answer``."""
    return answer(
        store,
        EndpointRow,
        period,
        where,
        before=before,
        sort=sort,
        limit=limit,
        after=after,
        distributions=distributions,
        max_rows=max_rows,
    )
