"""Rows that stand for what a store keeps apart: endpoints, consumers, APIs, and who called what."""

from typing import ClassVar

from tyk_endpoint_stats.core.batch import Kind
from tyk_endpoint_stats.core.selection import Dimension
from tyk_endpoint_stats.questions.measures import Measures

__all__ = ["ApiRow", "ConsumerRow", "EndpointRow", "GroupRow", "PairRow"]


class GroupRow(Measures, frozen=True, kw_only=True):
    """One group, over the whole period; its numbers are those of ``Measures``. Its ids and names are the group's."""

    GROUP_BY: ClassVar[frozenset[Dimension]] = frozenset()
    """What is kept apart."""

    IS_SUM: ClassVar[bool] = False
    """Whether several groups are one row, which says how many in ``endpoints``."""


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


class ConsumerRow(GroupRow, frozen=True, kw_only=True):
    """One consumer, over the whole period; its numbers are those of ``Measures``.

    A request with both a key and a client counts for both.

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


class PairRow(GroupRow, frozen=True, kw_only=True):
    """One consumer at one endpoint, over the whole period; its numbers are those of ``Measures``.

    A request with both a key and a client counts for both.

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
