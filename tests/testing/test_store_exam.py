"""The exam of stores catches stores that are broken in the ways stores are: each twin, and what finds it."""

import time
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from tests.testing.busiest_twins import AddsUpTheBusiest, CutsTies, CutsWithoutTotal
from tests.testing.growth_twins import (
    CopiesNoGrowth,
    GrowsAgain,
    GrowsAsOfTheLast,
    GrowsUnlocked,
    GrowsWhatIsNew,
    KeepsTheGrowth,
    OpenLock,
)
from tyk_endpoint_stats.core.batch import Counts
from tyk_endpoint_stats.core.buckets import Span
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.errors import StoreError
from tyk_endpoint_stats.stores import memory
from tyk_endpoint_stats.stores.contract import SourceProgress
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import (
    CopyableConformance,
    DurableStoreConformance,
    RetainingConformance,
    VersionedConformance,
    WholeBatchReadsConformance,
)
from tyk_endpoint_stats.testing.exam import NewPlace


class NoLock(MemoryStore):
    def __init__(self):
        super().__init__()
        self._lock = OpenLock()

    def _merged(self, batch):
        merged = super()._merged(batch)
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
            super().merge(replace(batch, rows=[], totals=[], api_names={}, aliases={}))
            return super().merge(replace(batch, source=None))
        return super().merge(batch)


class TotalsLater(MemoryStore):
    """Shows a batch's rows before its totals."""

    def merge(self, batch):
        merged = super().merge(replace(batch, totals=[]))
        time.sleep(0.001)  # long enough for a reader to come in between
        super().merge(replace(batch, rows=[], source=None))
        return merged


class ConsumersLater(MemoryStore):
    """Shows the totals of consumers after everything else of a batch."""

    def merge(self, batch):
        of_consumers = [row for row in batch.totals if batch.consumers[row.consumer][1] != "everyone"]
        others = [row for row in batch.totals if row not in of_consumers]
        merged = super().merge(replace(batch, totals=others))
        time.sleep(0.001)
        super().merge(replace(batch, rows=[], totals=of_consumers, source=None))
        return merged


class TotalsOfTheNewest(MemoryStore):
    """Late hits are in rows and not in totals."""

    newest = -(10**9)

    def merge(self, batch):
        self.newest = max([self.newest, *(row.day for row in batch.totals)])
        return super().merge(replace(batch, totals=[row for row in batch.totals if row.day == self.newest]))


class EveryoneIsAllConsumers(MemoryStore):
    """Counts a hit of a key and a client twice for everyone."""

    def merge(self, batch):
        twice = [row._replace(hits=2 * row.hits) for row in batch.totals if row.endpoint == 0]
        return super().merge(replace(batch, totals=[*twice, *(row for row in batch.totals if row.endpoint)]))


class KeepsTheBatch(MemoryStore):
    """Adds to the caller's own rows."""

    def merge(self, batch):
        merged = super().merge(batch)
        batch.rows[:] = [row._replace(hits=row.hits + 1) for row in batch.rows]
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
        endpoints = [(api_id, path.casefold()) for api_id, path in batch.endpoints]
        return super().merge(replace(batch, endpoints=endpoints))


class SumsInFloats(MemoryStore):
    def read(self, selection):
        answer = super().read(selection)
        for _, stats in answer:
            stats.total_latency_ms = int(float(stats.total_latency_ms))
        return answer


class SumsWithoutLimit(MemoryStore):
    def _merged(self, batch):
        with patched(memory, "MAX_SUM", 2**80):
            return super()._merged(batch)


class NamesTheConsumer(MemoryStore):
    """Says whose state it is that can't be merged."""

    def merge(self, batch):
        try:
            return super().merge(batch)
        except StoreError as problem:
            raise StoreError(f"{problem} {batch.consumers}") from problem


class AnswersLessAfterPruning(MemoryStore):
    def read(self, selection):
        with patched(memory, "refuse_pruned", lambda *_: None):
            return super().read(selection)


class PrunesWithTheDay(MemoryStore):
    """Drops the quarters of a day that has not ended."""

    def prune(self, before):
        return super().prune(before + 86_400_000_000)


class TakesLateQuarters(MemoryStore):
    def _merged(self, batch):
        with patched(memory, "without_pruned", lambda rows, _: rows):
            return super()._merged(batch)


class SharedWithChildren(MemoryStore):
    def _check_usable(self):
        if self._closed:
            super()._check_usable()


class NeverClosed(MemoryStore):
    def close(self):
        pass


class LeavesOutTheLastBucket(MemoryStore):
    def read(self, selection):
        spans = tuple(Span(span.width, span.first, span.end - 1) for span in selection.spans)
        return super().read(replace(selection, spans=spans))


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
    """Has a batch's version before it has its rows."""

    def merge(self, batch):
        self._changed()
        early = self._version
        time.sleep(0.001)
        merged = super().merge(batch)
        self._version = early
        return merged


