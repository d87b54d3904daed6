"""Every resource of ``/v1`` equals a count of the hits, in three zones, on two stores, whatever is asked for."""

import csv
import io
import json
from datetime import date, timedelta
from html import unescape

import pandas
import pytest

from tests.web.plain_usage import BOUND, FIRST, LAST, TOKEN, ZONES, Usage, grouped
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown

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


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def url(request, tmp_path_factory):
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path_factory.mktemp('s')}/{{}}.db"


@pytest.fixture(scope="module", params=ZONES)
def usage(request, url):
    one = Usage(url.format(request.param.replace("/", "-")), request.param)
    with one.store:
        yield one


@pytest.fixture(scope="module")
def plain():
    """One that is asked about what has nothing to do with zones and stores."""
    return Usage("memory://", "Asia/Kolkata")


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


@pytest.mark.parametrize("query", FILTERS)
@pytest.mark.parametrize("resource", RESOURCES)
def test_rows(usage, resource, query):
    hits = usage.within(consumers=resource in OF_CONSUMERS, **FILTERS[query])
    found = usage.body(f"/v1/{resource}?{Q}&{query}&limit=1000")
    wanted = wanted_rows(usage, resource, hits)
    assert {ids_of(row, resource): row for row in found["data"]} == wanted
    assert [row["hits"] for row in found["data"]] == sorted((row["hits"] for row in found["data"]), reverse=True)
    assert found["total"] == {"rows": len(wanted), **usage.v1_numbers(hits)}
    assert found["next"] is None
    assert found["counted_to"] == usage.text(max(one.at_us for one in usage.hits))
    assert found["asked"]["zone"] == str(usage.zone)


def test_a_bound_token_counts_its_own(usage):
    for resource in RESOURCES:
        found = usage.body(f"/v1/{resource}?{Q}", BOUND)
        mine = usage.within(consumers=resource in OF_CONSUMERS, org_id="org-1")
        assert found["total"]["hits"] == len(mine)
        mine = [one for one in usage.hits if one.org_id == "org-1"]
        assert found["counted_to"] == usage.text(max(one.at_us for one in mine))


@pytest.mark.parametrize("query", FILTERS)
def test_totals(usage, query):
    found = usage.body(f"/v1/totals?{Q}&{query}")
    numbers = usage.v1_numbers(usage.within(**FILTERS[query]))
    assert found["data"] == [numbers]
    assert found["total"] == {"rows": 1, **numbers}


def pieces(usage, interval):
    """The local edges of the range's pieces, each as a day or an hour that begins one."""
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    match interval:
        case "1d":
            starts = [usage.local_midnight(day) for day in days]
        case "1w":
            starts = [usage.local_midnight(day) for day in days if day == FIRST or day.weekday() == 0]
        case "1mo":
            starts = [usage.local_midnight(day) for day in days if day == FIRST or day.day == 1]
        case _:
            starts, moment = [], usage.local_midnight(FIRST)
            while moment.date() <= LAST:
                starts.append(moment)
                moment = usage.later(moment, minutes=15 if interval == "15m" else 60)
    return [*starts, usage.local_midnight(LAST + timedelta(days=1))]


@pytest.mark.parametrize("interval", ["15m", "1h", "1d", "1w", "1mo"])
@pytest.mark.parametrize("query", ["", "consumer=key:k1&api_id=api-1"])
def test_series(usage, interval, query):
    hits = usage.within(**({"kind": "key", "consumer_id": "k1", "api_id": "api-1"} if query else {}))
    found = usage.body(f"/v1/series?{Q}&interval={interval}&{query}")
    edges = [moment.timestamp() for moment in pieces(usage, interval)]
    assert [usage.stamp(row["start"]) for row in found["data"]] == edges[:-1]
    assert [usage.stamp(row["end"]) for row in found["data"]] == edges[1:]
    for row, start, end in zip(found["data"], edges, edges[1:], strict=False):
        own = [one for one in hits if start * 1_000_000 <= one.at_us < end * 1_000_000]
        assert {name: row[name] for name in row if name not in ("start", "end")} == usage.v1_numbers(own)
    assert found["total"] == {"rows": len(edges) - 1, **usage.v1_numbers(hits)}


@pytest.mark.parametrize("by", ["endpoint", "consumer", "api"])
def test_series_of_the_busiest_and_of_the_others(usage, by):
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
            groups[ids] if ids else [one for group, more in groups.items() if group not in busiest for one in more]
        )
        for row in found["data"][number::3]:
            day = [one for one in own if usage.local(one).date() == date.fromisoformat(row["start"][:10])]
            assert row["hits"] == len(day)
            assert row["codes"] == usage.v1_numbers(day)["codes"]
    assert found["total"]["hits"] == len(hits)


