"""Every row of the wire contract's table, asked of the pure function."""

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from tests.web.envelopes import message, rows
from tyk_endpoint_stats.web.tokens import Token, Tokens

K = "/api/activity/keys/endpoint"
OAUTH = "/api/activity/oauthid/endpoint"
DAYS = "13/10/2020/14/10/2020"
MEANS = ["request_time", "latency", "upstream_latency"]
EXTREMES = ["max_upstream_latency", "min_upstream_latency", "max_latency", "min_latency"]
MEMBERS = ["id", "hits", "success", "error", "last_hit", *MEANS, *EXTREMES]


def test_every_case_of_the_vectors_is_answered_as_expected(cases, make_store, ask):
    asked = 0
    for case in cases:
        store = make_store([record for record in case["records"] if record is not None])
        wanted = {}
        for row in case["expected"]:
            wanted.setdefault((row["org_id"], row["kind"], row["consumer"]), []).append(row)
        for (org_id, kind, consumer), expected in wanted.items():
            tokens = Tokens([Token("of-that-organisation", org_id)])
            escaped = "".join(f"%{byte:02X}" for byte in consumer.encode())
            prefix = K if kind == "key" else OAUTH
            answer = rows(
                ask(
                    store,
                    f"{prefix}/{escaped}/1/1/0001/31/12/9999",
                    zone=UTC,
                    tokens=tokens,
                    authorization="of-that-organisation",
                )
            )
            assert [list(row) for row in answer] == [MEMBERS] * len(expected), case["name"]
            for got, row in zip(answer, expected, strict=True):
                flat = {"api_id": got["id"]["api_id"], "path": got["id"]["path"], **got}
                assert flat == {**{name: row[name] for name in flat if name != "id"}, "id": got["id"]}, case["name"]
                asked += 1
    assert asked > 30


def test_questions_of_the_vectors_have_their_zone_and_days(cases, make_store, ask):
    asked = 0
    for case in cases:
        for question in case.get("questions", ()):
            store = make_store(case["records"])
            days = "/".join("/".join(reversed(question[end].split("-"))) for end in ("from", "to"))
            consumer = case["expected"][0]["consumer"]
            answer = rows(ask(store, f"{K}/{consumer}/{days}", zone=ZoneInfo(question["timezone"])))
            assert [(row["hits"], row["last_hit"]) for row in answer] == [
                (row["hits"], row["last_hit"]) for row in question["rows"]
            ]
            asked += 1
    assert asked == 6


def test_whole_means_have_no_fraction_and_others_the_shortest_digits(make_store, make_record, ask):
    store = make_store([make_record(ms=497), make_record(ms=498), make_record(ms=498)])
    body = ask(store, f"{K}/k/{DAYS}").body.decode()
    assert '"latency":497.6666666666667,' in body
    assert '"max_latency":498,' in body
    two = make_store([make_record(ms=497), make_record(ms=499)])
    assert '"latency":498,' in ask(two, f"{K}/k/{DAYS}").body.decode()


@pytest.mark.parametrize(
    ("timestamp", "zone", "expected"),
    [
        ("2020-10-13T09:18:51.582Z", "Asia/Kolkata", "2020-10-13T14:48:51.582+05:30"),
        ("2020-10-13T09:18:51.500Z", "UTC", "2020-10-13T09:18:51.5Z"),
        ("2020-10-13T09:18:51Z", "Africa/Abidjan", "2020-10-13T09:18:51Z"),
        ("2020-10-13T09:18:51.123456789Z", "America/St_Johns", "2020-10-13T06:48:51.123456-02:30"),
    ],
)
def test_last_hit_is_written_as_go_writes_it(make_store, make_record, ask, timestamp, zone, expected):
    store = make_store([make_record(timestamp=timestamp)])
    assert rows(ask(store, f"{K}/k/{DAYS}", zone=ZoneInfo(zone)))[0]["last_hit"] == expected


