"""How many distinct paths consumers bring a day."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats import Aggregator, Record
from tyk_endpoint_stats.core import path_counts
from tyk_endpoint_stats.core.path_counts import PathCounts


def batch(paths, key="k", day=13, **values):
    aggregator = Aggregator()
    at = f"2026-10-{day:02d}T10:00:00Z"
    aggregator.add([Record(path=path, api_key=key, timestamp=at, response_code=200, **values) for path in paths])
    return aggregator.close()


def seen(*batches):
    counts = PathCounts()
    for each in batches:
        counts.see(*each.packed)
    return counts


def test_up_to_a_thousand_the_count_is_exact_and_repeats_do_not_count():
    paths = [f"/{number}" for number in range(1000)]
    counts = seen(batch(paths), batch(paths), batch(paths[:10]))
    assert [one.paths for one in counts.many(999)] == [1000]
    assert counts.many(1000) == []


@pytest.mark.parametrize("paths", [5_000, 20_000, 60_000])
def test_beyond_that_it_is_good_for_a_few_percent(paths):
    counts = seen(*(batch([f"/{number}" for number in range(at, at + 5_000)]) for at in range(0, paths, 5_000)))
    (one,) = counts.many(1000)
    assert one.paths == pytest.approx(paths, rel=0.15)
    assert (one.kind, one.consumer_id, one.day) == ("key", "k", 20739)


def test_every_consumer_is_named_once_with_its_richest_day():
    few, many = [f"/{number}" for number in range(50)], [f"/{number}" for number in range(90)]
    found = seen(
        batch(few, day=13), batch(many, day=14, oauth_id="c"), batch(few[:5], key="other"), batch(few, key="z")
    ).many(10)
    assert [(one.kind, one.consumer_id, one.paths, one.day) for one in found] == [
        ("key", "k", 90, 20740),
        ("oauth", "c", 90, 20740),
        ("key", "z", 50, 20739),
    ]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4_000), max_size=12), st.randoms(use_true_random=False))
def test_order_and_split_do_not_matter(starts, rng):
    parts = [batch([f"/{number}" for number in range(at, at + 400)]) for at in starts]
    whole = seen(*parts)
    rng.shuffle(parts)
    one, other = seen(*parts[::2]), seen(*parts[1::2])
    one.merge(other)
    assert one.many(0) == whole.many(0)


def test_memory_does_not_grow_with_consumers_or_paths(monkeypatch):
    monkeypatch.setattr(path_counts, "_KEPT", 8)
    counts = PathCounts()
    rng = random.Random(1)
    for number in range(200):
        counts.see(*batch([f"/{rng.random()}" for _ in range(5)], key=f"k{number}").packed)
    for _ in range(3):
        counts.see(*batch([f"/{rng.random()}" for _ in range(3_000)], key="many").packed)
    samples = counts._samples.values()
    assert len(samples) <= 16
    assert all(len(sample.values) <= 1024 for sample in samples)
    assert counts.many(1000)[0].consumer_id == "many"


def test_in_a_large_batch_those_with_few_paths_are_passed_over():
    aggregator = Aggregator()
    at = "2026-10-13T10:00:00Z"
    for key, paths in (("many", 20_000), *((f"few{number}", 2) for number in range(2_000))):
        aggregator.add([Record(path=f"/{path}", api_key=key, timestamp=at) for path in range(paths)])
    counts = PathCounts()
    counts.see(*aggregator.close().packed)
    assert len(counts._samples) == 1
