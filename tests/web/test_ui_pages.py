"""The pages without a browser: what adds up, what is escaped, what they weigh."""

import csv
import gzip
import io
import json
import re
from typing import Any
from urllib.parse import urljoin

import html5lib
import pytest
from msgspec import structs

from tests.web.page_worlds import HOSTILE, NOW, PARTNER, consumer, get, header, hostile_store, story_store
from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.questions.period import Period
from tyk_endpoint_stats.stores.memory import MemoryStore
from tyk_endpoint_stats.web.messages import Response
from tyk_endpoint_stats.web.settings import Settings


@pytest.fixture(scope="module")
def story() -> MemoryStore:
    return story_store()


@pytest.fixture(scope="module")
def hostile(make_record: Any) -> MemoryStore:
    return hostile_store(make_record)


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Settings:
    """The session's tokens, at a fixed time, in UTC."""
    from datetime import UTC

    return structs.replace(settings, now=lambda: NOW, zone=UTC)


@pytest.fixture(scope="module")
def ask_page(pages: Settings, token: str) -> Any:
    def asked(store: Any, target: str, **headers: str) -> Response:
        return get(store, pages, target, {"authorization": token, **headers})

    return asked


def document(response: Response) -> Any:
    """The page, read as strictly as a validator does."""
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(response.body.decode())
    assert not [error for error in parser.errors if error[1] not in ("unexpected-end-tag-implies-table-voodoo",)]
    return tree


def text_of(tree: Any) -> str:
    return " ".join("".join(tree.find("body").itertext()).split())


def test_every_number_of_a_consumers_page_is_of_one_read_and_adds_up(story: MemoryStore, ask_page: Any) -> None:
    target = consumer(PARTNER, period="2026-10", limit="1000")
    tree = document(ask_page(story, target))
    total = story.endpoints(Consumer.key(PARTNER), *_days("2026-10")).total
    spaced = f"{total.hits:,}".replace(",", "\u202f")
    figure = next(e for e in tree.iter("dd") if e.get("class") == "value")
    assert "".join(figure.itertext()) == spaced
    foot = [
        "".join(cell.itertext()).strip() for cell in next(tree.iter("tfoot")).iter() if cell.tag in ("td", "th")
    ]
    assert spaced in foot
    rows = json.loads(ask_page(story, target.replace("/consumer?", "/consumer.json?")).body)["data"]
    assert sum(row["hits"] for row in rows) == total.hits
    assert {row["path"]: row["hits"] for row in rows} == {
        row.path: row.hits for row in story.endpoints(Consumer.key(PARTNER), *_days("2026-10"))
    }
    # The chart's table: its days add up to the same.
    details = next(tree.iter("details"))
    by_day = [int("".join(row[1].itertext()).replace("\u202f", "")) for row in next(details.iter("tbody"))]
    assert (len(by_day), sum(by_day)) == (31, total.hits)
    codes = next(t for t in tree.iter("table") if "status code" in "".join(t[0].itertext()))
    assert sum(int("".join(row[2].itertext()).replace("\u202f", "")) for row in codes.find("tbody")) == total.hits


def _days(month: str) -> tuple[Any, Any]:
    period = Period.parse(month, NOW)
    return period.first_day, period.last_day


def test_the_pages_figures_are_those_of_tyks_route(story: MemoryStore, ask_page: Any) -> None:
    rows = json.loads(
        ask_page(story, consumer(PARTNER, period="2026-10").replace("consumer?", "consumer.json?")).body
    )
    tyk = json.loads(ask_page(story, f"/api/activity/keys/endpoint/{PARTNER}/1/10/2026/31/10/2026").body)
    by_path = {(row["api_id"], row["path"]): row for row in rows["data"]}
    assert len(tyk["data"]) == len(by_path) > 5
    for row in tyk["data"]:
        mine = by_path[row["id"]["api_id"], row["id"]["path"]]
        for name in ("hits", "success", "error", "latency", "request_time", "max_latency", "min_latency"):
            assert mine[name] == row[name], name


def test_the_page_says_what_the_story_is_about(story: MemoryStore, ask_page: Any) -> None:
    text = text_of(document(ask_page(story, consumer(PARTNER))))
    assert "partner Müller & Söhne 3" in text
    assert "the worst day was 24 November" in text
    tags = re.findall(r"(Failing|New|Gone|Slower|Refused|Fewer|More)\s*(/v[12]/[a-z]+)", text)
    assert "Failing" in dict(tags)
    assert any(tag == "New" and path.startswith("/v2/") for tag, path in tags)
    # The demo's move from v1 to v2: what was called until it is not gone, but it has stopped.
    assert re.search(r"Fewer\s*/v1/\s*customers[^)]*\), the last 16 Nov, \d\d:\d\d", text)