class DropsWithTheDay(MemoryStore):
    """Drops a day that has not ended."""

    def drop(self, before):
        return super().drop(before + DAY_US - 1)


class DropsRowsAlone(MemoryStore):
    """Totals of dropped days stay."""

    def drop(self, before):
        dropped = 0
        for day, rows in self._days.items():
            for key in [key for key in rows if day * DAY_US < before and key[0][1] != "everyone"]:
                del rows[key]
                dropped += 1
        self._pruned_to(before)
        return dropped


class DropsWithoutPruning(MemoryStore):
    """Keeps the quarter hours of late records of dropped time, as if they were all."""

    def _pruned_to(self, before):
        return before // DAY_US


class ForgetsInEveryOrganisation(MemoryStore):
    def forget(self, consumer, org_id=None):
        return super().forget(consumer)


class ForgetsEveryone(MemoryStore):
    """Takes the hits of who is forgotten out of everyone's rows, too."""

    def forget(self, consumer, org_id=None):
        forgotten = super().forget(consumer, org_id)
        if forgotten:
            for rows in self._days.values():
                rows.clear()
        return forgotten


class KeepsTheTotal(MemoryStore):
    def forget(self, consumer, org_id=None):
        before = {day: dict(rows) for day, rows in self._days.items()}
        forgotten = super().forget(consumer, org_id)
        for day, rows in before.items():
            self._days[day] |= {key: row for key, row in rows.items() if key[1] is None}
        return forgotten


class KeepsTheAlias(MemoryStore):
    def forget(self, consumer, org_id=None):
        aliases = dict(self._aliases)
        forgotten = super().forget(consumer, org_id)
        self._aliases = aliases
        return forgotten


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
        (TotalsLater, "test_readers_see_whole_batches", ()),
        (ConsumersLater, "test_readers_see_whole_batches", ()),
        (TotalsOfTheNewest, "test_totals_are_exact_at_any_moment", ()),
        (EveryoneIsAllConsumers, "test_totals_are_exact_at_any_moment", ()),
        (DropsWithTheDay, "test_a_day_is_dropped_when_it_has_ended", ()),
        (DropsRowsAlone, "test_dropped_days_are_gone_and_the_others_as_they_were", ()),
        (DropsWithoutPruning, "test_late_records_of_dropped_time_are_merged_into_days", ()),
        (ForgetsInEveryOrganisation, "test_a_forgotten_consumer_is_gone_and_everyone_stays", ()),
        (ForgetsEveryone, "test_a_forgotten_consumer_is_gone_and_everyone_stays", ()),
        (KeepsTheTotal, "test_a_forgotten_consumer_is_gone_and_everyone_stays", ()),
        (KeepsTheAlias, "test_who_was_forgotten_can_come_again", ()),
        (GrowsAgain, "test_growth_adds_up_and_its_last_moment_stays", ()),
        (GrowsAsOfTheLast, "test_growth_adds_up_and_its_last_moment_stays", ()),
        (GrowsWhatIsNew, "test_an_ingest_makes_days_grow_that_were_there_before_it", ()),
        (GrowsUnlocked, "test_writers_at_once_tell_of_every_late_hit_once", ()),
        (KeepsTheGrowth, "test_growth_goes_with_its_days_and_not_with_a_consumer", ()),
        (CopiesNoGrowth, "test_a_copy_into_the_store_holds_the_same", ()),
        (KeepsTheBatch, "test_a_merge_leaves_the_batch_as_it_is", ()),
        (CutsTies, "test_the_busiest_are_those_of_the_whole_answer", ()),
        (AddsUpTheBusiest, "test_the_busiest_are_those_of_the_whole_answer", ()),
        (CutsWithoutTotal, "test_the_busiest_are_those_of_the_whole_answer", ()),
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
        (ForgetsThatItPruned, "test_every_change_gives_another_version", ()),
        (SaysItEarly, "test_an_answer_is_never_older_than_the_version_before_it", ()),
        (LeavesOutTheLastBucket, "test_any_history_answers_as_its_records_do", ()),
        (MemoryStore, "test_reopening_keeps_everything", ()),
        (MemoryStore, "test_a_second_handle_sees_what_the_first_has_merged", ()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_the_exam_catches(new_place: NewPlace, twin, test: str, arguments) -> None:
    class Exam(
        CopyableConformance,
        DurableStoreConformance,
        RetainingConformance,
        VersionedConformance,
        WholeBatchReadsConformance,
    ):
        def open_store(self, place):
            return twin()

    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError)):
        getattr(Exam(), test)(new_place, *arguments)
