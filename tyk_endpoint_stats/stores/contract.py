"""The store contract: one write, one read. A plugin that provides a store implements the abstract methods.

What is not abstract here is convenience over them, and the same for every store.

``tyk_endpoint_stats.testing.StoreConformance`` is its exam.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, date, tzinfo
from types import TracebackType
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from tyk_endpoint_stats.core.aggregator import Rules
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Batch, Consumer, Counts, Group, Kind, NameSeen, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.ingest.batch_builder import Limits
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.questions import endpoints as questions
from tyk_endpoint_stats.questions.endpoints import ConsumerRow, EndpointRow
from tyk_endpoint_stats.sources.contract import Source

__all__ = [
    "Copyable",
    "Inspectable",
    "LookedThrough",
    "Outline",
    "Pruned",
    "ReadableStore",
    "SourceProgress",
    "Store",
    "StoreFacts",
    "Versioned",
    "WholeBatchReads",
]


class Pruned(Struct, frozen=True):
    """What ``prune`` took away: quarter states, and positions of sources that can't come back."""

    quarter_states: int = 0
    positions: int = 0


class SourceProgress(Struct, frozen=True):
    """How far one source has been merged, and what became of its records so far."""

    source: str
    position: str | None
    counts: Counts = field(default_factory=Counts)


class StoreFacts(Struct, frozen=True, kw_only=True):
    """What a store says of itself; ``None``: it can't tell, or there is nothing to tell.

    Attributes:
        schema: the version of its tables, collections or the like.
        size_bytes: what it takes on its disk.
        consumers, endpoints: how many it knows.
        day_states, quarter_states: how many of each it keeps.
        pruned_before: quarters of earlier instants are gone.
    """

    schema: str | None = None
    size_bytes: int | None = None
    consumers: int | None = None
    endpoints: int | None = None
    day_states: int | None = None
    quarter_states: int | None = None
    pruned_before: Instant | None = None


class LookedThrough(Struct):
    """What a store found in the days that it has looked through by itself, each of one snapshot.

    Attributes:
        days: how many states it has of each; days since 1970.
        pruned: those whose quarters were pruned.
        suspects: those in which a state has a contradiction, or that their quarters do not come to.
        damage: states that can't even be read, so that no answer can be made from them; a sentence each.
        beside: what is wrong with what the store keeps beside days and quarters; a sentence each.
    """

    days: dict[int, int] = field(default_factory=dict)
    pruned: set[int] = field(default_factory=set)
    suspects: set[int] = field(default_factory=set)
    damage: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


class Outline(Struct, frozen=True):
    """What a store holds besides states and sources, all of one snapshot.

    Attributes:
        organisations: every ``org_id`` that has a state.
        api_names: as in a ``Batch``.
        aliases: as in a ``Batch``.
        pruned_before: quarters of earlier UTC days are gone; ``None``: nothing was ever pruned.
    """

    organisations: Sequence[str]
    api_names: dict[tuple[str, str], NameSeen]
    aliases: dict[tuple[str, str, str], NameSeen]
    pruned_before: Instant | None


