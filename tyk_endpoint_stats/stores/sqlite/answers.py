"""Answers that are kept as long as the file stays as it is: people ask the same again, and pages one by one."""

from collections.abc import Sequence
from sys import getsizeof

from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.kept import Kept

__all__ = ["Answers"]

Answer = Sequence[tuple[Group, EndpointStats]]

_copy_of = EndpointStats.copy

MOST_BYTES = 32 * 2**20
"""Of all answers that are kept; measured, not counted: a state with its group, and each of its codes and bins."""

_STATE_BYTES = 700
_COUNT_BYTES = 75


class Answers:
    """The answers to the last questions, all of one version of the file. Thread-safe.

    A version is read from the same snapshot as the answer, so an answer can't be taken for one of a later version,
    whoever merges meanwhile.
    """

    def __init__(self) -> None:
        self._kept: Kept[Selection, Answer] = Kept(MOST_BYTES)

    def find(self, version: int, selection: Selection) -> Answer | None:
        """The answer, if it was kept; its states are the caller's own."""
        found = self._kept.find(version, selection)
        return None if found is None else [(group, _copy_of(stats)) for group, stats in found]

    def keep(self, version: int, selection: Selection, answer: Answer) -> None:
        """Keep an answer, unless it is too large or of an older version than others."""
        size = _bytes_of(answer)
        if size <= MOST_BYTES:
            self._kept.keep(version, selection, [(group, _copy_of(stats)) for group, stats in answer], size)


def _bytes_of(answer: Answer) -> int:
    size = _STATE_BYTES  # of the question
    for group, stats in answer:
        size += _STATE_BYTES + _COUNT_BYTES * (len(stats.codes) + len(stats.histogram))
        if group.endpoint is not None:
            size += getsizeof(group.endpoint.path)
        if group.consumer is not None:
            size += getsizeof(group.consumer.id)
    return size
