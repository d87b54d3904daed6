"""Every route of Tyk's Dashboard that we answer equals a count of the hits: the half of ``RoutesExam`` on them."""

from datetime import datetime, timedelta

import pytest

from tests.web.plain_usage import BOUND, FIRST, LAST, grouped

__all__ = ["TykExam", "in_order", "row", "same", "series_rows"]

D = f"{FIRST.day}/{FIRST.month}/{FIRST.year}/{LAST.day}/{LAST.month}/{LAST.year}"
NO_ID = {
    **dict.fromkeys(("day", "month", "year", "hour", "code"), 0),
    **dict.fromkeys(("path", "key", "alias", "url", "iso_country", "api_id", "api_name"), ""),
}


def row(usage, hits, **identity):
    return {"id": {**NO_ID, **identity}, **usage.tyk_numbers(hits)}


def in_order(rows):
    """By the latest hit, then by ids: what decides between equals."""

    def key(one):
        latest = datetime.fromisoformat(one["last_hit"]).timestamp()
        return (-latest, *(one["id"][name] for name in ("api_id", "path", "key")))

    return sorted(rows, key=key)


def same(found, wanted):
    """The rows, most hits first."""
    wanted = sorted(in_order(wanted), key=lambda one: one["hits"], reverse=True)
    assert found == {"data": wanted, "pages": 1}
    assert wanted


def endpoints_of(usage, hits, with_names):
    return [
        row(usage, own, api_id=api, path=path, api_name=usage.name_of(api) if with_names else "")
        for (api, path), own in grouped(hits, "api_id", "path").items()
    ]


def series_rows(usage, hits, res):
    """Every piece of the range, in order, the last one included, also without hits."""
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    if res == "month":
        pieces = sorted({(day.year, day.month, 1) for day in days})
        rows = []
        for year, month, day in pieces:
            own = [one for one in hits if (usage.local(one).year, usage.local(one).month) == (year, month)]
            rows.append(row(usage, own, year=year, month=month, day=day, code=200))
        return rows
    if res == "day":
        return [
            row(
                usage,
                [one for one in hits if usage.local(one).date() == day],
                year=day.year,
                month=day.month,
                day=day.day,
                code=200,
            )
            for day in days
        ]
    rows = []
    by_hour = {}
    for one in hits:
        local = usage.local(one)
        by_hour.setdefault((local.date(), local.hour, local.utcoffset()), []).append(one)
    start = usage.local_midnight(FIRST)
    while start.date() <= LAST:
        own = by_hour.get((start.date(), start.hour, start.utcoffset()), [])
        when = {"year": start.year, "month": start.month, "day": start.day, "hour": start.hour}
        rows.append(row(usage, own, **when, code=200))
        start = usage.later(start)
    return rows


class TykExam:
    """What Tyk's routes answer; ``usage`` is a ``Usage`` in one of the zones."""

    @pytest.mark.parametrize(("folder", "kind", "consumer"), [("keys", "key", "k1"), ("oauthid", "oauth", "k1")])
    def test_endpoints_of_a_consumer(self, usage, folder, kind, consumer):
        hits = usage.within(kind=kind, consumer_id=consumer)
        same(usage.body(f"/api/activity/{folder}/endpoint/{consumer}/{D}"), endpoints_of(usage, hits, False))
        same(usage.body(f"/api/activity/{folder}/{consumer}/{D}"), endpoints_of(usage, hits, True))
        some = [one for one in hits if one.api_id == "api-1"]
        same(usage.body(f"/api/activity/{folder}/{consumer}/{D}?api_id=api-1"), endpoints_of(usage, some, True))

    @pytest.mark.parametrize(
        ("target", "wanted"),
        [
            ("/api/activity/keys/k1/", {"kind": "key", "consumer_id": "k1"}),
            ("/api/activity/oauthid/c1/", {"kind": "oauth", "consumer_id": "c1"}),
            ("/api/usage/", {}),
            ("/api/activity/keys/nobody/", {"consumer_id": "nobody"}),
        ],
    )
    def test_series_of_tyk(self, usage, target, wanted):
        hits = usage.within(**wanted)
        of_api = [one for one in hits if one.api_id == "api-2"]
        for res in ("day", "hour", "month"):
            assert usage.body(f"{target}{D}?res={res}&p=-1") == {"data": series_rows(usage, hits, res), "pages": 0}
            found = usage.body(f"{target}{D}?res={res}&api_id=api-2")
            assert found == {"data": series_rows(usage, of_api, res), "pages": 1}

    def test_pages_of_a_series_are_its_rows_in_order(self, usage):
        every = usage.body(f"/api/usage/{D}?res=day")["data"]
        pages = [usage.body(f"/api/usage/{D}?res=day&p={number}") for number in range(1, 5)]
        assert [row for page in pages for row in page["data"]] == every
        assert {page["pages"] for page in pages} == {-(-len(every) // 10)}

    def test_keys(self, usage):
        wanted = [
            row(usage, hits, key=key, alias=usage.alias_of("key", key))
            for (key,), hits in grouped(usage.within(kind="key"), "consumer_id").items()
        ]
        same(usage.body(f"/api/activity/keys/{D}"), wanted)
        assert usage.body(f"/api/activity/keys/{D}?p=-1")["pages"] == 0

    def test_several_keys_together(self, usage):
        hits = [one for one in usage.within(kind="key") if one.consumer_id in ("k1", "K3")]
        for keys in ("k1,K3,", "K3,k1,k1,K3", "k1%2CK3"):
            same(usage.body(f"/api/activity/keys/aggregate/{keys}/{D}"), endpoints_of(usage, hits, True))
            found = usage.body(f"/api/activity/keys/aggregate/{keys}/{D}?p=-1&res=day")
            assert found == {"data": series_rows(usage, hits, "day"), "pages": 0}
        assert usage.body(f"/api/activity/keys/aggregate/,/{D}") == {"data": [], "pages": 1}

    def test_usage_in_one_row_counts_every_hit_once(self, usage):
        assert usage.body(f"/api/usage/{D}") == {"data": [row(usage, usage.within())], "pages": 1}
        bound = usage.body(f"/api/usage/{D}", BOUND)
        assert bound == {"data": [row(usage, usage.within(org_id="org-1"))], "pages": 1}
        assert usage.body("/api/usage/1/1/2019/2/1/2019") == {"data": [], "pages": 1}

    def test_usage_of_apis(self, usage):
        wanted = {
            api: row(usage, hits, api_id=api, api_name=usage.name_of(api))
            for (api,), hits in grouped(usage.within(), "api_id").items()
        }
        same(usage.body(f"/api/usage/apis/{D}"), list(wanted.values()))
        for by in ("Hits", "hits", "Success", "ERROR", "latency"):
            for sort, reverse in (("1", True), ("-1", False)):
                rows = usage.body(f"/api/usage/apis/{D}?by={by}&sort={sort}&p=0")["data"]
                assert rows == sorted(in_order(wanted.values()), key=lambda one: one[by.lower()], reverse=reverse)

    def test_usage_of_one_api(self, usage):
        same(usage.body(f"/api/usage/apis/api-2/{D}"), endpoints_of(usage, usage.within(api_id="api-2"), True))
