"""Every resource of ``/v1`` equals a count of the hits, in three zones: the half of ``RoutesExam`` on ``/v1``."""

from bisect import bisect_right
from datetime import date, timedelta

import pytest

from tests.web.plain_usage import BOUND, FIRST, LAST, grouped

__all__ = ["BEFORE", "OF_CONSUMERS", "RESOURCES", "V1Exam", "ids_of", "wanted_rows"]

Q = f"from={FIRST}&to={LAST}"
BEFORE = ("hits", "success", "error", "c4xx", "c5xx", "latency", "p50", "p95", "last_hit")
RESOURCES = {
    "endpoints": ("api_id", "path"),
    "consumers": ("kind", "id"),
    "apis": ("api_id",),
    "pairs": ("kind", "id", "api_id", "path"),
}
OF_CONSUMERS = ("consumers", "pairs")
MEMBERS = {"kind": "kind", "id": "consumer_id", "api_id": "api_id", "path": "path"}
FILTERS = {
    "": {},
    "consumer=key:k%2F4": {"kind": "key", "consumer_id": "k/4"},
    "consumer=oauth:k1": {"kind": "oauth", "consumer_id": "k1"},
    "kind=oauth": {"kind": "oauth"},
    "api_id=api-1": {"api_id": "api-1"},
    "api_id=": {"api_id": ""},
    "path=/a+b/%C3%BC&api_id=api-2": {"path": "/a b/ü", "api_id": "api-2"},
    "consumer=key:nobody": {"consumer_id": "nobody"},
    "consumer=key:k1&kind=oauth": {"consumer_id": "none of both"},
}
COMPARED = [
    ("previous", FIRST - (LAST - FIRST) - timedelta(days=1), FIRST - timedelta(days=1)),
    ("2020-10-20..2020-10-22", date(2020, 10, 20), date(2020, 10, 22)),
    ("year", date(2019, 10, 15), date(2019, 11, 12)),
]


def ids_of(row, resource):
    return tuple(row[name] for name in RESOURCES[resource])


def wanted_rows(usage, resource, hits):
    """By ids, what has to be said of them."""
    rows = {}
    for ids, own in grouped(hits, *(MEMBERS[name] for name in RESOURCES[resource])).items():
        row = dict(zip(RESOURCES[resource], ids, strict=True))
        if "id" in row:
            row["alias"] = usage.alias_of(row["kind"], row["id"])
        if "api_id" in row:
            row["api_name"] = usage.name_of(row["api_id"])
        if resource == "apis":
            row["endpoints"] = len({one.path for one in own})
        rows[ids] = row | usage.v1_numbers(own)
    return rows


