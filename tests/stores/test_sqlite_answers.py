"""Kept answers: the same as new ones, whoever merges meanwhile, and no more of them than there is room for."""

import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from tyk_endpoint_stats import Consumer
from tyk_endpoint_stats.core.buckets import Span, Width
from tyk_endpoint_stats.core.selection import Dimension, Endpoint, Group, Selection
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.sqlite import SQLiteStore, answers, reading
from tyk_endpoint_stats.testing.exam import answer_of
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit

DAY = date(2020, 10, 13)
ASKED = Selection((Span(Width.DAY, FIRST_DAY, FIRST_DAY + 1),), frozenset({Dimension.ENDPOINT}))


def hits(store: SQLiteStore) -> int:
    (row,) = store.endpoints(Consumer.key("k1"), DAY, DAY)
    return row.hits


def test_a_question_is_worked_out_once_and_again_after_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    answer = reading.answer
    monkeypatch.setattr(reading, "answer", lambda *given: asked.append(given) or answer(*given))
    with SQLiteStore(tmp_path / "s.db") as store, SQLiteStore(tmp_path / "s.db") as other:
        for number, writer in enumerate((store, other, store), 1):
            writer.merge(batch_of([hit()], "s", str(number - 1) if number > 1 else None, str(number)))
            assert [hits(store), hits(store)] == [number, number]
            assert len(asked) == number
        assert not store.merge(batch_of([hit()], "s", "2", "3")), "merged before"
        assert hits(store) == 3
        assert len(asked) == 3
        store.prune((FIRST_DAY - 5) * 86_400_000_000)
        assert hits(store) == 3
        assert len(asked) == 4


def test_that_test_catches_answers_that_outlive_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a version that never changes."""
    find = answers.Answers.find
    monkeypatch.setattr(answers.Answers, "find", lambda kept, _, asked: find(kept, kept._kept._version, asked))
    with pytest.raises(AssertionError):
        test_a_question_is_worked_out_once_and_again_after_each_change(tmp_path, monkeypatch)


def test_an_answer_belongs_to_whoever_asked(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch_of([hit()]))
        for _ in range(3):
            ((_, stats),) = store.read(ASKED)
            assert (stats.hits, stats.codes) == (1, {200: 1})
            stats.hits, stats.codes[200] = 7, 7


def test_answers_of_an_older_snapshot_are_not_kept() -> None:
    kept = answers.Answers()
    kept.keep(2, ASKED, [(Group(), EndpointStats(hits=2))])
    kept.keep(1, ASKED, [(Group(), EndpointStats(hits=1))])
    assert kept.find(1, ASKED) is None
    assert [stats.hits for _, stats in kept.find(2, ASKED) or ()] == [2]


def test_the_oldest_answers_make_room_for_new_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_BYTES", 10 * 700)
    kept = answers.Answers()
    questions = [Selection((Span(Width.DAY, day, day + 1),)) for day in range(9)]
    for question in questions:
        kept.keep(1, question, [(Group(), EndpointStats(hits=1))] * 2)
        kept.find(1, questions[0])
    assert [kept.find(1, question) is not None for question in questions] == [True, *[False] * 6, True, True]
    kept.keep(1, ASKED, [(Group(), EndpointStats(hits=1))] * 11)
    assert kept.find(1, ASKED) is None, "it alone is more than there is room for"


@pytest.mark.parametrize("distributions", [True, False])
def test_kept_answers_take_no_more_memory_than_is_said(
    monkeypatch: pytest.MonkeyPatch, distributions: bool
) -> None:
    """Whatever is in them: long paths, histograms. The bound is lowered, so that this takes no second."""
    monkeypatch.setattr(answers, "MOST_BYTES", 2**20)
    kept = answers.Answers()
    tracemalloc.start()
    try:
        for number in range(20):
            kept.keep(1, replace(ASKED, path=str(number)), an_answer(distributions))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept.find(1, replace(ASKED, path="19")) is not None
    assert kept.find(1, replace(ASKED, path="0")) is None, "there is not room for all of them"
    assert 2**19 < taken < 1.25 * 2**20


def test_that_test_catches_a_bound_that_counts_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin."""
    monkeypatch.setattr(answers, "_bytes_of", lambda answer: 700 * len(answer))
    with pytest.raises(AssertionError):
        test_kept_answers_take_no_more_memory_than_is_said(monkeypatch, True)


def an_answer(distributions: bool) -> list[tuple[Group, EndpointStats]]:
    answer = []
    for number in range(100):
        stats = EndpointStats()
        for step in range(12):
            stats.add(200 + step % 5 * 100, 1_000 + step, 2_000 * step, 1_000 * step, 1_600_000_000_000_000 + step)
        if not distributions:
            stats.codes, stats.histogram = {}, {}
        path = f"/v1/{number}/" + "x" * (number * 10)
        answer.append((Group(endpoint=Endpoint("79fc7cb80df940cc5089772200bd4926", path)), stats))
    return answer


def test_a_store_answers_as_before_when_its_answers_are_kept(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "s.db") as store:
        store.merge(batch_of([hit(second=second, path=f"/{second % 3}") for second in range(50)]))
        assert answer_of(store, ASKED) == answer_of(store, ASKED)
