"""The source contract: records in chunks, each with the position behind it.

A source's identity is what it *is*, not where it lies, so that a renamed or compressed file is the same source.
A position is opaque to the store; only the source itself can tell whether it fits its bytes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from msgspec import Struct, field

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.errors import SourceError

__all__ = ["Chunk", "Peekable", "PositionLookup", "Reading", "Rejected", "Source", "Waiting", "only_part"]

PositionLookup = Callable[[str], str | None]
"""A store's ``position`` method."""


class Rejected(Struct, frozen=True):
    """One malformed record: where it stands, what is wrong with it, and its bytes as they came.

    ``raw`` is empty where the bytes were given with an earlier one: a line may hold many records.
    """

    where: str
    reason: str
    raw: bytes


class Chunk(Struct):
    """Some records in the order of the source, and what of it is no record.

    Attributes:
        records: decoded, not yet judged: the aggregator may still find one malformed.
        ends: the position just behind this chunk, ``None`` where the source is not resumable.
        size: how many bytes of the source it covers, for progress and for the bounds of a batch.
        repaired: indexes of ``records`` that had a value mended.
        skipped: what was no gateway record at all, by reason (log lines of Pump's own).
        rejected: what could not be decoded.
        instant_of: turns a record's ``timestamp`` into an aware datetime; RFC 3339 text by default.
    """

    records: Sequence[Record]
    ends: str | None = None
    size: int = 0
    repaired: Sequence[int] = ()
    skipped: dict[str, int] = field(default_factory=dict)
    rejected: Sequence[Rejected] = ()
    instant_of: Callable[[Any], datetime] = datetime.fromisoformat

    def locate(self, index: int) -> Rejected:
        """Where ``records[index]`` stands, with an empty ``reason``; asked only of records found malformed."""
        return Rejected(f"record {index + 1} of a chunk", "", b"")


class Reading(ABC):
    """One pass over a source, from where the store left it. A context manager.

    Attributes:
        source: the name under which the store keeps the position, ``None``: not resumable.
        begins: the position this reading starts from, ``None`` at the very beginning.
        total: bytes of the whole source if known, for progress.
        done: bytes of it that lay behind ``begins`` already.
        waits: its end is only that of what is there now: a pipe that somebody still writes to.
        waiting: once all chunks were read, how many bytes behind the last one are no whole record yet.
    """

    source: str | None = None
    begins: str | None = None
    total: int | None = None
    done: int = 0
    waits: bool = False
    waiting: int = 0

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """The chunks behind ``begins``. A chunk may be reused by the next: use it before asking for more.

        Raises:
            SourceError: the source can't be read on.
        """

    def acknowledge(self, position: str | None) -> None:  # noqa: B027 - a file has nothing to do then
        """Everything up to ``position`` is merged, durably: what the source holds of it may be given up.

        Called after every merge, and once at the end of a reading that held nothing new.
        """

    def close(self) -> None:  # noqa: B027 - most readings hold something, a list of records does not
        """Give back what the reading holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Source(ABC):
    """Something records can be read from, again and again.

    Attributes:
        label: how people know it (a file's name); for messages only.
        warnings: what whoever reads this source should know, a sentence each; programs show them at their start.
        ended: nothing will ever come behind what was read: a pipe that was closed.
    """

    label: str
    warnings: Sequence[str] = ()
    ended: bool = False

    def parts(self) -> Sequence["Source"]:
        """The sources that this one is made of, in the order to read them; by default itself alone."""
        return (self,)

    def stamp(self) -> tuple[int, ...] | None:
        """Something that stays equal as long as there can be nothing new; ``None``: that can't be told.

        Asked by whoever follows sources, so that quiet ones cost nothing.
        """
        return None

    def identity(self) -> tuple[int, int] | None:
        """Device and inode of the file that it reads, links followed; ``None``: it is no file.

        Asked before it is opened: some files must not be opened by who has them open already.
        """
        return None

    def looks(self) -> str:
        """What its bytes look like, in a few words; asked where no record was found in them."""
        return "nothing that is known"

    @abstractmethod
    def open(self, position: PositionLookup) -> Reading:
        """Start reading where the store left off, after checking the position against the source's own bytes.

        Asked again after every ``False`` or ``PositionConflict`` of a merge.

        Raises:
            SourceError: it can't be opened (missing, no permission, not a file, corrupt).
        """


class Waiting(Struct, frozen=True):
    """Records that wait in one place of a source.

    Attributes:
        where: the place, as people know it there (a list's name).
        records: how many.
        note: what else there is to say about them, ``""`` for nothing.
    """

    where: str
    records: int
    note: str = ""


class Peekable(ABC):
    """An ability, as a type: a source that can count what waits in it and leave it there.

    For sources that are emptied by being read, so that people can look before they take.
    """

    @abstractmethod
    def peek(self) -> Sequence[Waiting]:
        """What waits, place by place; nothing is taken or changed.

        Raises:
            SourceError: it can't be counted.
        """


def only_part(source: Source, what: str) -> Source:
    """The only part of a source that can't be opened as a whole where it has several.

    Args:
        source: the whole.
        what: what its parts are, for the message.

    Raises:
        SourceError: there is not exactly one; open each of ``parts()``.
    """
    parts = source.parts()
    if len(parts) != 1:
        raise SourceError(f"{source.label}: {len(parts)} {what}; each of parts() is opened by itself")
    return parts[0]
