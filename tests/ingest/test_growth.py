"""Which days and months before today's grew, and by how much."""

from datetime import date

import pytest
from tyk_endpoint_stats.ingest.growth import Growth, growth_before

from tyk_endpoint_stats.core.instants import EPOCH
from tyk_endpoint_stats.ingest.loop import ingest
from tyk_endpoint_stats.ingest.options import IngestOptions, Limits
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import hit

TODAY = date(2026, 10, 14)


def number(day):
    return (day - EPOCH.date()).days


def grown(hits):
    return growth_before(TODAY, {number(day): count for day, count in hits.items()})


def test_months_are_named_with_their_days_the_latest_first():
    found = grown({date(2026, 9, 30): 10, date(2026, 10, 13): 5, date(2026, 9, 1): 2, date(2025, 9, 30): 1})
    assert found == [
        Growth(date(2026, 10, 1), ((date(2026, 10, 13), 5),)),
        Growth(date(2026, 9, 1), ((date(2026, 9, 1), 2), (date(2026, 9, 30), 10))),
        Growth(date(2025, 9, 1), ((date(2025, 9, 30), 1),)),
    ]
    assert [each.hits for each in found] == [5, 12, 1]


@pytest.mark.parametrize("day", [TODAY, date(2026, 10, 15), date(2027, 1, 1)])
def test_today_and_what_is_ahead_of_it_is_not_over(day):
    assert grown({day: 7}) == []
    assert grown({}) == []


def test_the_report_has_every_hit_once_by_its_day():
    """A hit of a key and a client is one hit; so are several in one quarter hour."""
    records = [
        *(hit(day=20_000, second=second) for second in (0, 0, 5, 899, 86_399)),
        hit(day=20_001, oauth_id="client"),
        hit(day=20_001, code=500, oauth_id="client"),
        hit(day=-400),
    ]
    with MemoryStore() as store:
        report = ingest(store, records, IngestOptions(limits=Limits(states=1)))
    assert report.hits_by_day == {20_000: 5, 20_001: 2, -400: 1}
    assert sum(report.hits_by_day.values()) == report.counts.counted


def test_many_hits_of_one_state_are_counted_each():
    with MemoryStore() as store:
        report = store.ingest(hit(day=20_000, latency_ms=number % 50) for number in range(270_000))
    assert report.hits_by_day == {20_000: 270_000}


def test_reports_add_up_by_day():
    one, other = IngestReport("a", hits_by_day={1: 2, 2: 1}), IngestReport("b", hits_by_day={2: 5})
    one.merge(other)
    assert one.hits_by_day == {1: 2, 2: 6}