def test_rows_are_ordered_by_hits_then_last_hit_then_api_then_path(make_store, make_record, ask):
    late = "2020-10-13T13:00:00Z"
    store = make_store(
        [
            make_record(path="/b"),
            make_record(path="/a"),
            make_record(path="/a", api_id="api-0"),
            make_record(path="/late", timestamp=late),
            make_record(path="/twice"),
            make_record(path="/twice"),
            make_record(path="/\U0001f600"),
            make_record(path="/\uffff"),
        ]
    )
    order = [(row["id"]["api_id"], row["id"]["path"]) for row in rows(ask(store, f"{K}/k/{DAYS}"))]
    assert order == [
        ("api-1", "/twice"),
        ("api-1", "/late"),
        ("api-0", "/a"),
        ("api-1", "/a"),
        ("api-1", "/b"),
        ("api-1", "/\uffff"),  # by code point: UTF-16 would have it last
        ("api-1", "/\U0001f600"),
    ]


def test_nothing_found_is_an_empty_list_on_one_page(store, ask):
    for target in (f"{K}/nobody/{DAYS}", f"{K}/7f3c3ca87376cabe/14/10/2020/13/10/2020", f"{OAUTH}/%00f/{DAYS}"):
        answer = ask(store, target.replace("%00", "x"))
        assert (answer.status, answer.body) == (200, b'{"data":[],"pages":1}')


@pytest.mark.parametrize("days", ["13/10/2020/13/10/2020", "13/10/2020/14/10/2020", "013/10/2020/13/10/2020"])
def test_both_days_are_inclusive(make_store, make_record, ask, days):
    store = make_store([make_record(timestamp=f"2020-10-{day}Z") for day in ("13T00:00:00", "13T23:59:59.999999")])
    answer = ask(store, f"{K}/k/{days}", zone=UTC)
    if days.startswith("013"):
        assert "startDay" in message(answer, 400)
    else:
        assert rows(answer)[0]["hits"] == 2


@pytest.mark.parametrize("days", ["5/5/2020/5/5/2020", "05/05/2020/05/05/2020", "05/5/2020/5/05/2020"])
def test_day_and_month_have_one_digit_or_two(make_store, make_record, ask, days):
    store = make_store([make_record(timestamp="2020-05-05T12:00:00Z")])
    assert len(rows(ask(store, f"{K}/k/{days}"))) == 1


def test_exclusive_end_date_leaves_the_last_day_out(make_store, make_record, ask):
    store = make_store([make_record(timestamp=f"2020-10-{day}T12:00:00Z") for day in (12, 13, 14)])

    def hits(days):
        answer = rows(ask(store, f"{K}/k/{days}", zone=UTC, end_date_exclusive=True))
        return answer[0]["hits"] if answer else 0

    assert hits("13/10/2020/14/10/2020") == 1
    assert hits("13/10/2020/15/10/2020") == 2
    assert hits("13/10/2020/13/10/2020") == 0
    assert hits("1/1/0001/1/1/0001") == 0


@pytest.mark.parametrize(
    ("zone", "day", "inside", "outside"),
    [
        # 23 hours: the clocks jump from 2 to 3
        ("Europe/Berlin", "29/3/2020", ["2020-03-28T23:00:00Z", "2020-03-29T21:59:59Z"], ["2020-03-29T22:00:00Z"]),
        # 25 hours
        ("Europe/Berlin", "25/10/2020", ["2020-10-24T22:00:00Z", "2020-10-25T22:59:59Z"], ["2020-10-25T23:00:00Z"]),
        # there is no midnight on this day
        (
            "America/Sao_Paulo",
            "4/11/2018",
            ["2018-11-04T03:00:00Z"],
            ["2018-11-04T02:59:59Z", "2018-11-05T02:00:00Z"],
        ),
        # there is no such day
        ("Pacific/Apia", "30/12/2011", [], ["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"]),
        ("Asia/Kathmandu", "13/10/2020", ["2020-10-12T18:15:00Z"], ["2020-10-12T18:14:59Z"]),
    ],
)
def test_days_are_those_of_the_zone(make_store, make_record, ask, zone, day, inside, outside):
    store = make_store([make_record(timestamp=at) for at in inside + outside])
    answer = rows(ask(store, f"{K}/k/{day}/{day}", zone=ZoneInfo(zone)))
    assert sum(row["hits"] for row in answer) == len(inside)


