"""Whatever the traffic: the sums of every resource, of its pages, of its CSV and of Tyk's routes are the same."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.web.plain_usage import ZONES, Usage
from tests.web.sums import check_sums
from tyk_endpoint_stats.core.selection import Dimension
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import hit, records


@settings(max_examples=10, deadline=None)
@given(
    st.lists(records(days=4), max_size=15),
    st.sampled_from(ZONES),
    st.dates(date(2020, 10, 11), date(2020, 10, 18)),
    st.integers(0, 5),
)
def test_sums_agree(some, zone, first, days):
    usage = Usage("memory://", zone, some, page_size=30)
    check_sums(usage, first, date.fromordinal(first.toordinal() + days))


class SumsOfConsumers(MemoryStore):
    """The broken twin: its totals are the sums over consumers, so that a hit with a key and a client counts twice."""

    def read(self, selection):
        if Dimension.ENDPOINT in selection.group_by or selection.kind:
            return super().read(selection)
        by_consumer = structs.replace(selection, group_by=selection.group_by | {Dimension.CONSUMER})
        merged = {}
        for group, stats in super().read(by_consumer):
            merged.setdefault(structs.replace(group, consumer=None, alias=""), EndpointStats()).merge(stats)
        return list(merged.items()) if Dimension.CONSUMER not in selection.group_by else super().read(selection)


def test_they_do_not_where_a_total_is_the_sum_of_consumers():
    some = [hit(oauth_id="c1"), hit()]
    check_sums(Usage("memory://", records=some), date(2020, 10, 13), date(2020, 10, 13))
    with pytest.raises(AssertionError):
        check_sums(Usage(SumsOfConsumers(), records=some), date(2020, 10, 13), date(2020, 10, 13))
