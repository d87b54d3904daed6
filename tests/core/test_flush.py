"""The flush: four kinds of rows of any hits, and the ways it takes where there are many or few."""

import gc
import time
from itertools import product
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.batches import ALL, plain_states, rows_by_name, states_by_name
from tyk_endpoint_stats.core import entries, flush
from tyk_endpoint_stats.core.aggregator import Aggregator, Rules
from tyk_endpoint_stats.core.packed import count_pieces
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY, odd_records, records


@given(st.lists(records(days=2), max_size=20), st.sampled_from((0, 1, 4)), st.sampled_from((0, 1, 4)))
def test_rows_are_the_hits_whatever_is_few(some, few, apart):
    """Two by two or by columns, packed apart or merged before: the same states."""
    with patch.object(entries, "_FEW", few), patch.object(entries, "_MAX_APART", apart):
        assert states_by_name(batch_of(some)) == plain_states(some)


@given(st.lists(odd_records(), max_size=10))
def test_tabs_long_names_and_odd_codes_are_kept_apart(some):
    assert states_by_name(batch_of(some)) == plain_states(some)


def of_everyone():
    """Hits of one endpoint by ten keys in two quarter hours: everyone's row merges them."""
    return [
        hit(second=second, api_key=f"k{number}", latency_ms=number, code=(200, 404)[number % 2])
        for number, second in product(range(10), (0, 1_000))
    ]


def test_the_twin_that_counts_a_consumer_twice_is_caught(monkeypatch):
    """The broken twin: what counts in the row of the first consumer, everyone, counts twice."""
    some = [hit(oauth_id="c1"), hit(api_key="")]

    def sums_of_consumers(lists_of, key, some_entries):
        lists_of.setdefault(key, []).append(some_entries * (2 if key[1] == 0 else 1))

    assert states_by_name(batch_of(some)) == plain_states(some)
    monkeypatch.setattr(flush, "_append", sums_of_consumers)
    assert states_by_name(batch_of(some)) != plain_states(some)


def test_the_twin_that_merges_by_place_is_caught(monkeypatch):
    """The broken twin takes the first entry's maximum for that of all."""
    merged = entries._merged_two

    def with_the_first_maximum(one, other):
        both = merged(one, other)
        return (*both[: entries._MAXIMUM], one[entries._MAXIMUM], *both[entries._MAXIMUM + 1 :])

    monkeypatch.setattr(entries, "_merged_two", with_the_first_maximum)
    monkeypatch.setattr(entries, "_FEW", 100)
    assert states_by_name(batch_of(of_everyone())) != plain_states(of_everyone())


def test_a_row_of_many_hits_is_one_piece():
    rows = rows_by_name(batch_of(of_everyone()))
    everyone = rows[FIRST_DAY, ("org-1", "everyone", ""), ALL]
    assert (everyone.hits, count_pieces(everyone.distribution), count_pieces(everyone.quarter_hours)) == (20, 1, 1)


def test_a_consumers_total_has_no_quarter_hours():
    rows = rows_by_name(batch_of([hit(), hit(path="/put"), hit(api_key="k2")]))
    assert {(name[1][1], bool(row.quarter_hours)) for name, row in rows.items() if name[2] is ALL} == {
        ("key", False),
        ("everyone", True),
    }


def test_paths_that_are_one_after_they_were_normalised_are_one_endpoint():
    some = [hit(path=f"/orders/{number}") for number in range(20)]
    aggregator = Aggregator(Rules(normalise=frozenset({"number"})))
    aggregator.add(some)
    batch = aggregator.close()
    assert batch.endpoints == [("api-1", "/orders/{id}")]
    assert [row.hits for row in batch.rows] == [20]


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_collector_is_left_as_it_was(is_enabled):
    was_enabled = gc.isenabled()
    try:
        (gc.enable if is_enabled else gc.disable)()
        batch_of([hit()])
        assert gc.isenabled() == is_enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def seconds_a_hit(count):
    """The processor time of a flush, of one hit each by so many keys of one endpoint."""
    aggregator = Aggregator()
    aggregator.add(hit(second=number, api_key=f"k{number}") for number in range(count))
    began = time.process_time()
    batch = aggregator.close()
    seconds = time.process_time() - began
    assert len(batch.rows) == count
    return seconds / count


def copied(lists_of, key, some_entries):
    known = lists_of.get(key, [[]])
    lists_of[key] = [known[0] + some_entries]


@pytest.mark.slow
def test_many_keys_of_one_endpoint_take_no_longer_each_than_few(monkeypatch):
    """The broken twin copies all that everyone's row has for each key that is added to it."""
    few = min(seconds_a_hit(1_000) for _ in range(3))
    assert seconds_a_hit(20_000) < 2 * few
    monkeypatch.setattr(flush, "_append", copied)
    assert seconds_a_hit(20_000) > 2 * few


def test_nothing_gives_an_empty_batch():
    batch = batch_of([])
    assert (batch.consumers, batch.endpoints, batch.rows, batch.totals) == ([], [], [], [])
