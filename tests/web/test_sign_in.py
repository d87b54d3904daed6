"""Signing in with a browser: cookies, one-time links, forms from elsewhere, organisations."""

import threading
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from msgspec import structs

from tests.web.page_worlds import NOW, get, header
from tyk_endpoint_stats.web.asgi import make_asgi_app
from tyk_endpoint_stats.web.messages import Response
from tyk_endpoint_stats.web.sessions import SESSION_S, session_access, session_cookie, wanted_next
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.sign_in import ONCE_S, SignIn
from tyk_endpoint_stats.web.tokens import Access, Token, Tokens
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

FORM = {"content-type": "application/x-www-form-urlencoded", "host": "stats.test"}
NOW_S = NOW.timestamp()


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pages(settings: Settings, clock: Clock) -> Settings:
    return structs.replace(settings, now=lambda: NOW, sign_in=SignIn(clock))


@pytest.fixture
def two_organisations(make_store: Any, make_record: Any, settings: Settings) -> Any:
    """Keys, aliases, APIs and paths of two organisations; the second one's all have ``foreign`` in them."""
    records = []
    for day in (1, 15, 25):
        at = f"2026-11-{day:02d}T12:00:00Z"
        records.append(make_record(timestamp=at, alias="mine", api_key="k-mine", path="/mine"))
        records.append(
            make_record(
                timestamp=at,
                org_id="foreign-org",
                alias="foreign-alias",
                api_key="foreign-key",
                oauth_id="foreign-client",
                path="/foreign-path",
                api_id="foreign-api",
                api_name="Foreign-API",
                response_code=500,
            )
        )
    return make_store(records)


def post(store: Any, settings: Settings, target: str, body: str, **headers: str) -> Response:
    sent = {**FORM, "content-length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return get(store, settings, target, sent, "POST", body.encode())


def signed_in(store: Any, settings: Settings, token: str, following: str = "") -> tuple[Response, str]:
    response = post(store, settings, "/ui/login", urlencode({"token": token, "next": following}))
    return response, (header(response, "set-cookie") or "").partition(";")[0]


def test_a_browser_without_a_cookie_is_sent_to_the_form_and_back(store: Any, pages: Settings, token: str) -> None:
    response = get(store, pages, "/ui/consumer?kind=key&id=a%2Fb")
    assert response.status == 303
    wanted = "/ui/consumer?kind=key&id=a%2Fb"
    assert header(response, "location") == f"login?next={quote(wanted, safe='')}"
    form = get(store, pages, f"/ui/login?next={quote(wanted, safe='')}")
    assert b'value="/ui/consumer?kind=key&amp;id=a%2Fb"' in form.body
    response, cookie = signed_in(store, pages, token, wanted)
    assert (response.status, header(response, "location")) == (303, "consumer?kind=key&id=a%2Fb")
    assert get(store, pages, "/ui/", {"cookie": f"other=1; {cookie}"}).status == 200


def test_others_still_get_a_401_and_the_cookie_opens_nothing_but_pages(
    store: Any, pages: Settings, token: str
) -> None:
    _, cookie = signed_in(store, pages, token)
    for target in ("/", "/v1/endpoints", "/api/activity/keys/endpoint/k/1/1/2020/1/1/2020", "/nothing"):
        assert get(store, pages, target).status == 401
        assert get(store, pages, target, {"cookie": cookie}).status == 401
    assert header(get(store, pages, "/", {"accept": "text/html,*/*"}), "location") == "ui/"
    assert header(get(store, pages, "/ui"), "location") == "ui/"


def test_the_cookie_has_the_rules_that_keep_it(store: Any, pages: Settings, token: str) -> None:
    response, _ = signed_in(store, pages, token)
    value = header(response, "set-cookie") or ""
    assert value.endswith("; Max-Age=43200; HttpOnly; SameSite=Lax")
    assert "path" not in value.lower(), "the browser takes the folder of the form: /ui below any prefix"
    assert token not in value
    public = structs.replace(pages, public_url="https://stats.example")
    assert (header(signed_in(store, public, token)[0], "set-cookie") or "").endswith("; Secure")
    out = post(store, pages, "/ui/logout", "")
    assert (out.status, header(out, "location")) == (303, "login")
    assert "Max-Age=0" in (header(out, "set-cookie") or "")


def test_every_changed_character_of_a_cookie_is_refused() -> None:
    tokens = Tokens(["a-token-of-some-length", Token("another-of-some-length", "org")])
    key = tokens.digest_of("another-of-some-length")
    assert key is not None
    value = session_cookie(key, NOW_S, secure=False).partition("=")[2].partition(";")[0]
    assert session_access(tokens, value, NOW_S) == Access("org")
    for at in range(len(value)):
        for other in ("0", "1", "f", "."):
            changed = value[:at] + other + value[at + 1 :]
            assert changed == value or session_access(tokens, changed, NOW_S) is None


def test_a_session_ends_after_twelve_hours_and_with_its_token() -> None:
    tokens = Tokens(["a-token-of-some-length"])
    key = tokens.digest_of("a-token-of-some-length")
    assert key is not None
    value = session_cookie(key, NOW_S, secure=False).partition("=")[2].partition(";")[0]
    assert session_access(tokens, value, NOW_S + SESSION_S - 1) == Access(None)
    assert session_access(tokens, value, NOW_S + SESSION_S) is None
    assert session_access(Tokens(["another-token-of-length"]), value, NOW_S) is None
    assert session_access(tokens, None, NOW_S) is session_access(tokens, "", NOW_S) is None


def test_a_wrong_token_comes_back_to_the_form_and_ten_block_it(
    store: Any, pages: Settings, token: str, clock: Clock
) -> None:
    for _ in range(10):
        response, cookie = signed_in(store, pages, "wrong", "/ui/about")
        assert (response.status, cookie) == (303, "")
        assert header(response, "location") == "login?failed=1&next=%2Fui%2Fabout"
    response, _ = signed_in(store, pages, token)
    assert (response.status, header(response, "retry-after")) == (429, "60")
    clock.s += 61
    assert signed_in(store, pages, token)[0].status == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "same-origin"}, 303),
        ({"sec_fetch_site": "none"}, 303),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "https://stats.test"}, 303),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({}, 303),
        ({"content_type": "text/plain"}, 400),
    ],
)
@pytest.mark.parametrize("target", ["/ui/login", "/ui/logout"])
def test_forms_from_another_site_are_refused(
    store: Any, pages: Settings, token: str, headers: dict[str, str], status: int, target: str
) -> None:
    if target == "/ui/logout" and status == 400:
        status = 303  # it has no fields
    assert post(store, pages, target, urlencode({"token": token}), **headers).status == status


