"""The sums of every resource of ``/v1``, of its pages, of its CSV and of Tyk's routes: all the same of one range."""

import csv
import io
import json
from urllib.parse import quote

from tyk_endpoint_stats.web.table import find_route
from tyk_endpoint_stats.web.tyk_routes import TYK_ROUTES
from tyk_endpoint_stats.web.v1_routes import V1_ROUTES

__all__ = ["check_sums"]

SUMS = ("hits", "success", "error")
ROUTES = {route.path for route in (*TYK_ROUTES, *V1_ROUTES)} - {"/v1/meta"}


def check_sums(usage, first, last):
    """Each sum from ``first`` to ``last`` is that of every other way to ask for it.

    Args:
        usage: a ``Usage``.
        first, last: local days, both inclusive.
    """
    asked = _Asked(usage)
    query = f"from={first}&to={last}&limit=1000"
    wanted = asked.v1("totals", query)
    of_keys = asked.v1("totals", f"{query}&kind=key")
    of_clients = asked.v1("totals", f"{query}&kind=oauth")
    of_both = {name: of_keys[name] + of_clients[name] for name in SUMS}
    for resource, whole in (("endpoints", wanted), ("apis", wanted), ("consumers", of_both), ("pairs", of_both)):
        assert asked.v1(resource, query) == whole, resource
        assert asked.by_cursor(resource, query) == asked.by_csv(resource, query) == whole, resource
    for interval in ("15m", "1h", "1d", "1w", "1mo"):
        assert asked.v1("series", f"{query}&interval={interval}") == wanted, interval
    for by, whole in (("endpoint", wanted), ("api", wanted), ("consumer", of_both)):
        assert asked.v1("series", f"{query}&by={by}&top=1") == whole, by
    d = f"{first.day}/{first.month}/{first.year}/{last.day}/{last.month}/{last.year}"
    for target in (f"/api/usage/{d}", *(f"/api/usage/{d}?res={res}" for res in ("day", "hour", "month"))):
        assert asked.tyk(target) == wanted, target
    assert asked.tyk(f"/api/usage/apis/{d}") == wanted
    apis = {row["api_id"] for row in asked.rows("apis", query)} | {"nobody's"}
    of_apis = [asked.tyk(f"/api/usage/apis/{api}/{d}") for api in apis if api]
    assert _sums([*of_apis, asked.v1("totals", f"{query}&api_id=")]) == wanted
    assert asked.tyk(f"/api/activity/keys/{d}") == of_keys
    keys = "".join(f"{quote(row['id'], safe='')}," for row in asked.rows("consumers", f"{query}&kind=key"))
    for target in (f"nobody,{keys}/{d}", f"nobody,{keys}/{d}?res=day"):
        assert asked.tyk(f"/api/activity/keys/aggregate/{target}") == of_keys, target
    for kind, folder in (("key", "keys"), ("oauth", "oauthid")):
        of_one = asked.v1("totals", f"{query}&consumer={kind}:k1")
        for target in (f"endpoint/k1/{d}", f"k1/{d}", f"k1/{d}?res=hour"):
            assert asked.tyk(f"/api/activity/{folder}/{target}") == of_one, target
    assert asked.routes == ROUTES, "each route has a sum"


class _Asked:
    """Sums by each way to ask for them, and which routes were asked."""

    def __init__(self, usage):
        self.usage = usage
        self.routes = set()

    def get(self, target):
        self.routes.add(find_route(target.partition("?")[0])[0].path)
        response = self.usage.response(target)
        assert response.status == 200, (target, response.body)
        return response.body

    def rows(self, resource, query):
        return json.loads(self.get(f"/v1/{resource}?{query}"))["data"]

    def v1(self, resource, query):
        """By rows; the total of the answer is the same, and so are its codes."""
        query = (
            query if resource in ("endpoints", "apis", "consumers", "pairs") else query.replace("&limit=1000", "")
        )
        found = json.loads(self.get(f"/v1/{resource}?{query}"))
        sums = _sums(found["data"])
        assert sums == {name: found["total"][name] for name in SUMS}
        assert sum(sum(row["codes"].values()) for row in found["data"]) == sums["hits"]
        return sums

    def by_cursor(self, resource, query):
        rows, following = [], f"?{query.replace('1000', '7')}"
        while following:
            page = json.loads(self.get(f"/v1/{resource}{following}"))
            rows, following = rows + page["data"], page["next"]
        return _sums(rows)

    def by_csv(self, resource, query):
        text = self.get(f"/v1/{resource}?{query}&format=csv").decode()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return _sums([{name: int(row[name]) for name in SUMS} for row in rows])

    def tyk(self, target):
        """By rows; those of all pages are the same."""
        whole = _sums(json.loads(self.get(target))["data"])
        if "hour" in target:  # dozens of pages
            return whole
        rows, page, pages = [], 0, 1
        while page < pages:
            page += 1
            found = json.loads(self.get(f"{target}{'&' if '?' in target else '?'}p={page}"))
            rows, pages = rows + found["data"], found["pages"]
        assert _sums(rows) == whole, target
        return whole


def _sums(rows):
    return {name: sum(row[name] for row in rows) for name in SUMS}
