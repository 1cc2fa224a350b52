"""The page for everyone: axe, the keyboard, every width, print. In a real browser, on answers made up here."""

from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

import pytest

from tests.browser import answers
from tests.browser.answers import Canned
from tests.browser.console_page import OVERVIEW, PROGRAM, Screen

if TYPE_CHECKING:
    from tests.browser.conftest import VisitCanned

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_width_scrolls_sideways(visit_canned: "VisitCanned", width: int) -> None:
    console = visit_canned("#/?window=30d", Screen(width, 800, is_mobile=True))
    console.sees("Estimated from", "#sample")
    console.click("summary")
    console.shows("#chart-table")
    assert console.evaluate("document.documentElement.scrollWidth") == width


def test_print_has_the_figures_without_controls_and_in_light_colours(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW, Screen(scheme="dark"))
    console.sees("Estimated from", "#sample")
    console.page.emulate_media(media="print")
    for part in ("#search", "#views", "#windows", "#export-day", "#readout", "summary"):
        console.hides(part)
    for part in ("#headline", "#main-failure", "#figures", "#chart svg", "#failures", "#rankings", "#as-of"):
        console.shows(part)
    assert console.evaluate("getComputedStyle(document.body).color") == "rgb(29, 31, 28)"
    console.page.emulate_media(media="screen")
    console.lists_again()
    console.counts("#messages li", 25)
    console.page.emulate_media(media="print")
    assert console.evaluate(
        "document.querySelector('.list').scrollHeight <= document.querySelector('.list').clientHeight"
    )


def test_it_is_used_by_the_keyboard_alone(visit_canned: "VisitCanned", canned: Canned) -> None:
    console = visit_canned(OVERVIEW)
    console.sees("Estimated from", "#sample")
    console.page.locator("#windows a").first.focus()
    console.press("Tab")
    console.press("Tab")
    console.press("Enter")
    console.sees("Last 30 days", "#window-title")
    console.page.locator("summary").focus()
    console.press("Enter")
    console.shows("#chart-table")
    console.press("Tab")  # the table, which can be scrolled
    console.press("Tab")
    console.press("Enter")
    console.counts("#messages li", 25)
    assert canned.queries("messages") == [{"from": "2026-10-26T18:30:00.000Z", "until": "2026-10-27T18:30:00.000Z"}]


VIEWS: Final = {
    "overview": (OVERVIEW, "#rankings a"),
    "messages": ("#/messages?outcome=failed&event=Order%20Shipped", "#messages a"),
    "message": ("#/crqid0001", "#timeline li"),
    "sign-in": (OVERVIEW, "#token"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(
    visit_canned: "VisitCanned", canned: Canned, view: str, scheme: Literal["light", "dark"]
) -> None:
    canned.token = "needed" if view == "sign-in" else None
    notice = {"tone": "bad", "sentence": "SMS are held.", "advice": "Recharge the balance."}
    canned.routes["overview"] = lambda query: answers.overview(query) | {"notices": [notice]}
    fragment, selector = VIEWS[view]
    console = visit_canned(fragment, Screen(scheme=scheme))
    console.page.locator(selector).first.wait_for()
    if view == "overview":
        console.sees("Estimated from", "#sample")
        console.click("summary")
    console.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8") + ";void 0")
    found = console.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.id, ...one.nodes.map(node => node.html)]))"
    )
    assert found == []
