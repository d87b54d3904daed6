"""What the SQLite store keeps beside days, packed quarters and stretches of days, never shows in its answers."""

import random
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats import Record
from tyk_endpoint_stats.core.buckets import Bucket, Span, Width
from tyk_endpoint_stats.core.segments import Packed, Quarters, compacted
from tyk_endpoint_stats.core.selection import Batch, Dimension, Kind, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.core.sums import Sums, added
from tyk_endpoint_stats.errors import AnswerTooLarge, StoreBusy
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, parts, quarters, stretches, summing
from tyk_endpoint_stats.stores.sqlite import store as store_module
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTER_HOURS, EVERYTHING, answer_of, check_answers
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit
from tyk_endpoint_stats.testing.plain import plain_hits

BATCHES = 3 * parts.FAN_IN**2


def records_of_a_day(rng: random.Random) -> list[Record]:
    return [
        hit(FIRST_DAY, rng.randrange(86_400), code=rng.choice((200, 500)), latency_ms=rng.randrange(9), api_key=key)
        for key in ("k1", "k1", "k2")
    ]


def test_many_small_merges_leave_few_parts_and_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    merged: list[Record] = []
    with SQLiteStore(tmp_path / "s.db") as store:
        for _ in range(BATCHES):
            records = records_of_a_day(rng)
            merged += records
            store.merge(batch_of(records))
        check_answers(store, plain_hits(merged), [Selection(ALL_QUARTER_HOURS, EVERYTHING), Selection(ALL_DAYS)])
        distinct = len(answer_of(store, Selection(ALL_QUARTER_HOURS, EVERYTHING)))
        with sqlite3.connect(tmp_path / "s.db") as other:
            levels = other.execute("SELECT level, count(*) FROM quarters GROUP BY level, consumer").fetchall()
        other.close()
        assert all(count < parts.FAN_IN for _, count in levels)
        assert max(level for level, _ in levels) == 2
        assert store.prune((FIRST_DAY + 1) * 86_400_000_000).quarter_states == distinct


def test_full_parts_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put together is in memory at once: so never more than ``parts.FAN_IN`` parts that are not full."""
    monkeypatch.setattr(parts, "FULL", 20)
    together: list[int] = []

    def watched(several: Iterable[Packed]) -> Packed:
        found = list(several)
        together.append(sum(len(part.endpoints) for part in found))
        return compacted(found)

    monkeypatch.setattr(quarters, "_QUARTERS", parts.PartTable("quarters", watched, 2 * parts.FULL))
    rng = random.Random(4)
    merged = [hit(FIRST_DAY, rng.randrange(86_400), path=f"/{number}") for number in range(600)]
    with SQLiteStore(tmp_path / "s.db") as store:
        for start in range(0, len(merged), 5):
            store.merge(batch_of(merged[start : start + 5]))
        check_answers(store, plain_hits(merged), [Selection(ALL_QUARTER_HOURS, EVERYTHING)])
    assert len(together) > 10
    assert max(together) <= parts.FAN_IN * parts.FULL


def test_that_test_catches_parts_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: of the parts that are put together the last one is forgotten."""
    forgetful = parts.PartTable("quarters", lambda several: compacted(list(several)[:-1]), 2 * parts.FULL)
    monkeypatch.setattr(quarters, "_QUARTERS", forgetful)
    with pytest.raises(AssertionError):
        test_many_small_merges_leave_few_parts_and_lose_nothing(tmp_path)