def test_a_form_that_is_too_large_is_refused(store: Any, pages: Settings) -> None:
    for length in ("4097", "9" * 40, "-1", "x"):
        assert post(store, pages, "/ui/login", "x", content_length=length).status == 413


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("/ui/consumer?id=1", "consumer?id=1"),
        ("/ui/", ""),
        ("//evil.test/", ""),
        ("/ui//evil.test", ""),
        ("https://evil.test/ui/", ""),
        ("/ui/\\evil.test", ""),
        ("/ui/a\r\nSet-Cookie: x=1", ""),
        ("/ui/?u=https://x", ""),
        ("/v1/endpoints", ""),
        ("/ui/ü", ""),
        (None, ""),
    ],
)
def test_after_signing_in_one_stays_on_the_pages(value: str | None, wanted: str) -> None:
    assert wanted_next(value) == wanted


def test_a_link_signs_in_once_within_ten_minutes(store: Any, pages: Settings, clock: Clock) -> None:
    key = pages.tokens.entries[0][0]
    code, late = pages.sign_in.code_for(key), pages.sign_in.code_for(key)
    first = get(store, pages, f"/ui/login?once={code}&next=%2Fui%2Fabout")
    assert (first.status, header(first, "location")) == (303, "about")
    assert (
        get(store, pages, "/ui/", {"cookie": (header(first, "set-cookie") or "").partition(";")[0]}).status == 200
    )
    for again in (code, "0" * 40, ""):
        response = get(store, pages, f"/ui/login?once={again}")
        assert header(response, "set-cookie") is None
    assert b"used already" in get(store, pages, "/ui/login?failed=2").body
    clock.s += ONCE_S
    assert header(get(store, pages, f"/ui/login?once={late}"), "set-cookie") is None


def test_a_link_whose_token_was_taken_away_signs_nobody_in(store: Any, pages: Settings) -> None:
    code = pages.sign_in.code_for(pages.tokens.entries[0][0])
    other = structs.replace(pages, tokens=Tokens(["another-token-of-length"]))
    assert header(get(store, other, f"/ui/login?once={code}"), "set-cookie") is None


def test_without_pages_there_are_none(store: Any, pages: Settings, token: str) -> None:
    bare = structs.replace(pages, ui=False)
    for target in ("/ui/", "/ui/login", "/ui/static/x", "/"):
        assert get(store, bare, target, {"accept": "text/html"}).status == 401
        assert get(store, bare, target, {"authorization": token, "accept": "text/html"}).status == 404


def test_no_page_has_a_byte_of_another_organisation(two_organisations: Any, pages: Settings) -> None:
    _, cookie = signed_in(two_organisations, pages, "bound-0123456789abcdef")
    everything = get(two_organisations, pages, "/ui/", {"authorization": "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"})
    assert b"foreign-alias" in everything.body, "or nothing would be found"
    assert b"Foreign-API" in everything.body
    for name in (
        "",
        "consumers",
        "endpoints",
        "about",
        "consumers?gone=1",
        "find?q=zz",
        "find?q=/",
        "overview.html",
    ):
        for page in (name, name.replace("consumers", "consumers.csv"), name.replace("endpoints", "endpoints.json")):
            response = get(two_organisations, pages, f"/ui/{page}", {"cookie": cookie})
            assert response.status in (200, 303)
            assert b"foreign" not in response.body.lower(), page


