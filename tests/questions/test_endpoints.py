"""Questions over any store: rows, their order, their pages, zones and edges."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats import Consumer, Kind
from tyk_endpoint_stats.core.buckets import Width
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.errors import InvalidQuestion
from tyk_endpoint_stats.questions.order import page_of
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit, plain_hits, records
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.testing.plain import plain_state

DAY = date(2020, 10, 13)
EVER = (date.min, date.max)
K1 = Consumer.key("k1")


class Watched(MemoryStore):
    """A store that keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def read(self, selection):
        self.asked.append(selection)
        return super().read(selection)


def endpoints(store, *asked, **more):
    return store.endpoints(*asked, **more)


def consumers(store, *asked, **more):
    return store.consumers(*asked, **more)


def store_of(*some):
    store = Watched()
    store.merge(batch_of(some))
    return store


def test_a_row_is_what_its_state_says():
    store = store_of(
        hit(second=10, latency_ms=100, api_name="API", request_time=7),
        hit(second=30, latency_ms=301, api_name="API", request_time=8),
        hit(second=20, latency_ms=0, code=503, api_name="API", request_time=9),
    )
    (row,) = endpoints(store, K1, DAY, DAY)
    assert (row.api_id, row.path, row.api_name) == ("api-1", "/get", "API")
    assert (row.hits, row.success, row.error) == (3, 2, 1)
    assert row.last_hit == datetime(2020, 10, 13, 0, 0, 30, tzinfo=UTC)
    assert (row.request_time, row.latency, row.upstream_latency) == (8, 401 / 3, 401 / 3)
    assert (row.min_latency, row.max_latency) == (100, 301)
    assert (row.min_upstream_latency, row.max_upstream_latency) == (100, 301)
    assert row.stats.codes == {200: 2, 503: 1}
    assert row.stats.min_latency_all_ms == 0


def test_rows_come_by_hits_then_last_hit_then_api_and_path_by_code_point():
    some = [
        *[hit(path="/often", second=1)] * 3,
        *[hit(path="/twice-late", second=9)] * 2,
        *[hit(path="/twice-early", second=8)] * 2,
        *(
            hit(path=path, api_id=api, second=5)
            for api in ("a", "B")
            for path in ("/a", "/Z", "/é", "/😀", "/\ufffd")
        ),
    ]
    expected = [
        *("/often", "/twice-late", "/twice-early"),
        *("/Z", "/a", "/é", "/\ufffd", "/😀"),
        *("/Z", "/a", "/é", "/\ufffd", "/😀"),
    ]
    for start in range(len(some)):
        rows = endpoints(store_of(*some[start:], *some[:start]), K1, DAY, DAY)
        assert [row.path for row in rows] == expected
        assert [row.api_id for row in rows[3:]] == ["B"] * 5 + ["a"] * 5


def test_consumers_come_by_hits_then_last_hit_then_kind_and_id():
    some = [
        *[hit(api_key="busy")] * 3,
        hit(api_key="late", second=80_000),
        *(hit(api_key="", oauth_id=name) for name in ("b", "a")),
        *(hit(api_key=name) for name in ("b", "B", "a")),
    ]
    expected = ["busy", "late", "B", "a", "b", "a", "b"]
    for start in range(len(some)):
        rows = consumers(store_of(*some[start:], *some[:start]))
        assert [row.id for row in rows] == expected
        assert [row.kind for row in rows[2:]] == [Kind.KEY] * 3 + [Kind.OAUTH] * 2


def test_both_days_are_inclusive_and_an_end_before_the_start_is_nothing():
    store = store_of(*(hit(FIRST_DAY + day, second) for day in range(4) for second in (0, 86_399)))
    days = [DAY + timedelta(days=number) for number in range(4)]
    assert [row.hits for row in endpoints(store, K1, days[1], days[2])] == [4]
    assert [row.hits for row in endpoints(store, K1, days[1], days[1])] == [2]
    asked = len(store.asked)
    assert endpoints(store, K1, days[2], days[1]) == []
    assert consumers(store, first=days[2], last=days[1]) == []
    assert len(store.asked) == asked, "a store is not asked for nothing"


def test_a_day_that_was_left_out_has_no_rows():
    store = store_of(hit(timestamp="2011-12-30T09:59:59.999999Z"), hit(timestamp="2011-12-30T10:00:00Z"))
    days = [date(2011, 12, number) for number in (29, 30, 31)]
    found = [endpoints(store, K1, day, day, zone="Pacific/Apia") for day in days]
    assert [[row.hits for row in rows] for rows in found] == [[1], [], [1]]


def test_a_question_is_one_read_and_a_utc_one_is_of_days_alone():
    store = store_of(hit())
    endpoints(store, K1, DAY, DAY)
    endpoints(store, K1, DAY, DAY, zone="Asia/Kolkata", api_id="", org_id="o", distributions=False)
    consumers(store, kind=Kind.OAUTH)
    utc, kolkata, ever = store.asked
    assert {span.width for span in utc.spans} == {Width.DAY}
    assert {span.width for span in kolkata.spans} == {Width.QUARTER_HOUR}
    assert (kolkata.api_id, kolkata.org_id, kolkata.distributions) == ("", "o", False)
    assert (ever.kind, ever.distributions) == (Kind.OAUTH, False)


