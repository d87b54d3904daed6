"""Whatever the traffic: the sums of every resource, of its pages, of its CSV and of Tyk's routes are the same."""

import csv
import io
import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.web.plain_usage import ZONES
from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.core.instants import find_zone
from tyk_endpoint_stats.core.selection import Dimension
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import batch_of, hit, records
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

SUMS = ("hits", "success", "error")


class Asked:
    def __init__(self, some, zone, store=None):
        self.store = store or open_store("memory://")
        self.store.merge(batch_of(some))
        self.settings = Settings(tokens=Tokens(["0123456789abcdef"]), zone=find_zone(zone), page_size=3)

    def get(self, target):
        request = Request("GET", target, {"authorization": "0123456789abcdef"})
        response = respond(request, self.store, self.settings)
        assert response.status == 200, (target, response.body)
        return response.body

    def v1(self, resource, query):
        found = json.loads(self.get(f"/v1/{resource}?{query}"))
        return found, sums(found["data"])

    def by_cursor(self, resource, query):
        rows, following = [], f"?{query}&limit=2"
        while following:
            page = json.loads(self.get(f"/v1/{resource}{following}"))
            rows, following = rows + page["data"], page["next"]
        return sums(rows)

    def by_csv(self, resource, query):
        text = self.get(f"/v1/{resource}?{query}&format=csv").decode()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return sums([{name: int(row[name]) for name in SUMS} for row in rows])

    def tyk(self, target):
        whole = sums(json.loads(self.get(target))["data"])
        rows, page, pages = [], 0, 1
        while page < pages:
            page += 1
            found = json.loads(self.get(f"{target}{'&' if '?' in target else '?'}p={page}"))
            rows, pages = rows + found["data"], found["pages"]
        assert sums(rows) == whole
        return whole


def sums(rows):
    return {name: sum(row[name] for row in rows) for name in SUMS}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(records(days=4), max_size=15),
    st.sampled_from(ZONES),
    st.dates(date(2020, 10, 11), date(2020, 10, 18)),
    st.integers(0, 5),
)
def test_sums_agree(some, zone, first, days):
    check(Asked(some, zone), first, date.fromordinal(first.toordinal() + days))


def check(asked, first, last):
    query = f"from={first}&to={last}"
    wanted = asked.v1("totals", query)[1]
    of_keys = asked.v1("totals", f"{query}&kind=key")[1]
    of_clients = asked.v1("totals", f"{query}&kind=oauth")[1]
    of_both = {name: of_keys[name] + of_clients[name] for name in SUMS}
    for resource, whole in (("endpoints", wanted), ("apis", wanted), ("consumers", of_both), ("pairs", of_both)):
        found, total = asked.v1(resource, query)
        assert total == whole == {name: found["total"][name] for name in SUMS}
        assert asked.by_cursor(resource, query) == asked.by_csv(resource, query) == whole
        assert sum(sum(row["codes"].values()) for row in found["data"]) == whole["hits"]
    for interval in ("15m", "1h", "1d", "1w", "1mo"):
        assert asked.v1("series", f"{query}&interval={interval}")[1] == wanted
    for by, whole in (("endpoint", wanted), ("api", wanted), ("consumer", of_both)):
        assert asked.v1("series", f"{query}&by={by}&top=1")[1] == whole
    d = f"{first.day}/{first.month}/{first.year}/{last.day}/{last.month}/{last.year}"
    for target in ("", "?res=day", "?res=hour", "?res=month"):
        assert asked.tyk(f"/api/usage/{d}{target}") == wanted
    assert asked.tyk(f"/api/usage/apis/{d}") == wanted
    assert asked.tyk(f"/api/activity/keys/{d}") == of_keys
    assert asked.tyk(f"/api/activity/keys/aggregate/k1,k2,K1,/{d}") == of_keys
    assert asked.tyk(f"/api/activity/keys/aggregate/k1,k2,K1,/{d}?res=day") == of_keys
    of_one = asked.v1("totals", f"{query}&consumer=key:k1")[1]
    for target in (f"keys/endpoint/k1/{d}", f"keys/k1/{d}", f"keys/k1/{d}?res=hour"):
        assert asked.tyk(f"/api/activity/{target}") == of_one


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
    check(Asked(some, "UTC"), date(2020, 10, 13), date(2020, 10, 13))
    with pytest.raises(AssertionError):
        check(Asked(some, "UTC", SumsOfConsumers()), date(2020, 10, 13), date(2020, 10, 13))
