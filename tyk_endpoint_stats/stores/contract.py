"""The store contract: one write, one read, and abilities as types. It knows the core's values and nothing else.

A plugin that provides a store implements these methods in a subclass of ``Store`` (``stores/base.py``), which has what
is the same for every store.

``tyk_endpoint_stats.testing.StoreConformance`` is its exam.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct, field

from tyk_endpoint_stats.core.batch import Batch, Consumer, ConsumerKey, Counts, NameSeen
from tyk_endpoint_stats.core.growth import Grown
from tyk_endpoint_stats.core.instants import Instant
from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = [
    "Copyable",
    "Inspectable",
    "Outline",
    "Pruned",
    "ReadableContract",
    "Retaining",
    "SourceProgress",
    "StoreContract",
    "StoreFacts",
    "Versioned",
    "WholeBatchReads",
]


class Pruned(Struct, frozen=True):
    """What ``prune`` took away: the quarter hours of so many rows, and positions of sources that can't come back."""

    rows: int = 0
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
        day_rows: how many day rows it keeps of a consumer and an endpoint each.
        total_rows: how many of the three kinds of totals.
        pruned_before: quarter hours of earlier instants are gone.
    """

    schema: str | None = None
    size_bytes: int | None = None
    consumers: int | None = None
    endpoints: int | None = None
    day_rows: int | None = None
    total_rows: int | None = None
    pruned_before: Instant | None = None


class Outline(Struct, frozen=True):
    """What a store holds besides rows and sources, all of one snapshot.

    Attributes:
        days: the UTC days that have a row, in days since 1970.
        api_names: as in a ``Batch``.
        aliases: as in a ``Batch``.
        pruned_before: quarter hours of earlier UTC days are gone; ``None``: nothing was ever pruned.
    """

    days: Sequence[int]
    api_names: dict[tuple[str, str], NameSeen]
    aliases: dict[ConsumerKey, NameSeen]
    pruned_before: Instant | None


class ReadableContract(ABC):
    """A store that can be asked.

    Thread-safe; a context manager; ``close`` may be called twice.

    Stores that only read someone else's data implement this and stop here.

    Attributes:
        warnings: what whoever runs this store should know, a sentence each; programs show them at their start.
    """

    warnings: Sequence[str] = ()

    def files(self) -> Sequence[Path]:
        """The files that it has open: nobody else in this process may open them, a source of records least of all.

        Closing any descriptor of SQLite's file takes the process's locks from it.
        """
        return ()

    @abstractmethod
    def read(self, selection: Selection) -> Sequence[tuple[Group, EndpointStats]]:
        """The merged states of a selection, one for each group that has a hit, in no particular order.

        The whole answer comes from one snapshot. It equals what one aggregator makes of the same records.

        Raises:
            QuarterHoursPruned: a span needs quarter hours of a UTC day that has rows, and that were pruned.
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StoreContract(ReadableContract):
    """A store that keeps states. One write, and it is atomic.

    Attributes:
        max_states_a_batch: an ingest ends its batches at so many states. ``merge`` takes larger ones too; a store
            whose transactions should be short asks for less than the default.
    """

    max_states_a_batch: int

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
        """Empty the quarter hours of whole UTC days that end at or before ``before``; the days themselves stay.

        The store remembers how far it pruned: a later ``read`` that needs such a quarter hour raises
        ``QuarterHoursPruned``, and late records for that time are merged without quarter hours.
        """


class WholeBatchReads:
    """An ability, as a type: readers of this store see a batch whole or not at all.

    Memory, SQLite and MongoDB on a replica set have it; a standalone MongoDB can't.
    """


class Versioned(ABC):
    """An ability, as a type: the store tells at little cost whether its answers may have changed."""

    @abstractmethod
    def version(self) -> str:
        """A counter and a random token, ``18422-9f0c…``: another one after each change, also by others.

        As long as it stays, every answer stays; no version of another file, or of another history of this one, is
        equal. An answer that is asked for afterwards is of this version or of a later one.

        Raises:
            StoreError: the store can't answer.
        """


class Copyable(ABC):
    """An ability, as a type: what the store keeps can be had as it is, for ``copy``, ``verify`` and ``status``."""

    @abstractmethod
    def outline(self) -> Outline:
        """What a copy needs to know beyond rows.

        Raises:
            StoreError: the store can't answer.
        """

    @abstractmethod
    def day(self, number: int) -> Batch:
        """All rows and totals of a UTC day, with the consumers and endpoints that they name, of one snapshot.

        Each packed value is one piece. The batch has no names, counts or source.

        Args:
            number: days since 1970.

        Raises:
            StoreError: the store can't answer, or a row can't be read.
        """

    @abstractmethod
    def growth(self) -> Mapping[int, Grown]:
        """By how much days grew, by days since 1970: what ``Batch.growth`` of all merges adds up to.

        Raises:
            StoreError: the store can't answer.
        """


class Retaining(ABC):
    """An ability, as a type: rows can be dropped by age, and a consumer be forgotten, exactly."""

    @abstractmethod
    def drop(self, before: Instant) -> int:
        """Drop the rows and totals of whole UTC days that end at or before ``before``, and by how much they grew.

        That prunes them as ``prune`` does: late records for that time are merged without quarter hours. Positions
        stay, so nothing is read again.

        Returns:
            How many rows.
        """

    @abstractmethod
    def forget(self, consumer: Consumer, org_id: str | None = None) -> int:
        """Drop a consumer's rows, its totals and its alias; the totals of everyone stay as they are.

        Args:
            consumer: whose.
            org_id: only in that organisation; ``None``: in all of them.

        Returns:
            How many rows.
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
        """What is wrong below the rows: pages, indexes, references, rows of no use. A sentence each.

        May read all there is and take minutes; writers are not kept waiting. Not bound by the deadline of questions.

        Raises:
            StoreError: the store can't be scanned.
        """