def test_from_an_alias_to_the_quarter_hour_in_three_clicks(story: MemoryStore, ask_page: Any) -> None:
    found = ask_page(story, "/ui/find?q=M%C3%BCller+%26+S%C3%B6hne+3")
    assert found.status == 303
    page = urljoin("/ui/find", header(found, "location") or "")
    day = next(link for link in _columns(ask_page(story, page)) if "from=2026-11-24&" in link)
    quarters = _columns(ask_page(story, urljoin(page, day)))
    assert len(quarters) == 96
    quarter = next(link for link in quarters if "from=2026-11-24T08%3A" in link or "from=2026-11-24T09%3A" in link)
    response = ask_page(story, urljoin(page, quarter))
    assert "Status codes" in text_of(document(response)) or "No requests" in text_of(document(response))


def _columns(response: Response) -> list[str]:
    tree = document(response)
    pick = next(e for e in tree.iter() if e.get("class") == "pick")
    return [e.get("href") for e in pick.iter() if e.get("href")]


def test_who_still_calls_it_has_the_last_request_of_everybody(story: MemoryStore, ask_page: Any) -> None:
    top = story.endpoints(first=_days("2026-11")[0], last=_days("2026-11")[1])[0]
    target = f"/ui/endpoint.csv?api_id={top.api_id}&path={top.path.replace('/', '%2F')}&period=2026-11&sort=-last"
    rows = list(csv.DictReader(io.StringIO(ask_page(story, target).body.decode())))
    asked = story.consumers(*_days("2026-11"), api_id=top.api_id, path=top.path)
    assert {row["id"]: int(row["hits"]) for row in rows} == {row.id: row.hits for row in asked}
    times = [row["last_hit"] for row in rows]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("form", ["", ".html"])
def test_what_hostile_callers_send_is_text(hostile: MemoryStore, ask_page: Any, form: str) -> None:
    targets = [f"/ui/{name}{form}?limit=1000" for name in ("consumers", "endpoints")]
    targets.append(f"/ui/overview{form}" if form else "/ui/")
    for text in HOSTILE:
        targets.append(consumer(text[:500]).replace("consumer?", f"consumer{form}?"))
    for target in targets:
        response = ask_page(hostile, target)
        assert response.status == 200
        tree = document(response)
        assert not [e for e in tree.iter("script") if e.get("src") is None]
        assert not [name for e in tree.iter() for name in e.attrib if name.startswith("on") or name == "style"]
        assert "49" not in re.findall(r"\{\{.*?\}\}|\b49\b", "".join(tree.find("body").itertext()))
    named = "".join(document(ask_page(hostile, f"/ui/consumers{form}?limit=1000")).find("body").itertext())
    for text in HOSTILE:
        assert text[:100] in named


def test_hostile_text_is_no_formula_in_csv(hostile: MemoryStore, ask_page: Any) -> None:
    text = ask_page(hostile, "/ui/consumers.csv").body.decode()
    assert "\"'=cmd" in text
    assert not [cell for row in csv.reader(io.StringIO(text)) for cell in row if cell[:1] in "=+@\t\r" and cell]


def test_pages_keep_their_weight_and_their_two_reads(story: MemoryStore, ask_page: Any) -> None:
    class Counted(MemoryStore):
        reads = 0

        def read(self, selection: Any) -> Any:
            self.reads += 1
            return story.read(selection)

    store = Counted()
    response = ask_page(store, consumer(PARTNER, limit="50"), **{"accept-encoding": "gzip"})
    assert header(response, "content-encoding") == "gzip"
    assert len(response.body) <= 40_000
    assert store.reads == 2, "the page, and how far was counted"
    for target in ("/ui/", "/ui/consumers?limit=50", "/ui/endpoints?limit=50"):
        assert len(ask_page(story, target, **{"accept-encoding": "gzip"}).body) <= 40_000
    whole = ask_page(story, consumer(PARTNER)).body.decode()
    for name, most in (("ui.css", 6_000), ("ui.js", 4_000)):
        stem, _, suffix = name.partition(".")
        (asset,) = re.findall(rf'"(static/{stem}\.[0-9a-f]{{12}}\.{suffix})"', whole)
        response = ask_page(story, f"/ui/{asset}")
        assert "immutable" in (header(response, "cache-control") or "")
        assert len(gzip.compress(response.body)) <= most


