"""The exam of stores catches stores that are broken in the ways stores are: each twin, and what finds it."""

import time
from contextlib import contextmanager, nullcontext

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats.core.batch import Batch, Counts
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import DurableStoreConformance, VersionedConformance, WholeBatchReadsConformance
from tyk_endpoint_stats.testing.exam import NewPlace


class NoLock(MemoryStore):
    def __init__(self):
        super().__init__()
        self._lock = nullcontext()

    def _merged_states(self, batch):
        merged = super()._merged_states(batch)
        time.sleep(0.001)  # what a real merge takes, and another thread has
        return merged


class MergesAgain(MemoryStore):
    """Takes a batch wherever its source stands."""

    def merge(self, batch):
        return super().merge(replace(batch, begins=self.position(batch.source)) if batch.source else batch)


class ComparesByOrder(MemoryStore):
    """Takes what ends behind the stored position, as text sorts."""

    def merge(self, batch):
        if batch.source and batch.ends > (stored := self.position(batch.source) or ""):
            batch = replace(batch, begins=stored or None)
        return super().merge(batch)


class PositionFirst(MemoryStore):
    """Moves the position before it knows whether the states can be merged."""

    def merge(self, batch):
        if batch.source:
            super().merge(replace(batch, unpacked={}, segments=[], api_names={}, aliases={}))
            return super().merge(replace(batch, source=None))
        return super().merge(batch)


class DaysLater(MemoryStore):
    """Shows a batch's quarters before its days."""

    def merge(self, batch):
        parts = [
            {bucket: states for bucket, states in batch.states.items() if bucket.width is width} for width in Width
        ]
        super().merge(Batch(parts[0]))
        time.sleep(0.001)  # long enough for a reader to come in between
        return super().merge(replace(batch, unpacked=parts[1]))


class KeepsTheBatch(MemoryStore):
    """Adds to the caller's own states."""

    def _merged_states(self, batch):
        merged = super()._merged_states(batch)
        for bucket, states in merged.items():
            batch.states[bucket].update(states)
        return merged


class LastNameWins(MemoryStore):
    def merge(self, batch):
        self._aliases.update(batch.aliases)
        return super().merge(replace(batch, aliases={}))


class CountsTheLastBatch(MemoryStore):
    def sources(self):
        return [SourceProgress(one.source, one.position, Counts()) for one in super().sources()]


class FoldsCase(MemoryStore):
    def merge(self, batch):
        folded = {
            bucket: {(*series[:4], series[4].casefold()): stats for series, stats in states.items()}
            for bucket, states in batch.states.items()
        }
        return super().merge(replace(batch, unpacked=folded))


class SumsInFloats(MemoryStore):
    def read(self, selection):
        answer = super().read(selection)
        for _, stats in answer:
            stats.total_latency_ms = int(float(stats.total_latency_ms))
        return answer


class SumsWithoutLimit(MemoryStore):
    def _merged_states(self, batch):
        from tyk_endpoint_stats.stores import memory

        with patched(memory, "_MAX", 2**80):
            return super()._merged_states(batch)


class NamesTheConsumer(MemoryStore):
    """Says whose state it is that can't be merged."""

    def merge(self, batch):
        try:
            return super().merge(batch)
        except StoreError as problem:
            consumers = {series[2] for states in batch.states.values() for series in states}
            raise StoreError(f"{problem} {consumers}") from problem


class AnswersLessAfterPruning(MemoryStore):
    def _lacks_quarters(self, day, span):
        return False


class PrunesWithTheDay(MemoryStore):
    """Drops the quarters of a day that has not ended."""

    def prune(self, before):
        return super().prune(before + 86_400_000_000)


class TakesLateQuarters(MemoryStore):
    def _is_pruned(self, bucket):
        return False

    def prune(self, before):
        day = before // 86_400_000_000
        gone = [
            bucket
            for bucket in self._states
            if bucket < Bucket(Width.QUARTER_HOUR, day * 96) and "q" in bucket.width
        ]
        for bucket in gone:
            del self._states[bucket]
        return super().prune(before)


class SharedWithChildren(MemoryStore):
    def _check_usable(self):
        if self._closed:
            super()._check_usable()


class NeverClosed(MemoryStore):
    def close(self):
        pass


class LeavesOutTheLastBucket(MemoryStore):
    def _buckets_in(self, spans):
        return super()._buckets_in(tuple(Span(span.width, span.first, span.end - 1) for span in spans))