@pytest.mark.parametrize(
    "target",
    [
        "consumer?kind=key&id=foreign-key",
        "consumer?kind=oauth&id=foreign-client",
        "endpoint?api_id=foreign-api&path=%2Fforeign-path",
        "endpoint?api_id=foreign-api&path=%2Fforeign-path&kind=key&id=foreign-key",
        "find?q=foreign",
    ],
)
def test_what_is_foreign_looks_as_if_it_had_never_been(
    two_organisations: Any, pages: Settings, target: str
) -> None:
    _, cookie = signed_in(two_organisations, pages, "bound-0123456789abcdef")

    def asked(name: str) -> bytes:
        return get(two_organisations, pages, f"/ui/{name}", {"cookie": cookie}).body

    unknown = asked(target.replace("foreign", "unknown"))
    assert asked(target).replace(b"foreign", b"unknown") == unknown
    assert b"500" not in unknown


def test_forms_come_through_wsgi_below_a_prefix(store: Any, pages: Settings, token: str) -> None:
    import io

    app = make_wsgi_app(store, pages)
    body = urlencode({"token": token, "next": "/ui/about"}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/stats",
        "PATH_INFO": "/ui/login",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_HOST": "stats.test",
    }
    begun: list[Any] = []
    list(app(environ, lambda status, headers: begun.extend([status, dict(headers)])))
    assert begun[0].startswith("303")
    assert begun[1]["Location"] == "about"
    got: list[Any] = []
    cookie = begun[1]["Set-Cookie"].partition(";")[0]
    asked = {**environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/ui/about", "HTTP_COOKIE": cookie}
    page = b"".join(app(asked, lambda status, headers: got.append(status)))
    assert got[0].startswith("200")
    assert b'href="static/ui.' in page


def test_forms_come_through_asgi_in_pieces(store: Any, pages: Settings, token: str) -> None:
    import asyncio

    body = urlencode({"token": token}).encode()
    pieces = [
        {"type": "http.request", "body": body[:5], "more_body": True},
        {"type": "http.request", "body": body[5:]},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return pieces.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/stats/ui/login",
        "root_path": "/stats",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded"), (b"host", b"stats.test")],
    }
    asyncio.run(make_asgi_app(store, pages)(scope, receive, send))
    assert sent[0]["status"] == 303
    assert any(name == b"set-cookie" for name, _ in sent[0]["headers"])


def test_a_form_comes_over_the_wire_and_nothing_else_with_a_body_is_read(
    store: Any, settings: Settings, token: str, serve: Any, exchange: Any
) -> None:
    server = serve(store, settings)
    body = urlencode({"token": token}).encode()

    def head(target: str, length: int) -> bytes:
        lines = (f"POST {target} HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded")
        return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()

    answer = exchange(server, head("/ui/login", len(body)) + body)
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert b"Set-Cookie: tyk_endpoint_stats=1." in answer
    assert b"Connection: close" in answer
    assert exchange(server, head("/ui/login", 4097) + b"x" * 4097).startswith(b"HTTP/1.1 413 ")
    assert exchange(server, head("/ui/login", 50) + b"tok").startswith(b"HTTP/1.1 400 ")
    assert exchange(server, head("/v1/endpoints", len(body)) + body).startswith(b"HTTP/1.1 401 ")


def test_a_form_that_comes_too_slowly_is_given_up(
    store: Any, settings: Settings, serve: Any, exchange: Any
) -> None:
    server = serve(store, settings, head_s=0.2)
    head = b"POST /ui/login HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\ntoken=a"
    assert exchange(server, head, half_close=False).startswith(b"HTTP/1.1 408 ")


def test_codes_are_redeemed_by_one_of_many_threads() -> None:
    sign_in = SignIn()
    code = sign_in.code_for(b"k" * 32)
    got: list[bytes | None] = []
    threads = [threading.Thread(target=lambda: got.append(sign_in.redeem(code))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one is not None for one in got) == [False] * 15 + [True]


def test_links_and_cookies_are_in_no_log(store: Any, pages: Settings, caplog: Any) -> None:
    from tyk_endpoint_stats.web.log_lines import safe_target

    shown = safe_target("/ui/login?once=0123456789abcdef&next=%2Fui%2Fconsumer%3Fid%3Dsecretkey")
    assert "0123456789abcdef" not in shown
    assert "secretkey" not in shown
    assert shown.startswith("/ui/login")
    assert "secretkey" not in safe_target("/ui/consumer?kind=key&id=secretkey")
