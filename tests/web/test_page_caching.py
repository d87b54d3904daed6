"""Pages that a browser has already: 304 before the store is asked, to nobody who may not see them."""

import gzip
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from tests.web.page_worlds import NOW, PARTNER, consumer, get, header
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.testing import hit
from tyk_endpoint_stats.web import pages as pages_module
from tyk_endpoint_stats.web.messages import Response
from tyk_endpoint_stats.web.sessions import COOKIE, session_cookie
from tyk_endpoint_stats.web.settings import Settings

PAGES = ("/ui/", "/ui/consumers", "/ui/endpoints", "/ui/about", "/ui/find?q=zz", consumer(PARTNER))
FILES = ("/ui/overview.html", "/ui/consumers.csv", "/ui/endpoints.json")


class Counted(MemoryStore):
    reads = 0

    def read(self, selection: Any) -> Any:
        self.reads += 1
        return super().read(selection)


@pytest.fixture
def store(make_record: Any) -> Counted:
    made = Counted()
    made.ingest([hit()])
    return made


@pytest.fixture
def pages(settings: Settings) -> Settings:
    return structs.replace(settings, now=lambda: NOW)


@pytest.fixture
def cookies(pages: Settings) -> list[str]:
    """Of somebody who sees all, and of somebody who sees one organisation."""
    made = [session_cookie(key, NOW.timestamp(), secure=False) for key, _ in pages.tokens.entries]
    return [cookie.partition(";")[0] for cookie in made]


def ask(store: Any, pages: Settings, target: str, cookie: str, tag: str | None = None, **more: str) -> Response:
    given = {"cookie": cookie, **{name.replace("_", "-"): value for name, value in more.items()}}
    return get(store, pages, target, given if tag is None else {**given, "if-none-match": tag})


@pytest.mark.parametrize("target", [*PAGES, *FILES])
def test_what_a_browser_has_is_not_made_again(
    store: Counted, pages: Settings, cookies: list[str], target: str
) -> None:
    first = ask(store, pages, target, cookies[0])
    tag = header(first, "etag")
    assert (first.status, header(first, "cache-control")) == (200, "private, no-cache")
    assert "Cookie" in (header(first, "vary") or "")
    store.reads = 0
    same = ask(store, pages, target, cookies[0], tag)
    assert (same.status, same.body, header(same, "etag"), store.reads) == (304, b"", tag, 0)
    store.ingest([hit()])
    assert ask(store, pages, target, cookies[0], tag).status == 200


def leaks(store: Any, pages: Settings, cookies: list[str]) -> bool:
    """Whether a tag of one reader tells another that he has the page already."""
    tag = header(ask(store, pages, "/ui/", cookies[0]), "etag")
    return ask(store, pages, "/ui/", cookies[1], tag).status == 304


def test_a_tag_is_nothing_to_another_organisation_or_to_whoever_is_not_signed_in(
    store: Counted, pages: Settings, cookies: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not leaks(store, pages, cookies)
    tag = header(ask(store, pages, "/ui/", cookies[0]), "etag")
    for cookie in ("", f"{COOKIE}=1.0.0.0", cookies[0][:-1]):
        for known in (tag, "*"):
            refused = ask(store, pages, "/ui/", cookie, known)
            assert (refused.status, header(refused, "etag")) == (303, None)
    # The broken twin: a tag that does not know who may see what.
    honest = pages_module.page_tag
    monkeypatch.setattr(
        pages_module, "page_tag", lambda request, asked: honest(request, structs.replace(asked, org_id=None))
    )
    assert leaks(store, pages, cookies)


def test_a_page_is_the_same_as_long_as_its_tag_is(pages: Settings, cookies: list[str]) -> None:
    """In every minute of some hours: tags that are equal are of equal pages."""
    store = MemoryStore()
    store.ingest([hit(int(NOW.timestamp()) // 86_400, 12 * 3600)])
    for target in ("/ui/?period=24h", "/ui/about"):
        found: dict[str | None, set[bytes]] = {}
        for minutes in range(-1, 45, 4):
            moment = NOW.replace(second=31) + timedelta(minutes=minutes)
            response = ask(store, at(pages, moment), target, cookies[0])
            found.setdefault(header(response, "etag"), set()).add(response.body)
        assert [len(bodies) for bodies in found.values()] == [1] * len(found)
        assert len(found) == 4


def at(pages: Settings, moment: datetime) -> Settings:
    return structs.replace(pages, now=lambda: moment)


def test_forms_problems_and_redirects_are_never_kept(store: Counted, pages: Settings, cookies: list[str]) -> None:
    for target in ("/ui/login", "/ui/nothing", "/ui/find?q=org-1"):
        response = ask(store, pages, target, cookies[0], "*" if target == "/ui/login" else None)
        assert header(response, "etag") is None or response.status == 200
        if response.status != 200 or target == "/ui/login":
            assert "no-store" in (header(response, "cache-control") or "")


def test_who_signs_out_leaves_no_page_behind(store: Counted, pages: Settings, cookies: list[str]) -> None:
    response = get(store, pages, "/ui/logout", {"cookie": cookies[0], "content-length": "0"}, "POST")
    assert header(response, "clear-site-data") == '"cache"'


def test_a_packed_page_has_a_tag_of_its_own(store: Counted, pages: Settings, cookies: list[str]) -> None:
    plain, packed = (
        ask(store, pages, "/ui/", cookies[0], accept_encoding=coding) for coding in ("identity", "gzip")
    )
    assert header(plain, "etag") != header(packed, "etag")
    assert gzip.decompress(packed.body) == plain.body