class ReadableStore(ABC):
    """A store that can be asked. Thread-safe; a context manager; ``close`` may be called twice.

    Stores that only read someone else's data implement this and stop here.

    Attributes:
        warnings: what whoever runs this store should know, a sentence each; programs show them at their start.
    """

    warnings: Sequence[str] = ()

    @abstractmethod
    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """The merged states of a selection, one for each group that has a hit, in no particular order.

        The whole answer comes from one snapshot. It equals what one aggregator makes of the same records.

        Raises:
            QuarterHoursPruned: a span needs quarters of a UTC day that has states but whose quarters were pruned.
            EdgeInsideBucket: a span begins or ends inside of what somebody else's data holds as one number.
            AnswerTooLarge: there are more groups than ``selection.max_groups``. It is found out early: no more
                than those are ever in memory.
            StoreBusy: no answer within the store's deadline.
            StoreClosed: the store was closed, or opened before a fork.
            StoreError: the store can't answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the store holds; running calls end first. Calling it again does nothing."""

    def endpoints(
        self,
        consumer: Consumer,
        first: date,
        last: date,
        *,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
        api_id: str | None = None,
        distributions: bool = True,
        max_rows: int | None = None,
    ) -> list[EndpointRow]:
        """Which endpoints a consumer called, both days inclusive: ``questions.endpoints`` over this store."""
        return questions.endpoints(
            self,
            consumer,
            first,
            last,
            zone=zone,
            org_id=org_id,
            api_id=api_id,
            distributions=distributions,
            max_rows=max_rows,
        )

    def consumers(
        self,
        *,
        kind: Kind | None = None,
        first: date | None = None,
        last: date | None = None,
        zone: str | tzinfo = UTC,
        org_id: str | None = None,
    ) -> list[ConsumerRow]:
        """The consumers seen, busiest first: ``questions.consumers`` over this store."""
        return questions.consumers(self, kind=kind, first=first, last=last, zone=zone, org_id=org_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Store(ReadableStore):
    """A store that keeps states. One write, and it is atomic.

    Attributes:
        max_states_a_batch: an ingest ends its batches at so many states. ``merge`` takes larger ones too; a store
            whose transactions should be short asks for less than the default.
    """

    max_states_a_batch: int = Limits().states

    @abstractmethod
    def merge(self, batch: Batch) -> bool:
        """Add a batch's states, names, counts and position: all of it or nothing, durable on return.

        With a source the stored position is compared and set in the same transaction: equal to ``begins``,
        the batch is merged; equal to ``ends``, it was merged before and nothing changes. So a call that
        raised can be repeated safely. Without a source every call counts.

        Returns:
            ``False`` if this batch was merged before.

        Raises:
            PositionConflict: the source stands elsewhere; nothing was changed.
            StoreBusy: the write lock was not to be had within the store's deadline.
            StoreError: the batch could not be merged. It may have been, if the error came at the commit.
        """

    @abstractmethod
    def position(self, source: str) -> str | None:
        """How far this source has been merged: the ``ends`` of its last batch, ``None`` if there is none."""

    @abstractmethod
    def sources(self) -> Sequence[SourceProgress]:
        """Every resumable source this store has met, by name, with the sums of its batches' counts."""

    @abstractmethod
    def prune(self, before: Instant) -> Pruned:
        """Drop the quarter states of whole UTC days that end at or before ``before``; day states stay.

        The store remembers how far it pruned: a later ``read`` that needs such a quarter raises
        ``QuarterHoursPruned``, and late records for that time are merged into days alone.
        """

    def ingest(
        self,
        source: Source | Iterable[Record],
        options: IngestOptions = IngestOptions(),  # noqa: B008 - frozen
        *,
        rules: Rules | None = None,
    ) -> IngestReport:
        """Read a source to its end into this store: ``ingest`` over it.

        Args:
            source: of ``read_records`` or ``open_sources``, or any iterable of records.
            options: which records count, when a batch ends, who is told of what.
            rules: which records count, for whoever wants nothing else of the options.

        Raises:
            TypeError: ``source`` is the name of one: see ``read_records`` and ``open_sources``.
            SourceError: the source can't be read (on); what was merged before stays merged.
            StoreError: the store can't merge.
        """
        return ingest(self, source, options if rules is None else replace(options, rules=rules))


class WholeBatchReads:
    """An ability, as a type: readers of this store see a batch whole or not at all.

    Memory, SQLite and MongoDB on a replica set have it; a standalone MongoDB can't.
    """


class Versioned(ABC):
    """An ability, as a type: the store tells at little cost whether its answers may have changed."""

    @abstractmethod
    def version(self) -> int:
        """A number that grows with every change; as long as it stays, every answer stays.

        An answer that is asked for afterwards is of this version or of a later one.

        Raises:
            StoreError: the store can't answer.
        """


class Copyable(ABC):
    """An ability, as a type: the store can be copied from. Its states are asked for, its names can't be."""

    @abstractmethod
    def outline(self) -> Outline:
        """What a copy needs to know beyond answers.

        Raises:
            StoreError: the store can't answer.
        """


class Inspectable(ABC):
    """An ability, as a type: the store knows more of itself than its answers show."""

    @abstractmethod
    def facts(self) -> StoreFacts:
        """Its size, its schema, and how much it holds.

        Raises:
            StoreError: the store can't answer.
        """

    @abstractmethod
    def damage(self) -> Sequence[str]:
        """What is wrong below the answers: pages, indexes, references, rows of no use. A sentence each.

        May read all there is and take minutes; writers are not kept waiting. Not bound by the deadline of
        questions.

        Raises:
            StoreError: the store can't be looked through.
        """

    def look_through(self) -> LookedThrough:
        """Look at every state, and compare each day with its quarters, at less cost than by questions.

        Asked where ``damage`` found nothing. Days that are not in the answer are looked at by questions, as
        suspects are: so a store that has no such way leaves this as it is.

        Raises:
            StoreError: the store can't be looked through.
        """
        return LookedThrough()
