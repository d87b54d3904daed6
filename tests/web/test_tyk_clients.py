"""The requests that public clients of Tyk's Dashboard send, by their exact targets, and what is refused of them."""

import json

import pytest

from tests.web.conftest import TOKEN
from tests.web.envelopes import message, rows

D = "24/8/2015/25/8/2015"
ZERO = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def usage(make_store, make_record):
    """Three hits of key ``k1`` and one of ``k2`` on 25 August 2015, in UTC."""
    at = "2015-08-25T{:02d}:30:00Z"
    return make_store(
        [
            make_record(api_key="k1", timestamp=at.format(1), alias="Ann", ms=4),
            make_record(api_key="k1", timestamp=at.format(2), response_code=500, ms=8),
            make_record(api_key="k1", timestamp=at.format(2), api_id="api-2", api_name="Two", ms=6),
            make_record(api_key="k2", timestamp=at.format(23), ms=2),
        ]
    )


@pytest.fixture
def get(usage, ask):
    from datetime import UTC

    return lambda target, **more: ask(usage, target, zone=UTC, **more)


def test_a_key_by_day_with_a_day_that_has_no_hits(get):
    """TykTechnologies/tyk#94: every day of the range in order; a code that is always 200; Go's zero time."""
    body = get(f"/api/activity/keys/k1/{D}?p=-1&res=day").body
    assert body.startswith(
        b'{"data":[{"id":{"day":24,"month":8,"year":2015,"hour":0,"code":200,"path":"","key":"","alias":"","url":"",'
        b'"iso_country":"","api_id":"","api_name":""},"hits":0,"success":0,"error":0,'
        b'"last_hit":"0001-01-01T00:00:00Z","request_time":0,"latency":0,'
    )
    answer = json.loads(body)
    assert answer["pages"] == 0
    assert [(one["id"]["day"], one["hits"], one["success"], one["error"]) for one in answer["data"]] == [
        (24, 0, 0, 0),
        (25, 3, 2, 1),
    ]


@pytest.mark.parametrize(
    ("target", "hits"),
    [
        (f"/api/activity/keys/endpoint/k1/{D}", [2, 1]),
        (f"/api/activity/keys/k1/{D}", [2, 1]),
        (f"//api/activity/keys/k1/{D}", [2, 1]),
        (f"/api/activity/keys/k1/{D}?res=day&p=-1&api_id=api-2", [0, 1]),
        (f"/api/activity/keys/k1/{D}?res=month&p=-1", [3]),
        (f"/api/activity/keys/endpoint/k1/{D}?res=day&sort=1&by=Hits", [2, 1]),
        (f"/api/activity/keys/endpoint/k1/{D}?res=anything&sort=up&by=Path", [2, 1]),
        (f"/api/activity/keys/k1/{D}?&p=-1&res=day", [0, 3]),
        ("/api/activity/keys/k1/24/08/2015/25/08/2015", [2, 1]),
        (f"/api/activity/keys/{D}?p=-1", [3, 1]),
        ("/api/activity/keys/aggregate/k1,k2/26/07/2015/25/08/2015?p=-1&res=day", [0] * 30 + [4]),
        ("/api/usage/apis/26/07/2015/26/08/2015?by=Hits&sort=1&p=0", [3, 1]),
        (f"/api/activity/keys/aggregate/k1,k2,/{D}?p=-1&res=day", [0, 4]),
        (f"/api/activity/keys/aggregate/k1,k2,/{D}?p=-1&res=day&api_id=api-2", [0, 1]),
        (f"/api/activity/keys/aggregate/k1,k2,/{D}?p=-1&res=day&api_id=api-2&api_version=", [0, 1]),
        (f"/api/usage/{D}?res=day&p=-1", [0, 4]),
        (f"/api/usage/{D}?res=day&p=-1&tags=", [0, 4]),
        (f"/api/usage/{D}", [4]),
        (f"/api/usage/apis/{D}?by=Hits&sort=1&p=-1", [3, 1]),
        (f"/api/usage/apis/{D}?by=Hits&sort=1&p=0", [3, 1]),
        (f"/api/usage/apis/{D}?by=Hits&sort=-1&p=-1", [1, 3]),
        (f"/api/usage/apis/api-2/{D}?by=Hits&sort=1&p=1", [1]),
    ],
)
def test_what_clients_send_is_answered(get, target, hits):
    assert [one["hits"] for one in rows(get(target))] == hits


