"""Consumers, counts and batches as values."""

import pytest

from tyk_endpoint_stats.core.batch import Batch, Consumer, Counts, Endpoint, Kind
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.testing import batch_of, hit


def test_a_key_and_a_client_of_one_id_are_two_consumers():
    assert Consumer.key("x") == Consumer(Kind.KEY, "x")
    assert Consumer.oauth_client("x") == Consumer(Kind.OAUTH, "x")
    assert Consumer.key("x") != Consumer.oauth_client("x")
    assert len({Consumer.key("x"), Consumer.oauth_client("x"), Consumer.key("x")}) == 2


def test_values_can_not_be_changed_and_have_an_order():
    with pytest.raises(AttributeError):
        Consumer.key("x").id = "y"
    assert sorted([Endpoint("b", "/"), Endpoint("a", "/z"), Endpoint("a", "/b")])[0] == Endpoint("a", "/b")


def test_counts_merge_by_reason_and_leave_the_others_alone():
    mine = Counts(5, 3, 1, {"tcp": 1}, {"timestamp": 1})
    theirs = Counts(7, 4, 2, {"tcp": 1, "mcp": 1}, {"no timestamp": 1})
    mine.merge(theirs)
    assert mine == Counts(12, 7, 3, {"tcp": 2, "mcp": 1}, {"timestamp": 1, "no timestamp": 1})
    mine.merge(mine)
    assert mine.skipped == {"tcp": 4, "mcp": 2}
    assert theirs == Counts(7, 4, 2, {"tcp": 1, "mcp": 1}, {"no timestamp": 1})


def test_two_counts_share_no_reasons():
    one, other = Counts(), Counts()
    add_counts(one.skipped, {"tcp": 1})
    assert other.skipped == {}


def test_the_newest_hit_of_a_batch():
    assert Batch().newest_us() is None
    assert batch_of([hit(code=-1)]).newest_us() is None
    assert batch_of([hit(5, 10), hit(-5, 20), hit(5, 9, api_key="k2")]).newest_us() == (5 * 86_400 + 10) * 1_000_000
    assert batch_of([hit(-5, 20)]).newest_us() == (-5 * 86_400 + 20) * 1_000_000