@pytest.mark.parametrize(
    ("compare", "first", "last"),
    [
        ("previous", FIRST - (LAST - FIRST) - timedelta(days=1), FIRST - timedelta(days=1)),
        ("2020-10-20..2020-10-22", date(2020, 10, 20), date(2020, 10, 22)),
        ("year", date(2019, 10, 15), date(2019, 11, 12)),
    ],
)
@pytest.mark.parametrize("resource", RESOURCES)
def test_rows_compared(usage, resource, compare, first, last):
    of = resource in OF_CONSUMERS
    now = wanted_rows(usage, resource, usage.within(consumers=of, api_id="api-1"))
    before = wanted_rows(usage, resource, usage.within(first, last, consumers=of, api_id="api-1"))
    found = usage.body(f"/v1/{resource}?{Q}&api_id=api-1&compare={compare}&limit=1000")
    nothing = usage.v1_numbers([])
    wanted = {}
    for ids in {**now, **before}:
        named = {name: value for name, value in before.get(ids, {}).items() if name not in nothing}
        wanted[ids] = now.get(ids) or {**named, **nothing}
        if ids in before:
            wanted[ids] = {**wanted[ids], "before": {name: before[ids][name] for name in BEFORE}}
        if ids not in now:
            wanted[ids] = {**wanted[ids], "gone": True}
    assert {ids_of(row, resource): row for row in found["data"]} == wanted
    assert found["total"]["rows"] == len(wanted)
    assert usage.stamp(found["asked"]["before"]["from"]) == usage.local_midnight(first).timestamp()
    assert usage.stamp(found["asked"]["before"]["to"]) == usage.local_midnight(last + timedelta(days=1)).timestamp()


@pytest.mark.parametrize(
    ("query", "keeps"),
    [
        ("q=ANN", lambda row: "Ann" in row["alias"]),
        ("q=m%C3%BCller", lambda row: "Müller" in row["alias"]),
        ("q=zwei", lambda row: row["api_name"] == "Zwei"),
        ("q=orders", lambda row: "orders" in row["path"]),
        ("status=5xx", lambda row: row["c5xx"] > 0),
        ("status=429", lambda row: "429" in row["codes"]),
        ("status=4xx&q=k1", lambda row: row["c4xx"] > 0 and "k1" in row["id"].lower()),
    ],
)
def test_rows_are_chosen_by_text_and_by_status(plain, query, keeps):
    wanted = {ids for ids, row in wanted_rows(plain, "pairs", plain.within(consumers=True)).items() if keeps(row)}
    found = plain.body(f"/v1/pairs?{Q}&{query}&limit=1000")
    assert {ids_of(row, "pairs") for row in found["data"]} == wanted
    assert wanted
    assert found["total"]["rows"] == len(wanted)
    # Also where no codes are asked for: they are read to choose by.
    assert plain.body(f"/v1/pairs?{Q}&{query}&limit=1000&fields=id")["total"]["rows"] == len(wanted)