CLIENTS = {
    "Tyk's Go SDK": {
        "Authorization": "Bearer {}",
        "Accept": "application/json",
        "User-Agent": "OpenAPI-Generator/1.0.0/go",
        "Accept-Encoding": "gzip",
    },
    "scripts of Python": {
        "Authorization": "{}",
        "User-Agent": "python-requests/2.31.0",
        "Accept-Encoding": "gzip, deflate",
        "Accept": "*/*",
        "Connection": "keep-alive",
    },
    "portals of Ruby": {
        "Authorization": "{}",
        "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        "Accept": "*/*",
        "User-Agent": "Ruby",
        "Content-Type": "application/json",
    },
    "curl": {"Authorization": "{}", "User-Agent": "curl/7.88.1", "Accept": "*/*"},
}


def test_their_headers_are_taken_over_a_socket(usage, settings, serve, exchange):
    """Whatever they accept, rows are plain JSON with a length: one of them looks for a key that has a slash."""
    server = serve(usage, settings)
    for client, headers in CLIENTS.items():
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).format(TOKEN)
        for key, hits in (("k1", [2, 1]), ("a%2Fb%20c", [])):
            request = f"GET /api/activity/keys/{key}/{D} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"
            answer_head, _, body = exchange(server, request.encode()).partition(b"\r\n\r\n")
            assert answer_head.startswith(b"HTTP/1.1 200"), client
            assert b"Content-Type: application/json" in answer_head
            assert [one["hits"] for one in json.loads(body)["data"]] == hits, client


def test_an_hour_is_named_by_its_number(get):
    found = rows(get(f"/api/activity/keys/k1/{D}?res=hour"))
    assert [one["id"]["hour"] for one in found] == [*range(24)] * 2
    assert {(one["id"]["day"], one["id"]["hour"]): one["hits"] for one in found if one["hits"]} == {
        (25, 1): 1,
        (25, 2): 2,
    }
    assert found[0]["last_hit"] == ZERO


def test_a_month_is_named_by_its_first_day(get):
    (one,) = rows(get(f"/api/usage/{D}?res=month"))
    assert [one["id"][name] for name in ("year", "month", "day", "hour", "code")] == [2015, 8, 1, 0, 200]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("tags=a,b", "tags are not kept"),
        ("res=day&p=-1&tags=gold", "tags are not kept"),
        ("api_version=v2", "api_version is not kept"),
        ("org_id=x", "org_id is no parameter of this route"),
        ("apiid=x", "apiid is no parameter of this route; did you mean api_id?"),
        ("p=1&p=1", "p is given twice"),
        ("p=one", "p must be a whole number"),
        ("keyHash=x", "keyHash is no parameter of this route"),
        ("%zz=x", "the name of a parameter has a percent sign without two hexadecimal digits behind it"),
    ],
)
@pytest.mark.parametrize(
    "route",
    [
        *("activity/keys/endpoint/k1", "activity/oauthid/endpoint/c", "activity/keys/k1", "activity/keys"),
        *("activity/keys/aggregate/k1,", "usage", "usage/apis"),
    ],
)
def test_a_filter_that_is_not_kept_is_refused_by_its_name(get, route, query, says):
    assert message(get(f"/api/{route}/{D}?{query}"), 400) == says


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (f"/api/activity/keys/k1/{D}?res=week", "res must be day, hour or month"),
        (f"/api/usage/{D}?res=Day", "res must be day, hour or month"),
        (f"/api/usage/apis/{D}?by=Path", "by must be Hits, Success, Error or Latency"),
        (f"/api/usage/apis/{D}?sort=2", "sort must be 1 (the largest first) or -1"),
        (f"/api/usage/apis/api-2/{D}?api_id=api-1", "api_id is no parameter of this route"),
    ],
)
def test_what_a_route_honours_has_to_be_readable(get, target, says):
    assert message(get(target), 400).startswith(says)


@pytest.mark.parametrize(
    "target",
    [
        f"/api/activity/keys/endpoint/{D}",
        f"/api/activity/keys/aggregate/{D}",
        f"/api/activity/oauthid/{D}",
        f"/api/usage/mcp/{D}",
        f"/api/activity/mcp/primitives/{D}",
        "/api/logs?start=1&end=2&p=-1",
        "/api/uptime",
        "/api/usage/apis//" + D,
    ],
)
def test_what_we_do_not_keep_is_not_found(get, target):
    assert message(get(target), 404) == "Not found"


def test_all_days_there_are_by_the_hour_are_given_a_page_at_a_time(get):
    ever = "1/1/0001/31/12/9999"
    assert "more than 10,000 rows" in message(get(f"/api/usage/{ever}?res=hour"), 400)
    page = json.loads(get(f"/api/usage/{ever}?res=hour&p=3").body)
    assert (len(page["data"]), page["pages"]) == (10, -(-3_652_059 * 24 // 10))
