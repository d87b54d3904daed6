"""Who called: anything, one API, one endpoint."""

from typing import Any, ClassVar

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.questions.answer import GroupRow, Readable, answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["ConsumerRow", "consumers"]


class ConsumerRow(GroupRow, frozen=True, kw_only=True):
    """One consumer, over the whole period; its numbers are those of ``Measures``.

    Attributes:
        kind: a key or an OAuth client.
        id: its id, as the gateway records it.
        alias: the newest alias known, ``""`` where there is none.
    """

    IDS: ClassVar[tuple[str, ...]] = ("kind", "id")
    NAMES: ClassVar[tuple[str, ...]] = ("alias",)
    GROUP_BY: ClassVar[frozenset[Dimension]] = frozenset({Dimension.CONSUMER})

    kind: Kind
    id: str
    alias: str = ""

    @classmethod
    def named(cls, group: Group, groups: int) -> dict[str, Any]:
        """See ``GroupRow``."""
        assert group.consumer is not None
        return {"kind": group.consumer.kind, "id": group.consumer.id, "alias": group.alias}

    @classmethod
    def ids_of(cls, group: Group) -> tuple[str, ...]:
        """See ``GroupRow``."""
        assert group.consumer is not None
        return group.consumer.kind, group.consumer.id


def consumers(
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
) -> Rows[ConsumerRow]:
    """Who called: with ``where.path`` (and ``api_id``) that endpoint alone. Arguments as in ``answer``.

    A request with both a key and a client counts for both.
    """
    return answer(
        store,
        ConsumerRow,
        period,
        where,
        before=before,
        sort=sort,
        limit=limit,
        after=after,
        distributions=distributions,
        max_rows=max_rows,
    )
