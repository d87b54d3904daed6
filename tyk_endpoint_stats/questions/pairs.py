"""Who called what: every consumer with every endpoint that it called."""

from typing import Any, ClassVar

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.selection import Dimension, Group
from tyk_endpoint_stats.questions.answer import GroupRow, Readable, answer
from tyk_endpoint_stats.questions.filters import Filter
from tyk_endpoint_stats.questions.order import DEFAULT_ORDER, Position
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.questions.rows import Rows

__all__ = ["PairRow", "pairs"]


class PairRow(GroupRow, frozen=True, kw_only=True):
    """One consumer at one endpoint, over the whole period; its numbers are those of ``Measures``.

    Attributes:
        kind: a key or an OAuth client.
        id: its id, as the gateway records it.
        api_id: of which API the endpoint is.
        path: without a query.
        alias: the consumer's newest alias known, ``""`` where there is none.
        api_name: the API's newest name known, ``""`` where there is none.
    """

    IDS: ClassVar[tuple[str, ...]] = ("kind", "id", "api_id", "path")
    NAMES: ClassVar[tuple[str, ...]] = ("alias", "api_name")
    GROUP_BY: ClassVar[frozenset[Dimension]] = frozenset({Dimension.CONSUMER, Dimension.ENDPOINT})

    kind: Kind
    id: str
    api_id: str
    path: str
    alias: str = ""
    api_name: str = ""

    @classmethod
    def named(cls, group: Group, groups: int) -> dict[str, Any]:
        """See ``GroupRow``."""
        assert group.consumer is not None
        assert group.endpoint is not None
        return {
            "kind": group.consumer.kind,
            "id": group.consumer.id,
            "api_id": group.endpoint.api_id,
            "path": group.endpoint.path,
            "alias": group.alias,
            "api_name": group.api_name,
        }

    @classmethod
    def ids_of(cls, group: Group) -> tuple[str, ...]:
        """See ``GroupRow``."""
        assert group.consumer is not None
        assert group.endpoint is not None
        return group.consumer.kind, group.consumer.id, group.endpoint.api_id, group.endpoint.path


def pairs(
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
) -> Rows[PairRow]:
    """Who called what. Arguments as in ``answer``.

    A request with both a key and a client counts for both.
    """
    return answer(
        store,
        PairRow,
        period,
        where,
        before=before,
        sort=sort,
        limit=limit,
        after=after,
        distributions=distributions,
        max_rows=max_rows,
    )
