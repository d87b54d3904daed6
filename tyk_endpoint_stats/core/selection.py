"""What is asked of a store: which time, whose hits, which endpoints, and what to keep apart."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Consumer, Endpoint, Kind
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge

__all__ = ["Dimension", "Group", "Readable", "RowKind", "Selection", "row_kind"]


class Dimension(StrEnum):
    """What an answer can be split by."""

    CONSUMER = "consumer"
    ENDPOINT = "endpoint"
    BUCKET = "bucket"


class Group(Struct, frozen=True):
    """What a state of an answer stands for: the dimensions that were kept apart, the others are ``None``.

    ``alias`` and ``api_name`` are the newest names known of the consumer and the API (in the selected
    organisation), ``""`` where none was ever seen or the dimension is not kept apart.
    """

    consumer: Consumer | None = None
    endpoint: Endpoint | None = None
    bucket: Bucket | None = None
    alias: str = ""
    api_name: str = ""
    groups: int | None = None


class Selection(Struct, frozen=True):
    """Which hits to merge, and what to keep apart. Every filter that is ``None`` lets everything through.

    Where consumers are neither kept apart nor filtered (``kind``, ``consumer_id``), every hit counts once, also one
    without a key or client: that is *everyone*. Otherwise the hits of the selected consumers count, and one with a key
    and an OAuth client counts for both.

    Attributes:
        spans: the buckets; a store reads all of them from one snapshot. They must not overlap in time.
        group_by: what to keep apart; empty: one total.
        org_id: only that organisation. ``None``: all; a consumer that occurs in several is one consumer.
        kind, consumer_id, api_id, path: only states that match.
        distributions: whether codes and histograms are wanted; without them an answer is several times
            cheaper, and ``codes`` and ``histogram`` of its states are empty.
        max_groups: an answer of more groups is refused; ``None``: there is no bound. Where consumers are kept
            apart, a store may count one that occurs in several organisations once for each.
        busiest: only so many groups are wanted: those with the most hits, of equal ones the latest, then by ids.
            With them comes one that is the total of all there are, and says how many (``Group.groups``); where
            consumers are kept apart it has no codes and histogram. For selections that keep no buckets apart. A
            store may pass this over and give all groups: then there is no total.
    """

    spans: tuple[Span, ...]
    group_by: frozenset[Dimension] = frozenset()
    org_id: str | None = None
    kind: Kind | None = None
    consumer_id: str | None = None
    api_id: str | None = None
    path: str | None = None
    distributions: bool = True
    max_groups: int | None = None
    busiest: int | None = None

    def of(self, group: Group) -> "Selection":
        """The same, of the consumer and the endpoint of one group alone; what it does not keep apart stays."""
        selection = self
        if group.consumer is not None:
            selection = replace(selection, kind=group.consumer.kind, consumer_id=group.consumer.id)
        if group.endpoint is not None:
            selection = replace(selection, api_id=group.endpoint.api_id, path=group.endpoint.path)
        return selection

    def check_groups(self, groups: int) -> None:
        """For stores, to be called while the groups of an answer come together: one too many ends it.

        Raises:
            AnswerTooLarge: so many are more than ``max_groups``.
        """
        if self.max_groups is not None and groups > self.max_groups:
            raise AnswerTooLarge(f"{self.max_groups:,} rows")


class Readable(Protocol):
    """What questions, and an ingest that asks which days there are, need of a store."""

    def read(self, selection: Selection, /) -> Sequence[tuple[Group, EndpointStats]]:
        """The merged states of a selection, one for each group that has a hit; the store contract says more."""


class RowKind(StrEnum):
    """The four kinds of day rows, from the many to the few."""

    ENDPOINT_OF_CONSUMER = "endpoint of consumer"
    CONSUMER = "consumer"
    ENDPOINT = "endpoint"
    EVERYTHING = "everything"


def row_kind(selection: Selection, width: Width) -> RowKind:
    """The smallest kind of rows that can answer a selection, for its spans of that width.

    A consumer's total is not kept by quarter hours: those of its endpoints are read.
    """
    by_consumer = (
        Dimension.CONSUMER in selection.group_by or selection.kind is not None or selection.consumer_id is not None
    )
    by_endpoint = (
        Dimension.ENDPOINT in selection.group_by or selection.api_id is not None or selection.path is not None
    )
    if by_consumer:
        is_total = not by_endpoint and width is Width.DAY
        return RowKind.CONSUMER if is_total else RowKind.ENDPOINT_OF_CONSUMER
    return RowKind.ENDPOINT if by_endpoint else RowKind.EVERYTHING
