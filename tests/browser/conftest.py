"""A real browser, and a server with the demo's story. Where there is no browser the tests fail: they never skip."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.web.page_worlds import NOW, hostile_store, story_store
from tyk_endpoint_stats.web.server import make_server
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
PICTURES = Path(os.environ.get("BROWSER_PICTURES", "/tmp/endpoint-stats-pictures"))
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def browser_path() -> str:
    """Where a browser is: ``CHROMIUM``, or what a distribution calls it."""
    found = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
    )
    if found is None:
        pytest.fail("no browser: apt-get install chromium fonts-dejavu-core, or set CHROMIUM to one's path")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser_path(), headless=True, args=ARGUMENTS)
        yield started
        started.close()


@dataclass
class World:
    """A server with a store in it."""

    url: str
    settings: Settings

    def once(self, following: str = "/ui/") -> str:
        """A link that signs in."""
        code = self.settings.sign_in.code_for(self.settings.tokens.entries[0][0])
        return f"{self.url}/ui/login?once={code}&next={following.replace('?', '%3F').replace('&', '%26')}"


def running_world(store: Any) -> Iterator[World]:
    settings = Settings(tokens=Tokens([TOKEN]), now=lambda: NOW)
    with make_server(store, settings=settings, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield World(server.url, settings)
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    yield from running_world(story_store())


@pytest.fixture(scope="session")
def hostile_world() -> Iterator[World]:
    from tests.web.conftest import record

    yield from running_world(hostile_store(record))


@dataclass
class Visit:
    """A page in a window, and what the browser had to say."""

    page: Page
    world: World
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a page of the world."""
        self.page.goto(f"{self.world.url}{path}")

    @property
    def overhang(self) -> int:
        """How many pixels the page is wider than its window."""
        width: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


def visit(browser: Browser, world: World, **options: Any) -> tuple[BrowserContext, Visit]:
    """A window that is signed in; everything the console says is kept."""
    options.setdefault("viewport", {"width": 1280, "height": 900})
    # Without reduced motion a picture shows one page fading into the other.
    context = browser.new_context(reduced_motion="reduce", **options)
    page = context.new_page()
    made = Visit(page, world)
    page.on("console", lambda message: made.complaints.append(message.text))
    page.on("pageerror", lambda problem: made.complaints.append(str(problem)))
    page.goto(world.once("/ui/about"))
    return context, made


@pytest.fixture
def look(browser: Browser, world: World) -> Iterator[Any]:
    """``look(width=…, scheme=…)``: a signed-in window on the story."""
    opened: list[BrowserContext] = []

    def looked(width: int = 1280, scheme: str = "light", on: World | None = None, **options: Any) -> Visit:
        sizes = {"width": width, "height": 900 if width > 500 else 844}
        context, made = visit(browser, on or world, viewport=sizes, color_scheme=scheme, **options)
        opened.append(context)
        return made

    yield looked
    for context in opened:
        context.close()