def pieces(usage, interval, first, last):
    """The local edges of the range's pieces, each as a day or an hour that begins one."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    match interval:
        case "1d":
            starts = [usage.local_midnight(day) for day in days]
        case "1w":
            starts = [usage.local_midnight(day) for day in days if day == first or day.weekday() == 0]
        case "1mo":
            starts = [usage.local_midnight(day) for day in days if day == first or day.day == 1]
        case _:
            starts, moment = [], usage.local_midnight(first)
            while moment.date() <= last:
                starts.append(moment)
                moment = usage.later(moment, minutes=15 if interval == "15m" else 60)
    return [*starts, usage.local_midnight(last + timedelta(days=1))]


class V1Exam:
    """What ``/v1`` answers; ``usage`` is a ``Usage`` in one of the zones."""

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_rows(self, usage, resource):
        for query, wanted_of in FILTERS.items():
            hits = usage.within(consumers=resource in OF_CONSUMERS, **wanted_of)
            found = usage.body(f"/v1/{resource}?{Q}&{query}&limit=1000")
            wanted = wanted_rows(usage, resource, hits)
            assert {ids_of(row, resource): row for row in found["data"]} == wanted, query
            in_order = [row["hits"] for row in found["data"]]
            assert in_order == sorted(in_order, reverse=True)
            assert found["total"] == {"rows": len(wanted), **usage.v1_numbers(hits)}, query
            assert found["next"] is None
            assert found["counted_to"] == usage.text(max(one.at_us for one in usage.hits))
            assert found["asked"]["zone"] == str(usage.zone)

    def test_a_bound_token_counts_its_own(self, usage):
        for resource in RESOURCES:
            found = usage.body(f"/v1/{resource}?{Q}", BOUND)
            mine = usage.within(consumers=resource in OF_CONSUMERS, org_id="org-1")
            assert found["total"]["hits"] == len(mine)
            mine = [one for one in usage.hits if one.org_id == "org-1"]
            assert found["counted_to"] == usage.text(max(one.at_us for one in mine))

    def test_totals(self, usage):
        for query, wanted_of in FILTERS.items():
            found = usage.body(f"/v1/totals?{Q}&{query}")
            numbers = usage.v1_numbers(usage.within(**wanted_of))
            assert found["data"] == [numbers], query
            assert found["total"] == {"rows": 1, **numbers}

    @pytest.mark.parametrize("interval", ["15m", "1h", "1d", "1w", "1mo"])
    def test_series(self, usage, interval):
        # By quarter hours a few days: those on which the clocks change in Newfoundland.
        first, last = (date(2020, 10, 31), date(2020, 11, 2)) if interval == "15m" else (FIRST, LAST)
        edges = [moment.timestamp() for moment in pieces(usage, interval, first, last)]
        for query in ("", "consumer=key:k1&api_id=api-1"):
            wanted = {"kind": "key", "consumer_id": "k1", "api_id": "api-1"} if query else {}
            hits = usage.within(first, last, **wanted)
            own = [[] for _ in edges]
            for one in hits:
                own[bisect_right(edges, one.at_us / 1_000_000) - 1].append(one)
            found = usage.body(f"/v1/series?from={first}&to={last}&interval={interval}&{query}")
            assert [usage.stamp(row.pop("start")) for row in found["data"]] == edges[:-1]
            assert [usage.stamp(row.pop("end")) for row in found["data"]] == edges[1:]
            assert found["data"] == [usage.v1_numbers(some) for some in own[:-1]], query
            assert found["total"] == {"rows": len(edges) - 1, **usage.v1_numbers(hits)}

    @pytest.mark.parametrize("by", ["endpoint", "consumer", "api"])
    def test_series_of_the_busiest_and_of_the_others(self, usage, by):
        names = {"endpoint": ("api_id", "path"), "consumer": ("kind", "id"), "api": ("api_id",)}[by]
        hits = usage.within(consumers=by == "consumer")
        groups = grouped(hits, *(MEMBERS[name] for name in names))
        busiest = sorted(groups, key=lambda ids: (-len(groups[ids]), ids))[:2]
        found = usage.body(f"/v1/series?{Q}&by={by}&top=2")
        groups_found = [row["group"] for row in found["data"]]
        assert groups_found[:3] == [*(dict(zip(names, ids, strict=True)) for ids in busiest), None]
        assert len(found["data"]) == 3 * ((LAST - FIRST).days + 1)
        for number, ids in enumerate([*busiest, None]):
            own = (
                groups[ids]
                if ids
                else [one for group, more in groups.items() if group not in busiest for one in more]
            )
            for row in found["data"][number::3]:
                day = [one for one in own if usage.local(one).date() == date.fromisoformat(row["start"][:10])]
                assert row["hits"] == len(day)
                assert row["codes"] == usage.v1_numbers(day)["codes"]
        assert found["total"]["hits"] == len(hits)

    @pytest.mark.parametrize("resource", RESOURCES)
    def test_rows_compared(self, usage, resource):
        of = resource in OF_CONSUMERS
        now = wanted_rows(usage, resource, usage.within(consumers=of, api_id="api-1"))
        nothing = usage.v1_numbers([])
        for compare, first, last in COMPARED:
            before = wanted_rows(usage, resource, usage.within(first, last, consumers=of, api_id="api-1"))
            found = usage.body(f"/v1/{resource}?{Q}&api_id=api-1&compare={compare}&limit=1000")
            wanted = {}
            for ids in {**now, **before}:
                named = {name: value for name, value in before.get(ids, {}).items() if name not in nothing}
                wanted[ids] = now.get(ids) or {**named, **nothing}
                if ids in before:
                    wanted[ids] = {**wanted[ids], "before": {name: before[ids][name] for name in BEFORE}}
                if ids not in now:
                    wanted[ids] = {**wanted[ids], "gone": True}
            assert {ids_of(row, resource): row for row in found["data"]} == wanted, compare
            assert found["total"]["rows"] == len(wanted)
            asked, end = found["asked"]["before"], last + timedelta(days=1)
            assert usage.stamp(asked["from"]) == usage.local_midnight(first).timestamp()
            assert usage.stamp(asked["to"]) == usage.local_midnight(end).timestamp()

    def test_meta(self, usage):
        found = usage.body("/v1/meta")["data"]
        first, last = (usage.text(pick(one.at_us for one in usage.hits)) for pick in (min, max))
        assert (found["first_hit"], found["counted_to"], found["pruned_before"]) == (first, last, None)
        assert (found["organisations"], found["zone"], found["grain"]) == (
            ["org-1", "org-2"],
            str(usage.zone),
            "15m",
        )
        assert usage.body("/v1/meta?zone=Asia/Tokyo", BOUND)["data"]["organisations"] == ["org-1"]
        assert usage.body("/v1/meta?zone=Asia/Tokyo")["data"]["counted_to"].endswith("+09:00")
