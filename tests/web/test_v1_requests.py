"""How ``/v1`` reads what is asked for: what is refused, and by which name; and Grafana's requests."""

import json
from urllib.parse import quote

import pytest

from tests.web.plain_usage import NOW, Usage

Q = "from=2020-10-15&to=2020-11-12"


@pytest.fixture(scope="module")
def usage():
    return Usage("memory://", "Asia/Kolkata")


def problem(response):
    headers = dict(response.headers)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    found = json.loads(response.body)
    assert (found["type"], found["status"]) == ("about:blank", response.status)
    return found


@pytest.mark.parametrize(
    ("target", "parameter", "says"),
    [
        ("/v1/endpoints?frm=2020-10-01", "frm", "did you mean from?"),
        ("/v1/endpoints?comsumer=key:x", "comsumer", "did you mean consumer?"),
        ("/v1/endpoints?xyz=1", "xyz", "xyz is no parameter of /v1/endpoints; there are from, to, zone"),
        ("/v1/endpoints?tags=a", "tags", "no parameter"),
        ("/v1/endpoints?limit=1&limit=2", "limit", "limit is given twice"),
        ("/v1/endpoints?limit=0", "limit", "limit must be a whole number from 1 to 1,000"),
        ("/v1/endpoints?limit=1001", "limit", "limit must be a whole number from 1 to 1,000"),
        ("/v1/endpoints?limit=%D9%A1", "limit", "limit must be a whole number"),
        ("/v1/endpoints?limit=", "limit", "limit must be a whole number"),
        (
            "/v1/endpoints?from=yesterday",
            "from",
            "from must be a day such as 2026-10-31, or an instant with an offset",
        ),
        ("/v1/endpoints?from=2020-13-01", "from", "from: '2020-13-01' is no time"),
        ("/v1/endpoints?from=2020-10-01T00:00:00", "from", "from is an instant without an offset"),
        ("/v1/endpoints?from=2020-10-01&to=2020-10-02T00:00:00Z", "to", "from and to must both be days or both be"),
        ("/v1/endpoints?to=all", "to", "to must be a day"),
        ("/v1/endpoints?zone=Mars/X", "zone", "zone: time zone 'Mars/X' is not known"),
        ("/v1/endpoints?zone=../../etc/passwd", "zone", "is not known"),
        ("/v1/meta?zone=Mars/X", "zone", "is not known"),
        ("/v1/meta?from=2020-10-01", "from", "there are zone"),
        ("/v1/endpoints?consumer=k1", "consumer", "consumer must be key:ID or oauth:ID"),
        ("/v1/endpoints?consumer=token:x", "consumer", "consumer must be key:ID or oauth:ID"),
        ("/v1/endpoints?kind=Key", "kind", "kind must be key or oauth"),
        ("/v1/endpoints?status=bad", "status", "status must be a code such as 429 or a class such as 5xx"),
        ("/v1/endpoints?status=5XX", "status", "status must be a code"),
        ("/v1/endpoints?sort=hit", "sort", "did you mean hits?"),
        ("/v1/endpoints?sort=codes", "sort", "can't be sorted by 'codes'"),
        ("/v1/endpoints?sort=id", "sort", "can't be sorted by 'id'"),
        ("/v1/endpoints?fields=hits,p951", "fields", "rows have no 'p951'; did you mean p95?"),
        ("/v1/endpoints?fields=", "fields", "rows have no ''"),
        ("/v1/endpoints?format=xml", "format", "format must be json, ndjson or csv"),
        ("/v1/endpoints?format=", "format", "format must be json, ndjson or csv, not ''"),
        ("/v1/endpoints?compare=before", "compare", "compare with previous, year or FIRST..LAST"),
        ("/v1/endpoints?from=all&compare=previous", "compare", "there is none to compare with"),
        ("/v1/endpoints?cursor=x", "cursor", "cursor can't be read"),
        ("/v1/endpoints?cursor=bnVsbA", "cursor", "cursor can't be read"),
        ("/v1/endpoints?cursor=WyItcDk1IiwxLDIsIiIsIiJd", "cursor", "cursor is of an answer in another order"),
        ("/v1/endpoints?cursor=WyItaGl0cyIsIngiLDFd", "cursor", "cursor"),
        ("/v1/endpoints?cursor=WyItaGl0cyJd", "cursor", "cursor"),
        ("/v1/series?interval=5m", "interval", "interval must be 15m, 1h, 1d, 1w or 1mo, not '5m'"),
        ("/v1/series?by=path", "by", "by must be endpoint, consumer or api"),
        ("/v1/series?by=api&top=51", "top", "top must be a whole number from 1 to 50"),
        ("/v1/series?by=api&compare=previous", "compare", "compare and by can't be asked for at once"),
        ("/v1/series?q=x", "q", "q is no parameter of /v1/series"),
        ("/v1/series?limit=5", "limit", "limit is no parameter of /v1/series"),
        ("/v1/totals?status=5xx", "status", "status is no parameter of /v1/totals"),
        ("/v1/totals?path=%ff", "path", "path is not UTF-8 once decoded"),
    ],
)
def test_what_can_not_be_asked_for_is_named(usage, target, parameter, says):
    found = problem(usage.response(target))
    assert (found["title"], found["status"], found["parameter"]) == ("Bad Request", 400, parameter)
    assert says in found["detail"]