def test_headers_of_pages_let_nothing_in_and_nothing_out(story: MemoryStore, ask_page: Any) -> None:
    for target in ("/ui/", "/ui/login", "/ui/about", "/ui/nothing", consumer(PARTNER)):
        response = ask_page(story, target)
        policy = header(response, "content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert header(response, "referrer-policy") == "same-origin"
        assert header(response, "x-content-type-options") == "nosniff"
        kept = target in ("/ui/", "/ui/about", consumer(PARTNER))
        assert header(response, "cache-control") == ("private, no-cache" if kept else "private, no-store")
        assert not re.search(rb"\sstyle=|\son[a-z]+=|<script(?! type=\"module\" src=\"static/)", response.body)


def test_the_one_file_needs_nothing_else(story: MemoryStore, ask_page: Any) -> None:
    body = ask_page(story, consumer(PARTNER).replace("consumer?", "consumer.html?")).body.decode()
    assert "<script" not in body
    assert not re.findall(r'(?:href|src|action)="(?!#)', body)
    from base64 import b64encode
    from hashlib import sha256

    (style,) = re.findall("<style>(.*?)</style>", body, re.DOTALL)
    assert f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}" in body.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            consumer(PARTNER, period="2026-01"),
            "No requests of this API key in January. The last one was on 26 November",
        ),
        (consumer("nobody"), "It was never seen. The gateway may hash its keys"),
        (consumer(PARTNER[:9]), "Did you mean partner Müller & Söhne 3?"),
        ("/ui/endpoint?api_id=no&path=%2Fno", "Not called by anyone"),
        ("/ui/find?q=zzzzzz", "Nothing fits."),
        ("/ui/?period=2026-01", "No requests in January."),
        ("/ui/nothing", "No such page"),
    ],
)
def test_where_there_is_nothing_the_page_says_why(
    story: MemoryStore, ask_page: Any, target: str, words: str
) -> None:
    assert words in text_of(document(ask_page(story, target)))


def test_an_empty_store_says_how_to_fill_it(ask_page: Any) -> None:
    assert "no requests at all yet" in text_of(document(ask_page(MemoryStore(), "/ui/")))


def test_a_raw_key_is_found_by_its_hash_and_never_shown(ask_page: Any, make_store: Any, make_record: Any) -> None:
    from tyk_endpoint_stats.tyk.key_hash import hash_token

    raw = "5e9d9544a1dcd60001d0ed20a28c1ba2bbd34aa1b29c4b6e"
    store = make_store([make_record(api_key=hash_token(raw, "murmur64"), alias="the one")])
    body = ask_page(store, f"/ui/find?q={raw}").body.decode()
    assert "What you typed is a key" in body
    assert "the one" in body
    assert raw not in body


def test_an_id_that_looks_like_a_key_is_in_no_address(ask_page: Any, make_store: Any, make_record: Any) -> None:
    raw = "5e9d9544a1dcd60001d0ed20a28c1ba2bbd34aa1b29c4b6e"
    store = make_store([make_record(api_key=raw, alias="unhashed", timestamp="2026-11-20T12:00:00Z")])
    tree = document(ask_page(store, "/ui/consumers"))
    address = next(e.get("href") for e in tree.iter("a") if "".join(e.itertext()) == "unhashed")
    assert raw not in address
    response = ask_page(store, urljoin("/ui/consumers", address))
    shown = document(response)
    assert "1\u202frequest" in text_of(shown) or "1 request " in text_of(shown)
    assert [e.get("data-copy") for e in shown.iter("button") if e.get("data-copy")] == [raw]
    assert raw not in "".join(shown.find("body").itertext())


def test_hours_that_were_pruned_are_told_and_whole_days_are_shown(
    ask_page: Any, pages: Settings, token: str
) -> None:
    store = story_store(2_000)
    from tyk_endpoint_stats.core.instants import from_datetime

    store.prune(from_datetime(NOW))
    response = ask_page(
        store, consumer(PARTNER, **{"from": "2026-11-20", "to": "2026-11-24", "zone": "Asia/Kolkata"})
    )
    text = text_of(document(response))
    assert response.status == 200
    assert "only whole UTC days are kept" in text
    assert "Day by day" in text


def test_a_store_that_fails_tells_a_number_and_no_cause(ask_page: Any, caplog: Any) -> None:
    class Broken(MemoryStore):
        def read(self, selection: Any) -> Any:
            raise RuntimeError("the password is swordfish")

    response = ask_page(Broken(), "/ui/")
    assert response.status == 500
    assert b"swordfish" not in response.body
    (number,) = re.findall(r"under ([0-9a-f]{8})", response.body.decode())
    assert number in caplog.text


