"""Answers that are kept as long as the file stays as it is: people ask the same again, and pages one by one."""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from tyk_endpoint_stats.core.selection import Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats

__all__ = ["Answers"]

Answer = Sequence[tuple[Group, EndpointStats]]

_copy_of = EndpointStats.copy

MOST_STATES = 50_000
"""Of all answers that are kept: some 25 MB without codes and histograms."""


class Answers:
    """The answers to the last questions, all of one version of the file. Thread-safe.

    A version is read from the same snapshot as the answer, so an answer can't be taken for one of a later version,
    whoever merges meanwhile.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._version = -1
        self._states = 0
        self._answers: OrderedDict[Selection, Answer] = OrderedDict()

    def find(self, version: int, selection: Selection) -> Answer | None:
        """The answer, if it was kept; its states are the caller's own."""
        with self._lock:
            found = self._answers.get(selection) if version == self._version else None
            if found is None:
                return None
            self._answers.move_to_end(selection)
        return [(group, _copy_of(stats)) for group, stats in found]

    def keep(self, version: int, selection: Selection, answer: Answer) -> None:
        """Keep an answer, unless it is too large or of an older version than others."""
        if len(answer) > MOST_STATES or version < self._version:
            return
        kept = [(group, _copy_of(stats)) for group, stats in answer]
        with self._lock:
            if version > self._version:
                self._version, self._states = version, 0
                self._answers.clear()
            if version == self._version and selection not in self._answers:
                self._answers[selection] = kept
                self._states += 1 + len(kept)
                while self._states > MOST_STATES:
                    _, oldest = self._answers.popitem(last=False)
                    self._states -= 1 + len(oldest)
