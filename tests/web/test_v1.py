"""What of ``/v1`` has nothing to do with stores and zones: rows chosen, pages, forms. ``RoutesExam`` has the rest."""

import csv
import io
import json
from html import unescape

import pandas
import pytest

from tests.web.plain_usage import BOUND, FIRST, LAST, TOKEN, Usage
from tests.web.v1_exam import BEFORE, RESOURCES, ids_of, wanted_rows
from tyk_endpoint_stats.core.batch import Batch
from tyk_endpoint_stats.core.growth import Grown

Q = f"from={FIRST}&to={LAST}"


@pytest.fixture(scope="module")
def plain():
    return Usage("memory://", "Asia/Kolkata")


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
    paged, target = [], f"/v1/pairs?{Q}&sort={sign}{member}&limit=15"
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
    assert len(whole) > 3 * 15


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