@pytest.mark.parametrize(
    ("days", "part"),
    [
        ("31/2/2020/1/3/2020", "startDay"),
        ("0/2/2020/1/3/2020", "startDay"),
        ("32/1/2020/1/3/2020", "startDay"),
        ("x/2/2020/1/3/2020", "startDay"),
        ("/2/2020/1/3/2020", "startDay"),
        ("1/13/2020/1/3/2020", "startMonth"),
        ("1/0/2020/1/3/2020", "startMonth"),
        ("1/1/0000/1/3/2020", "startYear"),
        ("1/1/10000/1/3/2020", "startYear"),
        ("1/1/20/1/3/2020", "startYear"),
        ("1/1/2020/29/2/2021", "EndDay"),
        ("1/1/2020/1/+3/2021", "EndMonth"),
        ("1/1/2020/1/3/2_21", "EndYear"),
        ("1/1/2020/%EF%BC%91/3/2021", "EndDay"),  # a full-width 1, which int() takes
        ("1/1/2020/%201/3/2021", "EndDay"),
        ("-1/1/2020/1/3/2021", "startDay"),
        ("1/1/2020/1/3/" + "2" * 2000, "EndYear"),
    ],
)
def test_a_bad_date_names_its_part(store, ask, days, part):
    assert message(ask(store, f"{K}/k/{days}"), 400).startswith(part)


def test_api_id_filters(make_store, make_record, ask):
    store = make_store([make_record(api_id=api_id) for api_id in ("a", "b", "b c/d", "")])

    def apis(query):
        return [row["id"]["api_id"] for row in rows(ask(store, f"{K}/k/{DAYS}?{query}"))]

    assert apis("api_id=b") == ["b"]
    assert apis("api_id=b+c%2fd") == apis("api_id=b%20c/d") == ["b c/d"]
    assert apis("api_id=") == apis("api_id") == [""]
    assert apis("api_id=z") == []
    assert sorted(apis("res=day&tags=&tags=&x=&&=")) == ["", "a", "b", "b c/d"]
    for query in ("api_id=a&api_id=b", "api_id=%zz", "api_id=%ff", "api_id=%00", "api_id=%0a"):
        assert message(ask(store, f"{K}/k/{DAYS}?{query}"), 400).startswith("api_id ")


@pytest.mark.parametrize(
    ("segment", "consumer"),
    [
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("my.custom.key", "my.custom.key"),
        ("a:b", "a:b"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%E2%82%AC%F0%9F%98%80", "€😀"),
        ("%2525", "%25"),  # decoded once
        ("%2e%2e", ".."),
        ("..", ".."),
        ("a?".replace("?", "%3F"), "a?"),
        ("a%23b", "a#b"),
        ("-_.~!$&'()*;=@", "-_.~!$&'()*;=@"),
    ],
)
@pytest.mark.parametrize("prefix", ["keys/endpoint", "keys", "oauthid/endpoint", "oauthid"])
def test_a_consumer_is_decoded_exactly_once(make_store, make_record, ask, segment, consumer, prefix):
    field = "api_key" if prefix.startswith("keys") else "oauth_id"
    store = make_store([make_record(**{"api_key": "", field: consumer})])
    assert len(rows(ask(store, f"/api/activity/{prefix}/{segment}/{DAYS}"))) == 1


@pytest.mark.parametrize(
    "segment", ["%zz", "%", "%4", "%ff", "%C0%80", "%00", "a%0Ab", "%1b", "%7F", "é", "a b\x00"]
)
def test_a_consumer_that_cannot_be_read_is_refused(store, ask, segment):
    message(ask(store, f"{K}/{segment}/{DAYS}"), 400)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api",
        "/API/activity/keys/endpoint/k/" + DAYS,
        f"{K}//{DAYS}",
        f"/api/activity/keys//{DAYS}",
        f"{K}/k/{DAYS}/",
        f"/api/activity/keys/endpoint/{DAYS}",
        f"/api/activity/keys/aggregate/{DAYS}",
        f"/api/activity/oauthid/endpoint/{DAYS}",
        f"{K}/k/13/10/2020",
        f"{K}/a/b/{DAYS}",
        "/api/activity/keys/endpoint/../../../../../../etc/passwd",
        "/api/../api/activity/keys/endpoint/k/" + DAYS,
        "/health/",
        "http://example.org",
    ],
)
def test_other_paths_are_not_found(store, ask, target):
    assert message(ask(store, target), 404) == "Not found"


