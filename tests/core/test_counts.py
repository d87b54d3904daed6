"""Counts add up key by key."""

from tyk_endpoint_stats.core.counts import add_counts


def test_counts_add_up_and_what_is_added_stays_as_it_is():
    mine, theirs = {200: 1, 404: 2}, {404: 3, 500: 4}
    add_counts(mine, theirs)
    assert mine == {200: 1, 404: 5, 500: 4}
    assert theirs == {404: 3, 500: 4}


def test_counts_may_be_added_to_themselves():
    mine = {"tcp": 2}
    add_counts(mine, mine)
    assert mine == {"tcp": 4}