def test_a_long_range_is_the_same_from_stretches_and_from_days(tmp_path: Path) -> None:
    rng = random.Random(2)
    merged: list[Record] = []
    first = FIRST_DAY - FIRST_DAY % 16 - 40
    with SQLiteStore(tmp_path / "s.db") as store:
        for newest in range(first, first + 100, 5):
            # Most of them are new, a few are older than what was summed up.
            ages = [rng.randrange(60) if rng.random() < 0.3 else rng.randrange(5) for _ in range(20)]
            records = [hit(newest - age, code=rng.choice((200, 404)), latency_ms=age) for age in ages]
            merged += records
            store.merge(batch_of(records))
        questions = [
            Selection(
                (Span(Width.DAY, first + low, first + high),),
                frozenset({Dimension.ENDPOINT}),
                kind=Kind.KEY,
                consumer_id=consumer,
                distributions=False,
            )
            for low, high in ((-200, 300), (-20, 77), (3, 4), (0, 16), (10, 20), (50, 99))
            for consumer in ("k1", None)
        ]
        check_answers(store, plain_hits(merged), questions)
        with store._reading() as connection:
            for table in ("stretches_of_1", "stretches_of_4", "stretches_of_16"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 5


@pytest.mark.parametrize("length", [1, 4, 16])
def test_that_test_catches_late_hits_that_miss_their_stretch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """The broken twin: what comes in goes into days and into the stretches of other lengths."""
    others = {other: table for other, table in stretches._TABLES.items() if other != length}

    def forgetful(*arguments: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(stretches, "_TABLES", others)
            stretches.write_stretches(*arguments)

    monkeypatch.setattr(store_module, "write_stretches", forgetful)
    with pytest.raises(AssertionError):
        test_a_long_range_is_the_same_from_stretches_and_from_days(tmp_path)


def test_a_day_that_ended_lies_in_one_part_of_each_consumer(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        for day in (FIRST_DAY, FIRST_DAY, FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 2):
            store.merge(batch_of([hit(day), hit(day, path="/other")]))
        with store._reading() as connection:
            found = connection.execute("SELECT day, states, hits FROM stretches_of_1 ORDER BY day").fetchall()
    assert found == [(FIRST_DAY, 2, 6), (FIRST_DAY + 1, 2, 2), (FIRST_DAY + 2, 2, 2)]


def test_a_consumer_of_more_endpoints_than_are_in_memory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stretches stay in several parts, of which an answer adds up a few at a time."""
    monkeypatch.setattr(stretches, "MAX_TOGETHER", 20)
    monkeypatch.setattr(stretches, "_A_PART", 0)
    together: list[int] = []

    def watched(several: Sequence[Sums]) -> Sums:
        together.append(sum(map(len, several)))
        return added(several)

    for module in (stretches, summing):
        monkeypatch.setattr(module, "added", watched)
    rng = random.Random(3)
    first = FIRST_DAY - FIRST_DAY % 16
    merged = [hit(first + number // 40, path=f"/{rng.randrange(90)}") for number in range(40 * 18)]
    question = Selection(
        (Span(Width.DAY, first, first + 17),), frozenset({Dimension.ENDPOINT}), kind=Kind.KEY, distributions=False
    )
    with SQLiteStore(tmp_path / "s.db") as store:
        for start in range(0, len(merged), 10):
            store.merge(batch_of(merged[start : start + 10]))
        with store._reading() as connection:
            (several,) = connection.execute("SELECT count(*) FROM stretches_of_16").fetchone()
        check_answers(store, plain_hits(merged), [question])
        with pytest.raises(AnswerTooLarge):
            store.read(replace(question, max_groups=30))
    assert several > 1
    assert max(together) < 4 * 90


def test_sums_past_64_bits_stay_in_several_parts(tmp_path: Path) -> None:
    most = 2**63 - 1

    def batch_of_one(day: int, hits: int) -> Batch:
        state = EndpointStats()
        state.add(200, 5, 5, 5, day * 86_400_000_000)
        state.hits = state.success = state.codes[200] = hits
        return Batch({Bucket(Width.DAY, day): {("o", Kind.KEY, "k", "a", "/"): state}})

    first = FIRST_DAY - FIRST_DAY % 16
    with SQLiteStore(tmp_path / "s.db") as store:
        for day in range(first, first + 18):
            store.merge(batch_of_one(day, most - 100))
        for _ in range(2 * parts.FAN_IN):  # late
            store.merge(batch_of_one(first, 1))
        spans = (Span(Width.DAY, first, first + 17),)
        ((_, stats),) = store.read(Selection(spans, kind=Kind.KEY, consumer_id="k", distributions=False))
        with store._reading() as connection:
            (several,) = connection.execute("SELECT count(*) FROM stretches_of_16").fetchone()
    assert stats.hits == 17 * (most - 100) + 2 * parts.FAN_IN
    assert several > 1


def test_stretches_before_1970_end_where_days_do(tmp_path: Path) -> None:
    records = [hit(day) for day in range(-40, 3)]
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch_of(records))
        spans = (Span(Width.DAY, -33, -15),)
        check_answers(
            store, plain_hits(records), [Selection(spans, kind=Kind.KEY, consumer_id="k1", distributions=False)]
        )
        with store._reading() as connection:
            found = connection.execute("SELECT day, hits FROM stretches_of_16 ORDER BY day").fetchall()
            assert found == [(-48, 8), (-32, 16), (-16, 16)]
            found = connection.execute("SELECT day, hits FROM stretches_of_4 ORDER BY day").fetchall()
            assert found == [(day, 4) for day in range(-40, 0, 4)]
            found = connection.execute("SELECT day, hits FROM stretches_of_1 ORDER BY day").fetchall()
        assert found == [(day, 1) for day in range(-40, 3)]


@pytest.mark.parametrize("distributions", [True, False])
def test_a_question_that_unpacks_parts_for_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distributions: bool
) -> None:
    """Also the twin: looks at the clock that lie many parts apart. To SQLite, parts are little work."""
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch_of([hit(FIRST_DAY + day) for day in range(200)]))
        monkeypatch.setattr(store_module, "READ_TIMEOUT_S", 0.0)
        asked = Selection(ALL_QUARTER_HOURS, distributions=distributions)
        with pytest.raises(StoreBusy, match="shorter range"):
            store.read(asked)
        monkeypatch.setattr(store_module, "_STEPS_BETWEEN_LOOKS", 10_000)
        assert store.read(asked)


def test_an_edge_unpacks_the_parts_that_lie_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []

    class Watched(Quarters):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            unpacked.append(min(self.columns[0]))

    monkeypatch.setattr(quarters, "Quarters", Watched)
    records = [hit(FIRST_DAY, hour * 3_600) for hour in range(6)]
    with SQLiteStore(tmp_path / "s.db") as store:
        for record in records:
            store.merge(batch_of([record]))
        for distributions in (True, False):
            spans = (Span(Width.QUARTER_HOUR, FIRST_DAY * 96 + 4, FIRST_DAY * 96 + 13),)
            check_answers(
                store, plain_hits(records), [Selection(spans, kind=Kind.KEY, distributions=distributions)]
            )
    assert unpacked == [4, 8, 12] * 2
