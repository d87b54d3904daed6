"""Many at once: threads on one store, writers on one source, readers while batches are merged, and closing."""

import threading
from collections.abc import Callable, Sequence

from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.core.selection import Dimension, Selection
from tyk_endpoint_stats.errors import PositionConflict, StoreClosed, StoreError
from tyk_endpoint_stats.stores.base import Store
from tyk_endpoint_stats.stores.contract import WholeBatchReads
from tyk_endpoint_stats.testing.exam import (
    ALL_DAYS,
    ALL_QUARTER_HOURS,
    EVERYTHING,
    THREADS_END_S,
    NewPlace,
    StoreExam,
    answer_of,
    check_answers,
    run_together,
)
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit, numbered_batch
from tyk_endpoint_stats.testing.plain import plain_hits

__all__ = ["ConcurrencyExam", "WholeBatchExam", "write_shares", "write_source"]

WRITERS = 8
_QUESTIONS = [Selection(ALL_DAYS, EVERYTHING), Selection(ALL_QUARTER_HOURS, EVERYTHING), Selection(ALL_DAYS)]


def _batch_records(writer: int, number: int) -> list[Record]:
    # Half of what a batch touches every other one touches too, so that writers meet.
    return [
        hit(FIRST_DAY + number % 3, number * 900, latency_ms=writer, alias=f"by {writer}", api_name=f"of {number}"),
        hit(FIRST_DAY, 0, code=500, oauth_id="c1"),
        hit(FIRST_DAY, number * 900, path=f"/{writer}/{number}", api_key=f"key {writer}"),
    ]


def write_shares(store: Store, writer: int, batches: int) -> None:
    """One of the writers that share nothing but states."""
    for number in range(batches):
        store.merge(batch_of(_batch_records(writer, number)))


def write_source(store: Store, source: str, batches: int, merged: list[int]) -> None:
    """One of the writers that read the same source, as an ingest does: ask, merge, ask again after a refusal."""
    while True:
        position = store.position(source)
        number = 0 if position is None else int(position)
        if number == batches:
            return
        # Several batches on from one position, so that a writer that was overtaken finds out in the midst.
        while number < batches:
            try:
                if not store.merge(numbered_batch(_batch_records(99, number), source, number)):
                    break
            except PositionConflict:
                break
            merged.append(number)
            number += 1


def expected_records(batches: int) -> list[Record]:
    """The sum of what four writers of shares and any number of one source's merge."""
    own = [record for writer in range(4) for number in range(batches) for record in _batch_records(writer, number)]
    return own + [record for number in range(batches) for record in _batch_records(99, number)]


def check_writers(stores: Sequence[Store], batches: int) -> None:
    """Eight writers at once, four of them on one source; afterwards every store shows exactly what they wrote."""
    merged: list[int] = []
    jobs: list[Callable[[], object]] = []
    for number in range(WRITERS):
        store = stores[number % len(stores)]
        if number < WRITERS // 2:
            jobs.append(lambda store=store, number=number: write_shares(store, number, batches))  # type: ignore[misc]
        else:
            jobs.append(lambda store=store: write_source(store, "file:shared", batches, merged))  # type: ignore[misc]
    run_together(*jobs)
    for store in stores:
        assert sorted(merged) == list(range(batches)), "each batch of the source is merged by one writer"
        assert store.position("file:shared") == str(batches)
        (progress,) = store.sources()
        assert progress.counts.counted == 3 * batches
        check_answers(store, plain_hits(expected_records(batches)), _QUESTIONS)