class CutsShort(MemoryStore):
    """Answers as many groups as are wanted, and not that there are more."""

    def read(self, selection):
        return super().read(replace(selection, max_groups=None))[: selection.max_groups]


class CountsToTheLast(MemoryStore):
    """Refuses an answer that is just as large as is wanted."""

    def read(self, selection):
        most = selection.max_groups
        return super().read(selection if most is None else replace(selection, max_groups=most - 1))


class CountsAtTheEnd(MemoryStore):
    """Refuses what is too large when it has all of it."""

    def read(self, selection):
        answer = super().read(replace(selection, max_groups=None))
        selection.check_groups(len(answer))
        return answer


class ForgetsThatItPruned(MemoryStore):
    """Its version is the number of batches."""

    def prune(self, before):
        version = self._version
        pruned = super().prune(before)
        self._version = version
        return pruned


class SaysItEarly(MemoryStore):
    """Has a batch's version before it has its states."""

    def merge(self, batch):
        self._version += 1
        time.sleep(0.001)
        merged = super().merge(batch)
        self._version -= 1
        return merged


class HasNoBound(MemoryStore):
    def read(self, selection):
        return super().read(replace(selection, max_groups=None))


@contextmanager
def patched(module, name, value):
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@pytest.mark.parametrize(
    ("twin", "test", "arguments"),
    [
        (NoLock, "test_eight_writers_at_once_lose_nothing_and_count_nothing_twice", ()),
        (MergesAgain, "test_a_batch_that_was_merged_is_not_merged_again", ()),
        (MergesAgain, "test_a_batch_that_begins_elsewhere_conflicts", ("0", "100x")),
        (ComparesByOrder, "test_positions_are_compared_for_equality_alone", ()),
        (PositionFirst, "test_a_sum_past_63_bits_refuses_the_batch_whole", ("hits",)),
        (DaysLater, "test_readers_see_whole_batches", ()),
        (KeepsTheBatch, "test_a_merge_leaves_the_batch_as_it_is", ()),
        (LastNameWins, "test_of_two_names_the_newer_wins_in_any_order", ()),
        (CountsTheLastBatch, "test_counts_are_sums_by_reason", ()),
        (FoldsCase, "test_ids_of_every_ugly_kind_are_kept_and_kept_apart", ()),
        (SumsInFloats, "test_sums_are_exact_up_to_63_bits", ()),
        (SumsWithoutLimit, "test_a_sum_past_63_bits_refuses_the_batch_whole", ("total_latency_ms",)),
        (NamesTheConsumer, "test_a_sum_past_63_bits_refuses_the_batch_whole", ("hits",)),
        (NamesTheConsumer, "test_one_state_past_63_bits_is_refused", ()),
        (AnswersLessAfterPruning, "test_a_question_that_needs_pruned_quarters_is_an_error", ()),
        (PrunesWithTheDay, "test_a_day_is_pruned_when_it_has_ended", ()),
        (TakesLateQuarters, "test_late_records_of_pruned_time_are_merged_into_days", ()),
        (SharedWithChildren, "test_a_forked_child_is_told_to_open_its_own", ()),
        (NeverClosed, "test_a_closed_store_says_so", ()),
        (CutsShort, "test_an_answer_of_more_groups_than_are_wanted_is_refused", ()),
        (CountsToTheLast, "test_an_answer_of_more_groups_than_are_wanted_is_refused", ()),
        (CountsAtTheEnd, "test_too_large_an_answer_is_never_in_memory", ()),
        (HasNoBound, "test_an_answer_of_more_groups_than_are_wanted_is_refused", ()),
        (ForgetsThatItPruned, "test_the_version_grows_with_every_change", ()),
        (SaysItEarly, "test_an_answer_is_never_older_than_the_version_before_it", ()),
        (LeavesOutTheLastBucket, "test_any_history_answers_as_its_records_do", ()),
        (MemoryStore, "test_reopening_keeps_everything", ()),
        (MemoryStore, "test_a_second_handle_sees_what_the_first_has_merged", ()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_the_exam_catches(new_place: NewPlace, twin, test: str, arguments) -> None:
    class Exam(DurableStoreConformance, VersionedConformance, WholeBatchReadsConformance):
        def open_store(self, place):
            return twin()

    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError)):
        getattr(Exam(), test)(new_place, *arguments)
