"""Consumers, counts and batches as values."""

import pytest

from tyk_endpoint_stats.core.batch import EVERYONE, Batch, Consumer, Counts, Endpoint, Kind
from tyk_endpoint_stats.core.counts import add_counts
from tyk_endpoint_stats.core.day_row import EVERY_ENDPOINT, row_of_state
from tyk_endpoint_stats.core.stats import EndpointStats
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
    assert Batch().newest_us is None
    assert batch_of([hit(code=-1)]).newest_us is None
    assert batch_of([hit(5, 10), hit(-5, 20), hit(5, 9, api_key="k2")]).newest_us == (5 * 86_400 + 10) * 1_000_000
    assert batch_of([hit(-5, 20)]).newest_us == (-5 * 86_400 + 20) * 1_000_000
    assert batch_of([hit(3, 1, api_key="", api_id="", path="")]).newest_us == (3 * 86_400 + 1) * 1_000_000


def test_a_row_goes_where_rows_of_its_kind_are():
    batch = Batch([("o", "key", "k"), ("o", EVERYONE, "")], [("a", "/")])
    state = EndpointStats(1, 1, first_hit_us=0, last_hit_us=0, codes={200: 1})
    rows = {
        (consumer, endpoint): row_of_state(0, consumer, endpoint, state, {0: state})
        for consumer in (0, 1)
        for endpoint in (EVERY_ENDPOINT, 1)
    }
    for row in rows.values():
        batch.add_row(row)
    assert batch.rows == [rows[0, 1]]
    assert batch.totals == [rows[0, 0], rows[1, 0], rows[1, 1]]


def test_two_batches_share_nothing():
    one, other = Batch(), Batch()
    one.consumers.append(("o", "key", "k"))
    one.counts.read = 5
    one.aliases["o", "key", "k"] = (1, "Ann")
    assert other == Batch()