@settings(max_examples=50)
@given(
    st.lists(records(days=4), max_size=15),
    st.sampled_from(("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12")),
    st.integers(-2, 5),
    st.integers(-1, 4),
)
def test_an_answer_is_a_count_of_the_hits_whose_local_day_is_asked_for(some, zone, first, length):
    first_day = DAY + timedelta(days=first)
    last_day = first_day + timedelta(days=length)
    wanted = {}
    for one in plain_hits(some):
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one.at_us)).astimezone(ZoneInfo(zone))
        if first_day <= local.date() <= last_day and (one.kind, one.consumer_id) == (Kind.KEY, "k1"):
            wanted.setdefault((one.api_id, one.path), []).append(one)
    rows = endpoints(store_of(*some), K1, first_day, last_day, zone=zone)
    assert {(row.api_id, row.path): row.stats for row in rows} == {
        endpoint: plain_state(hits) for endpoint, hits in wanted.items()
    }
    assert all(row.last_hit.tzinfo == find_zone(zone) for row in rows)


def test_local_days_add_up_to_the_whole_whatever_the_zone():
    some = [hit(FIRST_DAY + day, second) for day in range(5) for second in range(0, 86_400, 1_799)]
    store = store_of(*some)
    for zone in ("UTC", "Asia/Kathmandu", "Pacific/Chatham", "America/New_York"):
        days = [DAY + timedelta(days=number) for number in range(-2, 8)]
        apart = [row.hits for day in days for row in endpoints(store, K1, day, day, zone=zone)]
        assert sum(apart) == len(some)
        assert [row.hits for row in endpoints(store, K1, days[0], days[-1], zone=zone)] == [len(some)]


def test_the_whole_of_time_can_be_asked_for_in_any_zone():
    store = store_of(hit(timestamp="0001-01-02T00:00:00Z"), hit(timestamp="9999-12-30T00:00:00Z"), hit())
    for zone in ("UTC", "Asia/Tokyo", "America/New_York", UTC, ZoneInfo("Pacific/Apia")):
        assert [row.hits for row in endpoints(store, K1, *EVER, zone=zone)] == [3]
        for first, last in ((None, None), (None, date.max), (date.min, None), EVER):
            assert [row.hits for row in consumers(store, first=first, last=last, zone=zone)] == [3]
        assert [row.hits for row in consumers(store, last=DAY, zone=zone)] == [2]
        assert [row.hits for row in consumers(store, first=DAY, zone=zone)] == [2]


def test_a_zone_that_is_not_known_is_an_error_before_the_store_is_asked():
    store = store_of()
    for ask in (lambda: endpoints(store, K1, DAY, DAY, zone="Mars/X"), lambda: consumers(store, zone="Mars/X")):
        with pytest.raises(InvalidQuestion, match="'Mars/X' is not known"):
            ask()
    assert store.asked == []


def test_organisations_are_one_unless_one_is_asked_for():
    store = store_of(*(hit(org_id=org, alias=org or "none") for org in ("org-1", "org-2", "", "org-2")))
    assert [row.hits for row in endpoints(store, K1, DAY, DAY)] == [4]
    for org_id, hits in (("org-2", 2), ("", 1), ("nowhere", 0)):
        assert sum(row.hits for row in endpoints(store, K1, DAY, DAY, org_id=org_id)) == hits
        assert sum(row.hits for row in consumers(store, org_id=org_id)) == hits
    assert [row.alias for row in consumers(store, org_id="org-2")] == ["org-2"]


def test_the_api_whose_id_is_empty_can_be_asked_for():
    store = store_of(hit(api_id=""), hit(api_id="a"), hit(api_id="a"))
    assert [(row.api_id, row.hits) for row in endpoints(store, K1, DAY, DAY, api_id="")] == [("", 1)]
    assert len(endpoints(store, K1, DAY, DAY)) == 2


def test_a_key_and_a_client_of_one_id_are_asked_for_apart():
    store = store_of(hit(api_key="x"), hit(api_key="x"), hit(api_key="", oauth_id="x"))
    assert [row.hits for row in endpoints(store, Consumer.key("x"), DAY, DAY)] == [2]
    assert [row.hits for row in endpoints(store, Consumer.oauth_client("x"), DAY, DAY)] == [1]
    assert [row.id for row in consumers(store, kind=Kind.OAUTH)] == ["x"]


@pytest.mark.parametrize(
    ("number", "page", "pages"),
    [
        (None, range(25), 1),
        (0, range(25), 0),
        (-1, range(25), 0),
        (1, range(10), 3),
        (2, range(10, 20), 3),
        (3, range(20, 25), 3),
        (4, (), 3),
        (10**18, (), 3),
    ],
)
def test_a_page_is_what_tyk_says_it_is(number, page, pages):
    rows = list(range(25))
    assert page_of(rows, number, 10) == (list(page), pages)


@pytest.mark.parametrize(("number", "pages"), [(None, 1), (0, 0), (-1, 0), (1, 1), (2, 1)])
def test_pages_of_nothing(number, pages):
    assert page_of([], number, 10) == ([], pages)


def test_pages_together_are_all_rows():
    for count, size in ((0, 1), (1, 1), (10, 10), (11, 10), (25, 7)):
        _, pages = page_of(range(count), 1, size)
        assert [row for number in range(1, pages + 1) for row in page_of(range(count), number, size)[0]] == [
            *range(count)
        ]


def test_means_of_means_would_be_another_answer():
    # What Tyk's list of means can't give: the mean over hits in several buckets.
    some = [hit(second=1, latency_ms=100), hit(second=2, latency_ms=100), hit(second=80_000, latency_ms=400)]
    for order in permutations(some):
        (row,) = endpoints(store_of(*order), K1, DAY, DAY)
        assert row.latency == 200