@pytest.mark.parametrize("member", ["hits", "path", "latency", "p95", "last_hit", "c5xx", "error_rate", "alias"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_by_cursor_are_all_rows_in_order(plain, member, sign):
    whole = plain.body(f"/v1/pairs?{Q}&sort={sign}{member}&limit=1000")["data"]
    values = [row[member] for row in whole]
    if member == "last_hit":
        values = [plain.stamp(value) for value in values]
    assert values == sorted(values, reverse=sign == "-")
    paged, target = [], f"/v1/pairs?{Q}&sort={sign}{member}&limit=7"
    while target:
        response = plain.response(target)
        page = json.loads(response.body)
        assert page["total"]["rows"] == len(whole)
        paged += page["data"]
        following = page["next"]
        link = dict(response.headers).get("Link")
        assert link == (f'<{following}>; rel="next"' if following else None)
        target = f"/v1/pairs{following}" if following else None
    assert paged == whole


def test_a_cursor_holds_while_the_store_grows(plain):
    growing = Usage("memory://")
    first = growing.body(f"/v1/endpoints?{Q}&limit=5")
    known = [ids_of(row, "endpoints") for row in growing.body(f"/v1/endpoints?{Q}")["data"]]
    from tyk_endpoint_stats.testing import hit
    from tyk_endpoint_stats.testing.generators import FIRST_DAY

    growing.store.ingest([hit(FIRST_DAY + 10, path="/brand-new", api_key="k1")] * 500)
    second = growing.body("/v1/endpoints" + first["next"])
    assert [ids_of(row, "endpoints") for row in second["data"]] == known[5:10], "an offset would repeat a row"


@pytest.mark.parametrize("resource", [*RESOURCES, "series", "totals"])
@pytest.mark.parametrize("compare", ["", "&compare=previous"])
def test_csv_and_ndjson_are_the_same_rows(plain, resource, compare):
    rows = plain.body(f"/v1/{resource}?{Q}{compare}" + ("&limit=1000" if resource in RESOURCES else ""))["data"]
    lines = plain.response(f"/v1/{resource}?{Q}{compare}&format=ndjson")
    assert [json.loads(line) for line in lines.body.splitlines()] == rows
    response = plain.response(f"/v1/{resource}?{Q}{compare}", accept="text/html;q=0.1, text/csv")
    headers = dict(response.headers)
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="{resource}-{FIRST}-{LAST}.csv"'
    cells = list(csv.DictReader(io.StringIO(response.body.decode(), newline="")))
    assert len(cells) == len(rows)
    for cell, row in zip(cells, rows, strict=True):
        for name, value in row.items():
            if name in ("before", "gone", "codes"):
                continue
            text = "" if value is None else str(value)
            assert cell[name] == (f"'{text}" if text.startswith("=") else text)
        assert cell["codes"] == " ".join(f"{code}:{count}" for code, count in row["codes"].items())
        if compare:
            before = row.get("before", dict.fromkeys(BEFORE))
            assert [cell[f"before_{name}"] for name in BEFORE] == [
                "" if before[name] is None else str(before[name]) for name in BEFORE
            ]
    frame = pandas.read_csv(io.BytesIO(response.body))
    assert frame["hits"].sum() == sum(row["hits"] for row in rows)


def test_only_the_fields_asked_for(plain):
    found = plain.body(f"/v1/endpoints?{Q}&fields=path,hits,p95")
    assert {tuple(row) for row in found["data"]} == {("path", "hits", "p95")}
    assert list(found["total"]) == ["rows", "hits", "p95"]
    text = plain.response(f"/v1/endpoints?{Q}&fields=hits,path&format=csv").body.decode()
    assert text.startswith('"hits","path"\n')
    codes = plain.body(f"/v1/endpoints?{Q}&fields=hits,codes&sort=-p95")["data"]
    assert sum(sum(row["codes"].values()) for row in codes) == sum(row["hits"] for row in codes)


def test_meta(usage):
    found = usage.body("/v1/meta")["data"]
    first, last = (usage.text(pick(one.at_us for one in usage.hits)) for pick in (min, max))
    assert (found["first_hit"], found["counted_to"], found["pruned_before"]) == (first, last, None)
    assert (found["organisations"], found["zone"], found["grain"]) == (["org-1", "org-2"], str(usage.zone), "15m")
    assert usage.body("/v1/meta?zone=Asia/Tokyo", BOUND)["data"]["organisations"] == ["org-1"]
    assert usage.body("/v1/meta?zone=Asia/Tokyo")["data"]["counted_to"].endswith("+09:00")


def test_meta_names_months_that_grew():
    """Not to whoever may see one organisation: it is of all of them."""
    usage = Usage("memory://")
    assert usage.body("/v1/meta")["data"]["grown"] == []
    usage.store.merge(Batch(growth={18_530: Grown(1_240, 1_795_651_200_000_000)}))
    last = "2026-11-26T00:00:00Z"
    days = [{"day": "2020-09-25", "hits": 1_240, "last": last}]
    assert usage.body("/v1/meta")["data"]["grown"] == [
        {"month": "2020-09", "hits": 1_240, "last": last, "days": days}
    ]
    assert usage.body("/v1/meta", BOUND)["data"]["grown"] is None
    grew = ("2020-09 grew by", "1,240 requests that came late, the last of them on 2026-11-26")
    for token, shown in ((TOKEN, True), (BOUND, False)):
        text = unescape(usage.response("/ui/about", token).body.decode()).replace("\u202f", ",")
        assert [one in text for one in grew] == [shown] * 2


def test_a_question_that_needs_quarter_hours_that_are_gone_says_so():
    usage = Usage("memory://")
    usage.store.prune(10**17)
    problem = usage.response(f"/v1/endpoints?{Q}&zone=Asia/Kolkata")
    assert problem.status == 400
    assert "pruned" in json.loads(problem.body)["detail"]
    assert usage.body(f"/v1/endpoints?{Q}")["total"]["hits"] == len(usage.within())
    assert usage.body("/v1/meta")["data"]["pruned_before"] is not None
