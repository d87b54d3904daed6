"""By how much an ingest makes days grow: those before yesterday that had hits before it began."""

import time

import pytest

from tyk_endpoint_stats.core.growth import Grown, add_growth
from tyk_endpoint_stats.core.instants import DAY_US
from tyk_endpoint_stats.ingest.follower import follow
from tyk_endpoint_stats.ingest.growth import KnownDays, hits_by_day
from tyk_endpoint_stats.ingest.options import IngestOptions, Limits
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.sources.in_memory import RecordsSource
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit

TODAY = 20_740
NOW_US = TODAY * DAY_US + 1
ONE_BY_ONE = IngestOptions(limits=Limits(states=1))


@pytest.fixture
def clock(monkeypatch):
    """The clock of an ingest, in days; it stands."""
    days = [TODAY]
    monkeypatch.setattr(time, "time_ns", lambda: (days[0] * DAY_US + 1) * 1000)
    return days


@pytest.fixture
def store():
    with MemoryStore() as opened:
        yield opened


def test_every_hit_is_once_in_its_day():
    """A hit of a key and a client is one; so are several in one quarter hour, and one without either."""
    records = [
        *(hit(day=20_000, second=second) for second in (0, 0, 5, 899, 86_399)),
        hit(day=20_001, oauth_id="client"),
        hit(day=20_001, code=500, oauth_id="client", org_id="org-2"),
        hit(day=-400, api_key=""),
    ]
    assert hits_by_day(batch_of(records)) == {20_000: 5, 20_001: 2, -400: 1}


@pytest.mark.parametrize(("ago", "grows"), [(-1, False), (0, False), (1, False), (2, True), (400, True)])
def test_a_day_before_yesterday_grows(clock, store, ago, grows):
    """Stragglers at midnight and last night's file are in time."""
    store.ingest([hit(TODAY - ago)])
    report = store.ingest([hit(TODAY - ago)] * 3)
    assert report.growth == store.growth() == ({TODAY - ago: Grown(3, NOW_US)} if grows else {})


def test_what_is_loaded_for_the_first_time_has_not_grown(clock, store):
    """In however many batches and sources of one run; the broken twin looks again before each source."""
    sources = [RecordsSource([hit(9)] * 1_500), RecordsSource([hit(9), hit(10)])]
    reports = [report for report, _ in ingest_all(store, sources, ONE_BY_ONE)]
    assert [report.growth for report in reports] == [{}, {}]
    assert sum(report.batches for report in reports) == 3
    grown = [store.ingest(source, ONE_BY_ONE).growth for source in sources]
    assert grown == [{9: Grown(1_500, NOW_US)}, {9: Grown(1, NOW_US), 10: Grown(1, NOW_US)}]
    assert store.growth() == {9: Grown(1_501, NOW_US), 10: Grown(1, NOW_US)}


def test_a_run_over_several_sources_makes_grow_what_was_there_before_it(clock, store):
    store.ingest([hit(9)])
    for report, _ in ingest_all(store, [RecordsSource([hit(9), hit(10)]), RecordsSource([hit(9), hit(10)])]):
        assert report.growth == {9: Grown(1, NOW_US)}
    assert store.growth() == {9: Grown(2, NOW_US)}


def test_following_looks_again_when_the_day_changes(clock, store):
    """What it has loaded itself is new until then; the broken twin never looks again."""
    grown = []

    def wait(seconds):
        if seconds:
            grown.append(dict(store.growth()))
            clock[0] += len(grown) == 2
        return len(grown) == 3

    report = follow(
        store,
        ["x"],
        lambda _: [RecordsSource([hit(9)])],
        wait=wait,
        on_report=lambda _: None,
        on_problem=pytest.fail,
    )
    assert grown == [{}, {}, {9: Grown(1, NOW_US + DAY_US)}]
    assert report.growth == grown[-1]


def test_days_are_looked_at_once_a_day(clock):
    class Counting(MemoryStore):
        reads = 0

        def read(self, selection):
            self.reads += 1
            return super().read(selection)

    with Counting() as store:
        known_days = KnownDays(store)
        known_days.renew()
        assert store.reads == 1
        clock[0] += 1
        known_days.renew()
        known_days.renew()
        assert store.reads == 2


def test_growth_adds_up():
    one, other = (
        IngestReport("a", growth={1: Grown(2, 7)}),
        IngestReport("b", growth={1: Grown(1, 5), 2: Grown(5, 9)}),
    )
    one.merge(other)
    assert one.growth == {1: Grown(3, 7), 2: Grown(5, 9)}
    add_growth(other.growth, {1: Grown(0, 6)})
    assert other.growth[1] == Grown(1, 6)
