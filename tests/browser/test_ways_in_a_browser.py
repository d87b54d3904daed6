"""Every way of using the pages in a real browser: a file of its own, so that two browsers share the time."""

from typing import Any

import pytest

from tests.browser.conftest import TOKEN, World
from tests.browser.test_pages_in_a_browser import PAGES, PARTNERS
from tests.web.page_worlds import PARTNER

pytestmark = pytest.mark.browser


def test_without_a_script_every_row_every_chart_and_every_link_is_there(look: Any) -> None:
    with_script, without = look(), look(java_script_enabled=False)
    for visit in (with_script, without):
        visit.go(PARTNERS)
    counts = [
        [visit.page.locator(what).count() for what in ("tbody tr", ".plot path", ".pick a", "main a")]
        for visit in (with_script, without)
    ]
    assert counts[0] == counts[1]
    assert all(counts[1])
    without.page.locator(".presets a", has_text="7 days").click()
    assert "from=2026-11-20&to=2026-11-26" in without.page.url
    without.page.locator("select[name=compare]").select_option("none")
    without.page.get_by_role("button", name="Show").click()
    assert "compare=none" in without.page.url
    assert without.page.locator(".before").count() == 0


def test_a_click_on_a_column_shows_that_day_and_then_that_quarter_hour(look: Any) -> None:
    visit = look()
    visit.go(PARTNERS)
    visit.page.locator(".pick a").nth(27).click()
    assert "from=2026-11-24&to=2026-11-24" in visit.page.url
    assert visit.page.locator("h2", has_text="Quarter hour by quarter hour").count() == 1
    visit.page.locator(".pick a").nth(40).click()
    assert "from=2026-11-24T10%3A00%3A00Z&to=2026-11-24T10%3A15%3A00Z" in visit.page.url
    visit.page.go_back()
    visit.page.go_back()
    assert visit.page.url.endswith(PARTNERS)


def test_the_foot_prints_where_a_script_may_run_and_leads_to_the_routes_document(look: Any) -> None:
    with_script, without = look(), look(java_script_enabled=False)
    for visit in (with_script, without):
        visit.go(PARTNERS)
    assert without.page.locator("#print").is_hidden()
    with_script.page.evaluate("window.print = () => { document.title = 'printed'; }")
    with_script.page.locator("#print").click()
    assert with_script.page.title() == "printed"
    with_script.page.locator("footer a", has_text="API").click()
    assert '"openapi"' in with_script.page.content()


def test_dragging_over_columns_shows_the_days_between(look: Any) -> None:
    visit = look()
    visit.go(PARTNERS)
    boxes = [visit.page.locator(".pick a").nth(number).bounding_box() for number in (5, 9)]
    (start, end) = [(box["x"] + box["width"] / 2, box["y"] + 40) for box in boxes if box]
    visit.page.mouse.move(*start)
    visit.page.mouse.down()
    visit.page.mouse.move(*end, steps=5)
    visit.page.mouse.up()
    visit.page.wait_for_url("**from=2026-11-02&to=2026-11-06**")


def test_keys_find_and_go_to_the_periods_before_and_after(look: Any) -> None:
    visit = look()
    visit.go(PARTNERS)
    visit.page.keyboard.press("[")
    visit.page.wait_for_url("**from=2026-09-28&to=2026-10-27**")
    visit.page.keyboard.press("]")
    visit.page.wait_for_url("**from=2026-10-28&to=2026-11-26**")
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("[Söhne 3]")
    assert visit.page.locator("#find").input_value() == "[Söhne 3]", "in a field they are letters"
    visit.page.locator("#find").fill("Söhne 3")
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/ui/consumer?**")
    assert PARTNER in visit.page.url


def test_the_keyboard_passes_the_columns_by(look: Any) -> None:
    visit = look()
    visit.go(PARTNERS)
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        inside = visit.page.evaluate("document.activeElement.closest('.pick') !== null")
        assert not inside


def test_one_signs_in_by_the_form_and_out_again(browser: Any, world: World) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{world.url}{PARTNERS}")
    assert "/ui/login?next=" in page.url
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "no valid token" in page.get_by_role("alert").inner_text()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{world.url}{PARTNERS}"
    assert TOKEN not in page.content()
    (cookie,) = context.cookies()
    assert (cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == ("/ui", True, "Lax")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{world.url}/ui/")
    assert "/ui/login" in page.url
    context.close()


def test_a_link_in_somebody_elses_page_finds_its_reader_signed_in(look: Any, world: World) -> None:
    visit = look()
    # Another site, as far as cookies go: the same machine by another name.
    elsewhere = world.url.replace("127.0.0.1", "localhost")
    visit.page.goto(f"{elsewhere}/ui/login")
    visit.page.evaluate(
        "href => { const a = document.createElement('a'); a.href = href; a.id = 'chat'; a.textContent = 'look'; "
        "document.body.append(a); }",
        f"{world.url}{PARTNERS}",
    )
    visit.page.click("#chat")
    visit.page.wait_for_url(f"{world.url}{PARTNERS}")
    assert "partner" in visit.page.locator("h1").inner_text()


def test_the_choice_of_days_is_one_line_where_there_is_room(look: Any) -> None:
    visit = look(1280)
    for address in (PARTNERS, "/ui/?period=7d", "/ui/?period=2026-10", PAGES["day"]):
        visit.go(address)
        boxes = [part.bounding_box() for part in visit.page.locator(".period > *:visible").all()]
        middles = [box["y"] + box["height"] / 2 for box in boxes if box]
        assert max(middles) - min(middles) < 5, address


def test_text_in_charts_keeps_its_size_on_a_phone(look: Any) -> None:
    heights = []
    for width in (1280, 390):
        visit = look(width)
        visit.go(PARTNERS)
        box = visit.page.locator(".xs text").first.bounding_box()
        assert box is not None
        heights.append(box["height"])
    assert heights[0] == pytest.approx(heights[1], abs=0.5)


def test_a_page_is_printed_without_its_controls(look: Any) -> None:
    visit = look()
    visit.go(PARTNERS)
    visit.page.emulate_media(media="print")
    assert not visit.page.locator(".period").is_visible()
    assert visit.page.locator("table").last.is_visible()
    assert visit.page.pdf()[:5] == b"%PDF-"