@pytest.mark.parametrize("target", ["*", "", f"x{K}/k/{DAYS}", "?p=1"])
def test_a_target_without_a_path_is_refused(store, ask, target):
    message(ask(store, target), 400)


def test_the_absolute_form_is_the_same_request(samples, store, ask):
    path = samples[0]["path"]
    wanted = ask(store, path)
    assert ask(store, "http://example.org:3000" + path) == ask(store, "HTTPS://[::1]" + path) == wanted
    assert wanted.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "PATCH", "X"])
@pytest.mark.parametrize("target", [f"{K}/k/{DAYS}", "/nowhere", "*", "/health"])
def test_other_methods_are_told_what_is_allowed(store, ask, method, target):
    answer = ask(store, target, method=method)
    message(answer, 405)
    assert dict(answer.headers)["Allow"] == "GET, HEAD"


def test_head_has_the_headers_of_get_and_no_body(samples, store, ask):
    for target in (samples[0]["path"], "/nowhere", f"{K}/k/0/0/0/0/0/0", "/health", "/openapi.json", "/%zz"):
        for authorization in ("7a7b140f-2480-4d5a-4e78-24049e3ba7f8", "wrong"):
            get = ask(store, target, authorization=authorization)
            head = ask(store, target, authorization=authorization, method="HEAD")
            assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
            assert dict(get.headers)["Content-Length"] == str(len(get.body))


def test_every_answer_has_the_headers_that_keep_it_what_it_is(store, ask):
    for target in (f"{K}/k/{DAYS}", "/nowhere", "/health"):
        headers = dict(ask(store, target).headers)
        assert headers["Content-Type"] == "application/json; charset=utf-8"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert not {"Server", "Access-Control-Allow-Origin"} & set(headers)


def test_the_aliases_give_the_same_rows_with_the_name_of_the_api(samples, store, ask):
    for sample in samples:
        wanted = rows(ask(store, sample["path"]))
        found = rows(ask(store, sample["path"].replace("/endpoint/", "/")))
        assert [row["id"].pop("api_name") for row in found] == [
            next(one["api_name"] for one in sample["records"] if one["api_id"] == row["id"]["api_id"])
            for row in found
        ]
        assert {row["id"].pop("api_name") for row in wanted} == {""}
        assert found == wanted != []


def test_leading_slashes_are_one(samples, store, ask):
    path = samples[0]["path"]
    assert ask(store, "//" + path[1:]) == ask(store, "///" + path[1:]) == ask(store, path)


def test_a_key_that_is_called_as_a_route_is_a_key_where_it_can_be_nothing_else(make_store, make_record, ask):
    store = make_store([make_record(api_key="endpoint"), make_record(api_key="aggregate")])
    for key in ("endpoint", "aggregate"):
        assert len(rows(ask(store, f"{K}/{key}/{DAYS}"))) == 1


def test_health_and_ready_and_the_document_need_no_token(store, ask):
    for target in ("/health", "/ready", "/openapi.json", "/health?x=1"):
        assert ask(store, target, authorization=None).status == 200
        assert ask(store, target, authorization="wrong").status == 200


def test_answers_are_ascii(make_store, make_record, ask):
    store = make_store([make_record(path='/é€😀\u2028\x7f"\\</script>\x00')])
    body = ask(store, f"{K}/k/{DAYS}").body
    assert body.isascii()
    assert json.loads(body)["data"][0]["id"]["path"] == '/é€😀\u2028\x7f"\\</script>\x00'
    assert rb"/\u00e9\u20ac\ud83d\ude00\u2028" in body