def test_other_errors_have_the_same_form(usage):
    assert problem(usage.response("/v1/nothing"))["detail"] == "Not found"
    assert problem(usage.response("/v1/endpoints/"))["status"] == 404
    assert problem(usage.response("/v1/endpoints", token="wrong"))["title"] == "Unauthorized"
    assert problem(usage.response("/v1/nothing", token="wrong"))["status"] == 401
    usage_without = Usage("memory://")
    usage_without.store.close()
    assert problem(usage_without.response("/v1/totals"))["detail"] == "Failed to fetch analytics."


def test_without_dates_it_is_the_last_30_days(usage):
    asked = usage.body("/v1/totals")["asked"]
    assert (asked["from"], asked["to"]) == ("2020-10-22T00:00:00+05:30", "2020-11-21T00:00:00+05:30")
    assert NOW.date().isoformat() == "2020-11-20"
    asked = usage.body("/v1/totals?to=2020-10-31")["asked"]
    assert (asked["from"], asked["to"]) == ("2020-10-02T00:00:00+05:30", "2020-11-01T00:00:00+05:30")


def test_all_is_since_ever(usage):
    assert usage.body("/v1/totals?from=all")["total"]["hits"] == len(usage.hits)
    assert usage.body("/v1/series?from=all")["total"]["hits"] == len(usage.hits)
    first = usage.body("/v1/series?from=all")["data"][0]
    assert first["hits"] > 0, "it begins with the first day that has hits"


@pytest.mark.parametrize(
    ("first", "last", "asked"),
    [
        ("2020-11-01T10:07:59.123Z", "2020-11-01T12:00:00.001Z", ("10:00:00", "12:15:00")),
        ("2020-11-01T10:15:00Z", "2020-11-01T12:00:00Z", ("10:15:00", "12:00:00")),
        ("2020-11-01T15:37:00+05:30", "2020-11-01T17:29:00+05:30", ("10:00:00", "12:00:00")),
    ],
)
@pytest.mark.parametrize("encode", [quote, str])
def test_instants_are_taken_outward_to_quarter_hours(usage, first, last, asked, encode):
    """Also with the ``+`` of an offset as it is, which in a query is a space."""
    found = usage.body(f"/v1/totals?from={encode(first)}&to={encode(last)}&zone=UTC")
    assert (found["asked"]["from"], found["asked"]["to"]) == tuple(f"2020-11-01T{one}Z" for one in asked)
    start, end = (usage.stamp(found["asked"][name]) for name in ("from", "to"))
    assert found["total"]["hits"] == sum(start <= one.at_us / 1e6 < end for one in usage.hits)


@pytest.mark.parametrize("interval", ["15m", "1h", "1d"])
@pytest.mark.parametrize("consumer", ["&consumer=key:k1", "", "&consumer=key:${consumer}"])
def test_grafana_s_infinity_reads_a_series(usage, interval, consumer):
    """Infinity's URL with Grafana's range put in: milliseconds in UTC. Root `data`, time `start`, flat columns."""
    url = "/v1/series?from=${__from:date:iso}&to=${__to:date:iso}&interval=" + interval + consumer
    url = url.replace("${__from:date:iso}", "2020-11-01T06:13:22.481Z").replace(
        "${__to:date:iso}", "2020-11-03T06:13:22.481Z"
    )
    rows = usage.body(url.replace("${consumer}", "k1") + "&zone=UTC")["data"]
    assert rows[0]["start"] == "2020-11-01T06:00:00Z"
    assert rows[-1]["end"] == "2020-11-03T06:15:00Z"
    assert [row["start"] for row in rows[1:]] == [row["end"] for row in rows[:-1]]
    wanted = usage.hits
    if consumer:
        wanted = [one for one in usage.of_consumers if (one.kind, one.consumer_id) == ("key", "k1")]
    start, end = usage.stamp(rows[0]["start"]), usage.stamp(rows[-1]["end"])
    assert sum(row["hits"] for row in rows) == sum(start <= one.at_us / 1e6 < end for one in wanted)
    assert all(not isinstance(row[name], dict | list) for row in rows for name in row if name != "codes")


def test_an_empty_range_has_no_rows_and_its_totals_are_zero(usage):
    for resource in ("endpoints", "consumers", "apis", "pairs", "series"):
        found = usage.body(f"/v1/{resource}?from=2020-11-02&to=2020-11-01")
        assert (found["data"], found["total"]["hits"], found["next"]) == ([], 0, None)
    assert usage.body("/v1/totals?from=2020-11-02&to=2020-11-01")["data"][0]["latency"] is None


def test_what_is_sent_has_a_bound_and_a_page_has_not(usage):
    small = Usage("memory://", max_rows=3)
    assert small.body(f"/v1/pairs?{Q}")["total"]["rows"] > 3
    for query in ("format=csv", "format=ndjson", "format=csv&q=k"):
        found = problem(small.response(f"/v1/pairs?{Q}&{query}"))
        assert "more than 3 rows" in found["detail"]
    assert small.response(f"/v1/pairs?{Q}&format=csv&limit=3").body.count(b"\n") == 4
    assert "more than 3 rows" in problem(small.response(f"/v1/series?{Q}"))["detail"]
    assert (
        "more than 3 rows"
        in problem(small.response("/v1/series?from=0001-01-01&to=9999-12-31&interval=15m"))["detail"]
    )
    assert len(small.body("/v1/apis?from=all&format=json")["data"]) == 3


def test_no_filter_is_lost_from_a_page_to_the_next(usage):
    first = usage.body(f"/v1/pairs?{Q}&q=k&kind=key&path=/a+b/%C3%BC&limit=2&compare=previous&zone=UTC")
    second = usage.body("/v1/pairs" + first["next"])
    assert second["asked"] == first["asked"]
    assert second["total"] == first["total"]
    assert {row["path"] for row in second["data"]} == {"/a b/ü"}
