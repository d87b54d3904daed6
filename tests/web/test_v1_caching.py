"""Tags, answers that are still so, compressed bodies: by the pure function, by the cache, and over a socket."""

import gzip
import http.client
import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from tests.web.plain_usage import BOUND, NOW, TOKEN, Usage, some_records
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.response_cache import ResponseCache
from tyk_endpoint_stats.web.routes import respond

KOLKATA = ZoneInfo("Asia/Kolkata")
TARGET = "/v1/pairs?from=2020-10-15&to=2020-11-12"


@pytest.fixture(params=["memory://", "sqlite:///{}/s.db"])
def usage(request, tmp_path):
    one = Usage(request.param.format(tmp_path), records=some_records(count=100))
    with one.store:
        yield one


def tag_of(response):
    return dict(response.headers)["ETag"]


def test_what_a_client_has_is_not_sent_again_and_nothing_is_asked(usage, monkeypatch):
    first = usage.response(TARGET)
    headers = dict(first.headers)
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Vary"] == "Authorization, Cookie, Accept, Accept-Encoding"
    monkeypatch.setattr(type(usage.store), "read", None)
    for known in (headers["ETag"], f'"other", {headers["ETag"]}', f"W/{headers['ETag']}", "*"):
        same = usage.response(TARGET, if_none_match=known)
        assert (same.status, same.body, tag_of(same)) == (304, b"", headers["ETag"])
        assert "Content-Length" not in dict(same.headers)
    assert usage.response("/v1/meta", if_none_match="*").status == 304


def test_another_question_organisation_form_or_state_has_another_tag(usage):
    tags = {tag_of(usage.response(TARGET))}
    for target in (f"{TARGET}&limit=1", f"{TARGET}&format=csv", "/v1/totals", "/v1/series", "/v1/meta"):
        tags.add(tag_of(usage.response(target)))
    tags.add(tag_of(usage.response(TARGET, BOUND)))
    tags.add(tag_of(usage.response(TARGET, accept="text/csv")))
    tags.add(tag_of(usage.response(TARGET, accept_encoding="gzip")))
    usage.store.ingest([hit()])
    changed = usage.response(TARGET, if_none_match=", ".join(tags))
    assert changed.status == 200
    assert len({*tags, tag_of(changed)}) == 10


def test_a_tag_moves_with_the_days_that_it_stands_for(usage):
    today = tag_of(usage.response("/v1/totals"))
    usage.settings = structs.replace(usage.settings, now=lambda: NOW + timedelta(hours=11, minutes=59))
    assert tag_of(usage.response("/v1/totals")) == today
    usage.settings = structs.replace(usage.settings, now=lambda: NOW + timedelta(hours=12))
    assert usage.response("/v1/totals", if_none_match=today).status == 200


def test_another_store_has_other_tags_and_another_server_of_this_one_has_not(usage):
    assert tag_of(usage.response(TARGET)) != tag_of(Usage("memory://").response(TARGET))
    first = tag_of(usage.response(TARGET))
    usage.settings = structs.replace(usage.settings, page_size=50)
    assert tag_of(usage.response(TARGET)) == first
    usage.settings = structs.replace(usage.settings, zone=KOLKATA)
    assert tag_of(usage.response(TARGET)) != first


def test_a_store_that_has_no_version_has_no_tag(usage):
    class Bare(ReadableStore):
        def read(self, selection):
            return usage.store.read(selection)

        def close(self):
            pass

    response = respond(
        Request("GET", TARGET, {"authorization": TOKEN, "if-none-match": "*"}), Bare(), usage.settings
    )
    assert response.status == 200
    assert "ETag" not in dict(response.headers)
    assert response.body == usage.response(TARGET).body


def test_what_is_large_is_compressed_for_whoever_takes_it(usage):
    plain = usage.response(TARGET)
    packed = usage.response(TARGET, accept_encoding="br, gzip;q=0.5")
    headers = dict(packed.headers)
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Content-Length"] == str(len(packed.body))
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3
    for refused in ("", "br", "gzip;q=0", "gzip;q=x", "identity"):
        assert usage.response(TARGET, accept_encoding=refused) == plain
    small = usage.response(f"{TARGET}&limit=1&fields=hits", accept_encoding="gzip")
    assert "Content-Encoding" not in dict(small.headers)


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/ndjson", "application/x-ndjson"),
        ("text/csv;q=0.2, application/json;q=0.9", "application/json"),
        ("TEXT/CSV; header=present", "text/csv; charset=utf-8"),
        ("text/csv;q=0", "application/json"),
    ],
)
def test_accept_chooses_the_form_and_format_is_stronger(usage, accept, media):
    assert dict(usage.response(TARGET, accept=accept).headers)["Content-Type"] == media
    assert dict(usage.response(f"{TARGET}&format=ndjson", accept=accept).headers)["Content-Type"].endswith("ndjson")


def test_the_cache_keeps_each_form_with_its_headers(usage):
    cache, asked = ResponseCache(usage.store, usage.settings), []

    def get(target, **headers):
        def ask(request):
            asked.append(request)
            return respond(request, usage.store, usage.settings)

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cache.respond(Request("GET", target, {"authorization": TOKEN, **named}), ask=ask)

    forms = [{}, {"accept": "text/csv"}, {"accept_encoding": "gzip"}]
    first = [get(TARGET, **form) for form in forms]
    assert [get(TARGET, **form) for form in forms] == first
    assert len(asked) == 3
    assert first == [usage.response(TARGET, **form) for form in forms]
    known = get(TARGET, if_none_match=tag_of(first[0]))
    assert (known.status, known.body) == (304, b"")
    assert get(TARGET, if_none_match='"other"') == first[0]
    assert len(asked) == 3
    usage.store.ingest([hit()])
    assert get(TARGET, if_none_match=tag_of(first[0])).status == 200


def test_the_cache_forgets_what_was_of_yesterday(usage):
    moving = structs.replace(usage.settings, now=lambda: moments[0])
    moments = [NOW]
    cache = ResponseCache(usage.store, moving)

    def hits():
        ask = lambda request: respond(request, usage.store, moving)  # noqa: E731
        return json.loads(cache.respond(Request("GET", "/v1/totals", {"authorization": TOKEN}), ask=ask).body)

    first = hits()
    moments[0] = NOW + timedelta(days=4)
    assert hits()["asked"] != first["asked"]


def test_over_a_socket(usage, serve):
    server = serve(usage.store, usage.settings)
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)
    try:
        for _ in range(2):  # as it is asked for, and as it was kept
            connection.request("GET", TARGET, headers={"authorization": TOKEN, "accept-encoding": "gzip"})
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
            assert gzip.decompress(answer.read()) == usage.response(TARGET).body
            tag = answer.headers["ETag"]
        connection.request(
            "GET", TARGET, headers={"authorization": TOKEN, "accept-encoding": "gzip", "if-none-match": tag}
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (304, b"")
        connection.request("HEAD", TARGET, headers={"authorization": TOKEN})
        answer = connection.getresponse()
        assert answer.headers["Content-Length"] == str(len(usage.response(TARGET).body))
        assert answer.read() == b""
        connection.request("GET", TARGET, headers={"authorization": TOKEN, "accept": "text/csv"})
        assert connection.getresponse().read() == usage.response(TARGET, accept="text/csv").body
    finally:
        connection.close()
