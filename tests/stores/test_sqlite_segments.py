"""What the SQLite store keeps beside days, packed quarters and stretches of days, never shows in its answers."""

import random
import sqlite3
from pathlib import Path

import pytest

from tyk_endpoint_stats import Record
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Kind, Selection
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, quarters, writing
from tyk_endpoint_stats.testing.exam import ALL_DAYS, ALL_QUARTERS, EVERYTHING, answer_of, check_answers
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit
from tyk_endpoint_stats.testing.plain import plain_hits

BATCHES = 3 * quarters.FAN_IN**2


def records_of_a_day(rng: random.Random) -> list[Record]:
    return [
        hit(FIRST_DAY, rng.randrange(86_400), code=rng.choice((200, 500)), latency_ms=rng.randrange(9), api_key=key)
        for key in ("k1", "k1", "k2")
    ]


def test_many_small_merges_leave_few_segments_and_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    merged: list[Record] = []
    with SQLiteStore(tmp_path / "s.db") as store:
        for _ in range(BATCHES):
            records = records_of_a_day(rng)
            merged += records
            store.merge(batch_of(records))
        check_answers(store, plain_hits(merged), [Selection(ALL_QUARTERS, EVERYTHING), Selection(ALL_DAYS)])
        distinct = len(answer_of(store, Selection(ALL_QUARTERS, EVERYTHING)))
        with sqlite3.connect(tmp_path / "s.db") as other:
            levels = other.execute("SELECT level, count(*) FROM quarters GROUP BY level, consumer").fetchall()
        other.close()
        assert all(count < quarters.FAN_IN for _, count in levels)
        assert max(level for level, _ in levels) == 2
        assert store.prune((FIRST_DAY + 1) * 86_400_000_000).quarter_states == distinct


def test_full_segments_stay_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put together is in memory at once: so never more than ``FAN_IN`` segments that are not full."""
    monkeypatch.setattr(quarters, "FULL", 20)
    together: list[int] = []
    compacted = quarters.compacted

    def watched(parts):  # type: ignore[no-untyped-def]
        found = list(parts)
        together.append(sum(len(part.endpoints) for part in found))
        return compacted(found)

    monkeypatch.setattr(quarters, "compacted", watched)
    rng = random.Random(4)
    merged = [hit(FIRST_DAY, rng.randrange(86_400), path=f"/{number}") for number in range(600)]
    with SQLiteStore(tmp_path / "s.db") as store:
        for start in range(0, len(merged), 5):
            store.merge(batch_of(merged[start : start + 5]))
        check_answers(store, plain_hits(merged), [Selection(ALL_QUARTERS, EVERYTHING)])
    assert len(together) > 10
    assert max(together) <= quarters.FAN_IN * quarters.FULL


def test_that_test_catches_segments_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: of the segments that are put together the last one is forgotten."""
    compacted = quarters.compacted
    monkeypatch.setattr(quarters, "compacted", lambda parts: compacted(list(parts)[:-1]))
    with pytest.raises(AssertionError):
        test_many_small_merges_leave_few_segments_and_lose_nothing(tmp_path)


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
    """The broken twin: what comes in after a stretch was summed up goes into days alone."""
    monkeypatch.setattr(writing, "summed_before", lambda _: {length: -(10**6)})
    with pytest.raises(AssertionError):
        test_a_long_range_is_the_same_from_stretches_and_from_days(tmp_path)


def test_stretches_before_1970_end_where_days_do(tmp_path: Path) -> None:
    records = [hit(day) for day in range(-40, 3)]
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch_of(records))
        spans = (Span(Width.DAY, -33, -15),)
        check_answers(
            store, plain_hits(records), [Selection(spans, kind=Kind.KEY, consumer_id="k1", distributions=False)]
        )
        with store._reading() as connection:
            found = connection.execute("SELECT bucket, hits FROM stretches_of_16 ORDER BY bucket").fetchall()
            assert found == [(-3, 8), (-2, 16), (-1, 16)]
            found = connection.execute("SELECT bucket, hits FROM stretches_of_4 ORDER BY bucket").fetchall()
            assert found == [(bucket, 4) for bucket in range(-10, 0)]
            found = connection.execute("SELECT bucket, hits FROM stretches_of_1 ORDER BY bucket").fetchall()
        assert found == [(bucket, 1) for bucket in range(-40, 1)]
