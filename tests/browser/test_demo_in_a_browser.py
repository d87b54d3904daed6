"""What a newcomer sees: `serve --demo` as a program, the link that it prints, and how few clicks answers take."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page

from tests.cli.serving import serving
from tyk_endpoint_stats.cli.serve import _traffic
from tyk_endpoint_stats.demo.catalogue import make_catalogue
from tyk_endpoint_stats.demo.story import Story, make_story

pytestmark = pytest.mark.browser


@dataclass
class Reader:
    """Somebody with a browser, and how often they clicked; what is typed ends with a key that counts as one."""

    page: Page
    link: str
    clicks: int = 0

    def follow(self, link: str) -> None:
        """Click a link that stands elsewhere: in a terminal."""
        self.clicks += 1
        self.page.goto(link)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def find(self, text: str) -> None:
        self.clicks += 1
        self.page.locator("#find").fill(text)
        self.page.locator("#find").press("Enter")

    def column(self, told: str | re.Pattern[str]) -> Locator:
        """Those columns of the chart that say this where they are pointed at."""
        return self.page.locator(".pick a").filter(has=self.page.locator("title", has_text=told))


@pytest.fixture(scope="module")
def story() -> Story:
    """What the demo tells today."""
    traffic = _traffic("UTC")
    catalogue = make_catalogue(traffic.seed, traffic.keys, traffic.clients, traffic.endpoints)
    return make_story(catalogue, int(datetime.now(UTC).timestamp()) * 10**9)


@pytest.fixture(scope="module")
def reader(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with serving(tmp_path_factory.mktemp("demo"), "--demo", "--port", "0") as server:
        assert server.program.stdout is not None
        printed = iter(server.program.stdout.readline, "")
        link = next(line.strip() for line in printed if "once=" in line)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        yield Reader(context.new_page(), link)
        context.close()


def test_the_printed_link_shows_what_changed_for_the_partner_in_one_click(reader: Reader, story: Story) -> None:
    reader.clicks = 0
    reader.follow(reader.link)
    assert reader.clicks == 1
    assert reader.page.locator("h1").inner_text() == story.partner.alias
    for what in (".sentence", ".changes li >> nth=0"):
        box = reader.page.locator(what).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900, f"{what} is below the edge of the window"
    failing, *_ = reader.page.locator(".changes li").all_inner_texts()
    assert failing.startswith("Failing")
    assert story.failing.path in failing


def test_from_an_alias_to_the_quarter_hour_in_which_it_began_to_fail_in_three(reader: Reader, story: Story) -> None:
    began = datetime.fromtimestamp(story.failing_from_ns / 1e9, UTC)
    reader.page.goto(re.sub("login.*", "about", reader.link))
    reader.clicks = 0
    reader.find(story.partner.alias)
    # The sentence says which day it was.
    assert f"{began.day} {began:%B}" in reader.page.locator(".sentence").inner_text()
    reader.click(reader.column(f"{began:%A} {began.day} {began:%B}"))
    failing = [
        (datetime.fromisoformat(_from(column)), column)
        for column in reader.column(re.compile(r"[1-9][0-9.]*\u202f% server errors")).all()
    ]
    at, first = next((at, column) for at, column in failing if at >= began)
    reader.click(first)
    assert reader.clicks == 3
    assert began <= at < began + timedelta(hours=3)
    assert f"{at:%H:%M}" in reader.page.locator(".period .now b").inner_text()
    codes = reader.page.locator("table", has_text="Requests by status code").locator("th.name").all_inner_texts()
    assert any(code.startswith(("500", "502", "503")) for code in codes)


def test_who_still_calls_it_in_two(reader: Reader, story: Story) -> None:
    reader.page.goto(re.sub("login.*", "about", reader.link))
    reader.find(story.partner.alias)
    reader.clicks = 0
    reader.click(reader.page.locator(".changes li a", has_text=story.failing.path).first)
    reader.click(reader.page.get_by_text("Everybody who calls this endpoint"))
    assert reader.clicks == 2
    assert reader.page.locator("h1").inner_text() == story.failing.path
    table = reader.page.locator("table", has_text="Consumers").first
    heads = table.locator("thead th").all_inner_texts()
    assert (heads[0], heads[-1]) == ("Consumer", "Last request")
    assert story.partner.alias in table.inner_text()


def _from(column: Locator) -> str:
    """Since when a column is, as its link has it."""
    found = re.search("[?&]from=([^&]+)", column.get_attribute("href") or "")
    assert found is not None
    return found[1].replace("%3A", ":")