def test_an_endpoints_total_counts_each_request_once(ask_page: Any, make_store: Any, make_record: Any) -> None:
    """A request with a key and a client stands in two lines; one with neither stands in none."""
    both = [make_record(oauth_id="client", timestamp=f"2026-11-{day:02d}T12:00:00Z") for day in (2, 3, 4)]
    none = [make_record(api_key="", timestamp=f"2026-11-{day:02d}T12:00:00Z") for day in (5, 6)]
    before = [make_record(oauth_id="client", timestamp="2026-10-20T12:00:00Z")]
    store = make_store([*both, *none, *before])
    tree = document(ask_page(store, "/ui/endpoint?api_id=api-1&path=%2Fget"))
    foot = [
        "".join(cell.itertext()).strip() for cell in next(tree.iter("tfoot")).iter() if cell.tag in ("td", "th")
    ]
    assert foot[0] == "All requests, each once"
    assert foot[2] == "5"
    assert foot[3] == "+400\u202f%"
    figure = next(e for e in tree.iter("dd") if e.get("class") == "value")
    assert "".join(figure.itertext()) == "5"
    rows = [["".join(cell.itertext()).strip() for cell in row] for row in _lines(tree, "Consumers")]
    assert [row[2] for row in rows] == ["3", "3"]


def _lines(tree: Any, title: str) -> Any:
    table = next(t for t in tree.iter("table") if "".join(t[0].itertext()) == title)
    return table.find("tbody")


@pytest.mark.parametrize(
    ("period", "first", "second"),
    [("7d", "20 Nov", "21 Nov"), ("24h", "14:00", "18:00"), ("2026-10", "1 Oct", "5 Oct")],
)
def test_an_axis_is_named_at_midnights_and_full_hours(
    story: MemoryStore, ask_page: Any, period: str, first: str, second: str
) -> None:
    tree = document(ask_page(story, consumer(PARTNER, period=period)))
    axis = next(e for e in tree.iter() if e.get("class") == "xs")
    assert [e.text for e in axis.iter() if e.tag.endswith("}text")][:2] == [first, second]


@pytest.mark.parametrize(("endpoints", "shown"), [(25, 25), (26, 26), (27, 25)])
def test_a_link_takes_the_place_of_several_rows_and_never_of_one(
    ask_page: Any, make_store: Any, make_record: Any, endpoints: int, shown: int
) -> None:
    store = make_store([make_record(path=f"/{n}", timestamp="2026-10-20T12:00:00Z") for n in range(endpoints)])
    page = "/ui/endpoints?period=2026-10"
    assert len(_lines(document(ask_page(store, page)), "Endpoints")) == shown
    assert len(_lines(document(ask_page(store, f"{page}&limit={endpoints - 1}")), "Endpoints")) == endpoints - 1


def test_of_more_endpoints_than_a_page_gives_the_overview_has_the_busiest(
    pages: Settings, token: str, make_store: Any, make_record: Any
) -> None:
    """And says how many there are; a file of its rows is refused, not cut."""
    records = [
        make_record(path=f"/{number}", timestamp=f"2026-{month:02d}-03T12:00:00Z")
        for number in range(30)
        for month in (10, 11)
        for _ in range(1 + (number < 12) * (12 - number))
    ]
    store = make_store(records)
    few = structs.replace(pages, max_rows=20)
    tree = document(get(store, few, "/ui/?period=2026-11", {"authorization": token}))
    rows = [["".join(cell.itertext()).strip() for cell in row] for row in _lines(tree, "Endpoints")]
    assert [row[0] for row in rows] == [f"/{number} One" for number in range(10)]
    text = text_of(tree)
    assert "from 1 consumer to 30 endpoints in" in text
    assert "too many endpoints to look at each" in text
    assert ("Endpoints that changed" in text, "Consumers that changed" in text) == (False, True)
    whole = text_of(document(get(store, pages, "/ui/?period=2026-11", {"authorization": token})))
    assert "to 30 endpoints of 1 API in" in whole
    assert "Endpoints that changed" in whole
    assert get(store, few, "/ui/overview.html?period=2026-11", {"authorization": token}).status == 200
    for ending in ("csv", "json"):
        refused = get(store, few, f"/ui/overview.{ending}?period=2026-11", {"authorization": token})
        assert refused.status == 400
        assert b"more than 20 rows" in refused.body
