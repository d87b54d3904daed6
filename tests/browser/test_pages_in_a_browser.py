"""The pages in a real browser: nothing in the console, nothing against the rules of axe."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PICTURES, World
from tests.web.page_worlds import PARTNER, consumer

pytestmark = pytest.mark.browser

PARTNERS = consumer(PARTNER)
PAGES = {
    "overview": "/ui/",
    "consumers": "/ui/consumers",
    "consumer": PARTNERS,
    "day": consumer(PARTNER, **{"from": "2026-11-24", "to": "2026-11-24"}),
    "endpoints": "/ui/endpoints",
    "find": "/ui/find?q=partner",
    "about": "/ui/about",
    "never seen": consumer("c54ff9924"),
    "empty": consumer(PARTNER, period="2026-01"),
    "login": "/ui/login?failed=1",
}
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


def check(visit: Any, name: str, width: int, scheme: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    visit.page.screenshot(path=PICTURES / f"{name.replace(' ', '-')}-{width}-{scheme}.png", full_page=True)
    assert visit.overhang <= 0, f"{name} scrolls sideways"
    # In the dark there is the same on the page as in the light, in other colours: of its rules those alone.
    dark = {"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}
    found = Axe().run(visit.page, options={"resultTypes": ["violations"], **dark})
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    assert visit.complaints == [], name


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_no_page_has_a_fault_that_a_browser_or_axe_finds(look: Any, width: int, scheme: str) -> None:
    visit = look(width, scheme)
    for name, address in PAGES.items():
        visit.go(address)
        check(visit, name, width, scheme)
    visit.go(PARTNERS)
    visit.page.locator("table th a[href^='endpoint?']").first.click()
    check(visit, "pair", width, scheme)
    visit.page.get_by_text("Everybody who calls this endpoint").click()
    assert visit.page.locator("h1").inner_text().startswith("/v1/")
    check(visit, "endpoint", width, scheme)


@pytest.mark.parametrize("name", ["consumers", "endpoints", "overview"])
def test_what_hostile_callers_send_does_nothing(look: Any, hostile_world: World, name: str) -> None:
    visit = look(390, "light", hostile_world)
    dialogs: list[str] = []
    visit.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    visit.go(PAGES[name] + ("?limit=100" if name != "overview" else ""))
    check(visit, f"hostile-{name}", 390, "light")
    first = visit.page.locator("tbody th a:visible").first
    first.click()
    assert visit.overhang <= 0
    assert dialogs == visit.complaints == []


def test_names_as_long_as_those_of_hostile_callers_stay_on_the_page(look: Any, hostile_world: World) -> None:
    visit = look(390, "light", hostile_world)
    visit.go(consumer("x" * 480))
    assert "Did you mean" in visit.page.content()
    check(visit, "hostile-never-seen", 390, "light")
    visit.go("/ui/find?q=%E2%80%AEgnp.exe")
    assert visit.page.locator("h1").inner_text().endswith("\u2069”")
    check(visit, "hostile-find", 390, "light")


def test_the_one_file_opens_from_a_disk_with_its_style(look: Any, tmp_path: Any) -> None:
    visit = look()
    response = visit.page.request.get(f"{visit.world.url}{PARTNERS.replace('consumer?', 'consumer.html?')}")
    path = tmp_path / "report.html"
    path.write_bytes(response.body())
    visit.complaints.clear()
    visit.page.goto(path.as_uri())
    assert visit.page.evaluate("getComputedStyle(document.querySelector('.card')).borderRadius") == "10px"
    check(visit, "one file", 1280, "light")