class ConcurrencyExam(StoreExam):
    """Threads that use one store."""

    def test_eight_writers_at_once_lose_nothing_and_count_nothing_twice(self, new_place: NewPlace) -> None:
        """Four of them read one source."""
        with self.open_store(new_place()) as store:
            check_writers([store], self.merges // 4)

    def test_hits_never_fall_while_batches_are_merged(self, new_place: NewPlace) -> None:
        """Whatever a reader sees of a running batch, it is never less than before, nor more than the truth."""
        done = threading.Event()
        seen: list[list[int]] = [[], []]

        with self.open_store(new_place()) as store:

            def write() -> None:
                try:
                    for number in range(self.merges):
                        store.merge(numbered_batch([hit(FIRST_DAY + day) for day in range(5)], "s", number))
                finally:
                    done.set()

            def read(mine: list[int]) -> None:
                while not done.is_set():
                    mine.append(sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()))

            run_together(write, lambda: read(seen[0]), lambda: read(seen[1]))
            for counts in seen:
                assert counts == sorted(counts)
                assert not counts or counts[-1] <= 5 * self.merges
            assert sum(stats.hits for stats in answer_of(store, Selection(ALL_DAYS)).values()) == 5 * self.merges

    def test_closing_twice_does_nothing(self, new_place: NewPlace) -> None:
        """Nor does leaving the ``with`` block of a closed store."""
        with self.open_store(new_place()) as store:
            store.merge(batch_of([hit()]))
            store.close()
            store.close()

    def test_a_closed_store_says_so(self, new_place: NewPlace) -> None:
        """Every call."""
        store = self.open_store(new_place())
        store.merge(batch_of([hit()], "s", None, "1"))
        store.close()
        check_refuses(store)

    def test_closing_while_others_work_ends_every_call(self, new_place: NewPlace) -> None:
        """Running calls end with a result or a ``StoreError``; those after it with ``StoreClosed``."""
        store = self.open_store(new_place())
        store.merge(batch_of([hit()]))
        working = threading.Semaphore(0)

        def work(call: Callable[[], object]) -> None:
            try:
                while True:
                    call()
                    working.release()
            except StoreError:
                return

        def close() -> None:
            for _ in range(6):
                working.acquire(timeout=THREADS_END_S)
            store.close()

        run_together(
            lambda: work(lambda: store.merge(batch_of([hit()]))),
            lambda: work(lambda: store.read(Selection(ALL_DAYS))),
            lambda: work(lambda: store.position("s")),
            close,
        )
        check_refuses(store)


def check_refuses(store: Store) -> None:
    """Every call raises ``StoreClosed``."""
    calls: list[Callable[[], object]] = [
        lambda: store.merge(batch_of([hit()])),
        lambda: store.merge(batch_of([hit()], "s", None, "1")),
        lambda: store.read(Selection(ALL_DAYS)),
        lambda: store.position("s"),
        store.sources,
        lambda: store.prune(0),
    ]
    for call in calls:
        try:
            call()
        except StoreClosed:
            continue
        raise AssertionError("a call to a closed store did not raise StoreClosed")


class WholeBatchExam(StoreExam):
    """Readers that see a batch whole or not at all."""

    def test_the_store_says_that_readers_see_whole_batches(self, new_place: NewPlace) -> None:
        """By its type."""
        with self.open_store(new_place()) as store:
            assert isinstance(store, WholeBatchReads)

    def test_readers_see_whole_batches(self, new_place: NewPlace) -> None:
        """Each batch adds one hit to many endpoints, days and quarter hours; one answer shows as many of each.

        Of a consumer, days are totals and quarter hours are not; of everyone there are two more kinds of rows.
        """
        done = threading.Event()
        spans = (
            Span(Width.DAY, FIRST_DAY, FIRST_DAY + 2),
            Span(Width.QUARTER_HOUR, (FIRST_DAY + 2) * 96, (FIRST_DAY + 4) * 96),
        )
        groupings = [
            by | {Dimension.BUCKET} for by in (set(), {Dimension.ENDPOINT}, {Dimension.CONSUMER}, set(Dimension))
        ]
        questions = [Selection(spans, frozenset(by), distributions=False) for by in groupings]
        paths = 10

        with self.open_store(new_place()) as store:

            def write() -> None:
                try:
                    for number in range(self.merges):
                        batch = [hit(FIRST_DAY + day, path=f"/{path}") for day in range(4) for path in range(paths)]
                        store.merge(numbered_batch(batch, "s", number))
                finally:
                    done.set()

            def check_whole(selection: Selection, least: int) -> int:
                before = int(store.position("s") or 0)
                counts = {stats.hits for stats in answer_of(store, selection).values()}
                after = int(store.position("s") or 0)
                assert len(counts) <= 1, "a reader saw a part of a batch"
                seen = max(counts, default=0)
                if Dimension.ENDPOINT not in selection.group_by:
                    seen, rest = divmod(seen, paths)
                    assert rest == 0, "a reader saw a part of a batch"
                assert max(least, before) <= seen <= after, "rows, totals and position are merged as one"
                return seen

            def read() -> None:
                seen = 0
                while not done.is_set():
                    for selection in questions:
                        seen = check_whole(selection, seen)

            run_together(write, read, read)
            assert [check_whole(selection, self.merges) for selection in questions] == [self.merges] * 4
