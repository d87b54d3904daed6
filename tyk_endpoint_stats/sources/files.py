"""From paths, globs and ``-`` to the sources that they name."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.sources.contract import PositionLookup, Reading, Source, only_part
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.stdin import StdinSource

__all__ = ["RecordFiles", "open_files", "read_records"]

_NUMBERS = re.compile(r"(\D*)(\d*)", re.ASCII)


def open_files(url: str) -> Sequence[Source]:
    """The files that ``file://PATH`` names, oldest first; PATH may be a glob, or ``-`` for stdin.

    Nothing of the path is decoded: a ``%`` in it is a ``%``.

    Raises:
        SourceError: there is no such file.
    """
    return _sources(url.removeprefix("file://"))


def read_records(files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> "RecordFiles":
    """The records of a file, of all that a glob names, of stdin (``-``), or of several of these.

    Args:
        files: JSON in any shape or CSV, as the gateway, Tyk Pump, its sinks, log shippers and databases' exports
            have it, packed or not; what a file is shows in its first bytes.

    Raises:
        SourceError: there is no such file.
    """
    named = [files] if isinstance(files, str | os.PathLike) else list(files)
    sources = [source for name in named for source in _sources(os.fspath(name))]
    return RecordFiles(sources, ", ".join(os.fspath(name) for name in named))


class RecordFiles(Source):
    """Several files as one thing to ingest or to iterate over; each has a position of its own.

    Args:
        sources: oldest first.
        label: how people know them.
    """

    def __init__(self, sources: Sequence[Source], label: str) -> None:
        self.label = label
        self._sources = tuple(sources)

    def parts(self) -> Sequence[Source]:
        """The files, oldest first."""
        return self._sources

    def open(self, position: PositionLookup) -> Reading:
        """See the contract; only one file can be opened as one.

        Raises:
            SourceError: there are several; open each of ``parts()``.
        """
        return only_part(self, "files").open(position)

    def __iter__(self) -> Iterator[Record]:
        """Every record from the beginning on, whatever a store has met; what is malformed is left out.

        Raises:
            SourceError: a file can't be read.
        """
        for source in self._sources:
            came_to: dict[str, str] = {}
            waits = True
            while waits:  # a pipe that pauses is opened again where it was left
                with source.open(came_to.get) as reading:
                    for chunk in reading.chunks():
                        yield from chunk.records
                        if reading.source is not None and chunk.ends is not None:
                            came_to[reading.source] = chunk.ends
                            reading.acknowledge(chunk.ends)
                waits = reading.waits


def _sources(path: str) -> list[Source]:
    if path == "-":
        return [StdinSource()]
    if os.path.lexists(path):  # first, because a file may be called a[1].jsonl
        return [FileSource(path)]
    if not has_magic(path):
        raise SourceError(f"{path}: there is no such file")
    found = glob(path, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not found:
        raise SourceError(f"{path}: no file has such a name")
    # Oldest first: of two files that begin alike a position belongs to the older one. Where their times
    # are equal the higher name is older: log.10, log.9, …, log.
    found.sort(key=_natural_key, reverse=True)
    found.sort(key=_modified_ns)
    return [FileSource(name) for name in found]


def _natural_key(name: str) -> list[tuple[int, str]]:
    return [(int(number or 0), text) for text, number in _NUMBERS.findall(name)]


def _modified_ns(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0  # opening it will say what is wrong
