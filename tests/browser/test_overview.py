"""The overview in a real browser, on answers made up here."""

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from segment_msg91.msg91.failures import FAILURES, Category
from tests.browser import answers
from tests.browser.answers import Canned, Json, Query, Refusal
from tests.browser.console_page import OVERVIEW, PROGRAM, ConsolePage, Screen

if TYPE_CHECKING:
    from tests.browser.conftest import VisitCanned

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")

WEEK_START: Final = "2026-11-18T18:30:00.000Z"
REFRESH_INTERVAL: Final = 300_000
"""Milliseconds, as in overview.js."""
HOSTILE: Final = (
    "<img src=x onerror=window.pwned=1><script>window.pwned=1</script>",
    "\"quotes' & ampersands; ${code} #/?outcome=failed",
    "\u202eright to left \u05d0\u05d1\u05d2",
    "\U0001f4e6 Order \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "x" * 256,
)


def _unavailable(query: Query) -> Json:  # noqa: ARG001 - the route's form
    raise Refusal(503, "The metrics can't be read now; try again.")


def _group(name: str | None, sent: int, delivered: int, **more: Any) -> Json:  # noqa: ANN401 - any JSON
    names = {"event": name, "template_id": name, "sender_id": name}
    return (
        names | {"sent": sent, "delivered": delivered, "failed": sent - delivered, "no_report": 0, "waiting": 0} | more
    )


def _rows(console: ConsolePage, selector: str) -> list[list[str]]:
    rows: list[list[str]] = console.evaluate(
        f"[...document.querySelectorAll('{selector} tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return rows


def test_the_first_view_says_how_many_arrived_yesterday_the_main_failure_and_what_to_do(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    console = visit_canned("")
    console.sees("1,250 of 1,310 SMS arrived", ".headline")
    text = console.text(".headline")
    assert "Yesterday, 24 Nov" in text
    assert "95.7% of the 1,305 that have ended." in text
    assert "Today so far: 665 of 708 SMS arrived. 95.6% of the 695 that have ended." in text
    assert "DLT template" in text
    assert "175 SMS, 47.0% of all failures" in text
    assert f"What to do: {FAILURES[Category.DLT_TEMPLATE].advice}" in text
    assert console.text("#as-of") == "As of 14:05, 25 Nov · figures by India\u2019s days, UTC+05:30"
    console.sees("Estimated from", "#sample")
    assert {path for path, _ in canned.asked} == {"overview", "breakdown"}


def test_all_that_is_asked_every_morning_is_on_the_first_screen(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW, Screen(1240, 780))
    console.sees("Compare the text", "#main-failure")
    for part in ("#headline", "#main-failure .remedy", "#figures"):
        assert console.evaluate(f"document.querySelector('{part}').getBoundingClientRect().bottom") < 780


def test_notices_come_before_everything_else(visit_canned: "VisitCanned", canned: Canned) -> None:
    notices = [
        {"tone": "bad", "sentence": "SMS are held.", "advice": "Recharge the balance."},
        {"tone": "doubt", "sentence": "The webhook is silent.", "advice": "Check its URL."},
    ]
    canned.routes["overview"] = lambda query: answers.overview(query) | {"notices": notices}
    console = visit_canned(OVERVIEW)
    console.counts(".notice", 2)
    assert console.text("main").startswith(
        "SMS are held. Recharge the balance.\n\nThe webhook is silent. Check its URL.\n\nYesterday"
    )


@pytest.mark.parametrize(
    ("window", "name", "bars", "labels"),
    [("24h", "24 hours", 25, "15:00"), ("7d", "7 days", 27, "Thu 19"), ("30d", "30 days", 30, "2 Nov")],
)
def test_each_window_has_its_figures_and_is_remembered_in_the_url(
    visit_canned: "VisitCanned", canned: Canned, window: str, name: str, bars: int, labels: str
) -> None:
    console = visit_canned("#/?window=30d" if window == "7d" else OVERVIEW)
    console.shows("#figures")
    console.page.get_by_role("link", name=name, exact=True).click()
    console.is_at(OVERVIEW if window == "7d" else f"#/?window={window}")
    console.sees(f"Last {name}", "#window-title")
    totals = answers.overview({"window": window})["totals"]
    console.sees(f"{totals['accepted']:,}", "#figures")
    console.sees(f"Main failure, last {name}", "#main-failure")
    console.counts("#chart .column", bars)
    assert labels in console.text("#chart")
    console.sees("1,250 of 1,310 SMS arrived", ".headline")  # also if the window has no yesterday
    assert {"window": window} in canned.queries("overview")
    assert console.evaluate("document.querySelector('#windows [aria-current]').innerText") == name


def test_waiting_is_apart_and_in_no_share(visit_canned: "VisitCanned", canned: Canned) -> None:
    totals = {"accepted": 10, "delivered": 3, "failed": 1, "no_report": 0, "waiting": 6, "suppressed": 0}
    rare = {"refused": 2, "invalid": 0}
    canned.routes["overview"] = lambda query: (
        answers.overview(query) | {"totals": totals | rare, "waiting_is_minimum": True}
    )
    console = visit_canned(OVERVIEW)
    console.sees("75.0% of those ended", "#figures")
    assert "at least 6" in console.text("#figures")
    assert "Refused" in console.text("#figures")
    assert "Invalid" not in console.text("#figures")


def test_a_share_is_a_hundred_percent_only_if_all_arrived(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    assert console.evaluate("[percent.format(0.99996), percent.format(1)]") == ["99.9%", "100.0%"]


def test_a_day_on_which_more_arrive_than_were_accepted_is_told_as_it_is(visit_canned: "VisitCanned") -> None:
    days = [{"accepted": 2, "delivered": 3}, {"accepted": 2, "delivered": 0}, {"accepted": 0, "delivered": 0}]
    words = visit_canned(OVERVIEW).evaluate(f"{json.dumps(days)}.map(arrivedWords)")
    assert words == ["3 SMS arrived, 2 were accepted", "0 of 2 SMS arrived", "no SMS"]


def test_the_time_to_delivery_is_in_its_figures(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    console.sees("4.2 s", "#figures")
    assert "median; 95th percentile 31 s" in console.text("#figures")
    assert console.evaluate("[0, 0.35, 59, 300, 7200].map(duration)") == ["< 0.1 s", "0.35 s", "59 s", "5 min", "2 h"]


def test_on_the_first_day_the_headline_is_of_today(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["overview"] = answers.first_day
    console = visit_canned(OVERVIEW)
    console.sees("665 of 708 SMS arrived", "#headline")
    assert console.text("#headline-title") == "Today so far, 25 Nov"
    assert console.text("#other-day") == "Yesterday: no SMS."


def test_an_account_without_sms_is_told_what_to_look_at(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["overview"] = answers.empty_overview
    canned.routes["breakdown"] = lambda query: {"day": query["day"], "read": 0, "is_complete": True, "bars": []}
    console = visit_canned(OVERVIEW)
    console.sees("Look at the messages", "#no-sms")
    console.sees("No SMS", "#headline")
    console.hides("#figures")
    console.hides("#main-failure")
    console.sees("All 0 SMS", "#sample")


def test_without_metrics_the_rest_of_the_page_works_and_they_can_be_asked_for_again(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    canned.routes["overview"] = _unavailable
    console = visit_canned(OVERVIEW)
    console.sees("can't be read now; try again", "#overview-problem")
    console.sees("A sample of", "#sample")
    console.sees("Order Shipped", "#rankings")
    console.shows("#export-day")
    canned.routes["overview"] = answers.overview
    console.click("#retry")
    console.sees("1,250 of 1,310 SMS arrived", ".headline")
    console.sees("Estimated from", "#sample")
    console.hides("#overview-problem")


def test_without_a_breakdown_the_figures_are_there(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["breakdown"] = _unavailable
    console = visit_canned(OVERVIEW)
    console.sees("can't be read now; try again", "#breakdown-problem")
    console.sees("1,250 of 1,310 SMS arrived", ".headline")
    console.sees("0 of 7 days read.", "#sample")
    console.counts("#rankings > *", 0)


def test_it_is_read_again_every_five_minutes_while_it_is_seen(visit_canned: "VisitCanned", canned: Canned) -> None:
    console = visit_canned(OVERVIEW, has_clock=True)
    console.sees("Estimated from 4,304 of 8,606", "#sample")
    canned.asked.clear()
    with console.page.expect_response("**/breakdown?*"):
        console.page.clock.run_for(REFRESH_INTERVAL + 1000)
    # The other days hardly change, and the list is not seen.
    assert canned.asked == [("overview", {"window": "7d"}), ("breakdown", {"day": "2026-11-25"})]
    console.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    console.page.clock.run_for(3 * REFRESH_INTERVAL)
    console.evaluate("fetch('/console/end').then(() => true)")
    assert canned.asked[2:] == [("end", {})]


def test_the_chart_has_a_label_and_a_table_with_the_same_figures(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    console.shows("#chart svg[role=img]")
    answer = answers.overview({})
    totals = answer["totals"]
    label = console.page.locator("#chart svg").get_attribute("aria-label") or ""
    assert f"{totals['delivered']:,} delivered, {totals['failed']} failed, {totals['no_report']} no report" in label
    console.click("summary")
    rows = _rows(console, "#chart-table")
    names = ("accepted", "delivered", "failed", "no_report", "suppressed")
    assert [row[1:] for row in rows] == [[str(bar[name]) for name in names] for bar in answer["bars"]]
    assert [rows[0][0], rows[-1][0]] == ["Thu 19 Nov, 00:00 to 06:00", "Wed 25 Nov, 12:00 to 14:05"]


def test_a_bar_is_as_high_as_its_figures_and_each_outcome_has_its_own_fill(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    console.counts("#chart .column", 27)
    parts = console.evaluate(
        "[...document.querySelectorAll('#chart .column')].map(column => Object.fromEntries("
        "[...column.querySelectorAll('rect')].map(part => [part.classList[0], part.height.baseVal.value])))"
    )
    bars = answers.overview({})["bars"]
    unit = parts[2]["delivered"] / bars[2]["delivered"]
    for part, bar in zip(parts, bars, strict=True):
        assert part["delivered"] == pytest.approx(unit * bar["delivered"])
        assert part.get("failed", 0) == pytest.approx(max(unit * bar["failed"], 2 if bar["failed"] else 0))
    fills = console.evaluate(
        "['.delivered', '.failed', '.no_report'].map(name => document.querySelector(`#chart ${name}`))"
        ".map(part => getComputedStyle(part).fill)"
    )
    assert [fill.startswith("url") for fill in fills] == [False, True, True]
    assert len(set(fills)) == 3


def test_a_chosen_bar_shows_its_figures_and_leads_to_its_messages(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    console.sees("Choose a bar", "#readout")
    console.page.locator("#chart .column").nth(13).click()
    console.sees("Sun 22 Nov, 06:00 to 12:00: 310 accepted, 270 delivered, 37 failed, 2 no report", "#readout")
    console.page.mouse.move(0, 0)
    console.click("#readout a")
    console.is_at("#/messages?from=2026-11-22T00%3A30%3A00.000Z&until=2026-11-22T06%3A30%3A00.000Z")


BEHIND: Final = (
    ("#figures li:nth-child(1) a", {"from": WEEK_START}, "All · from 18 Nov, 18:30"),
    ("#figures li:nth-child(2) a", {"outcome": "delivered", "from": WEEK_START}, "Delivered · from 18 Nov, 18:30"),
    ("#figures li:nth-child(3) a", {"outcome": "failed", "from": WEEK_START}, "Failed · from 18 Nov, 18:30"),
    ("#figures li:nth-child(4) a", {"outcome": "no_report", "from": WEEK_START}, "No report · from 18 Nov, 18:30"),
    ("#figures li:nth-child(6) a", {"outcome": "waiting"}, "Waiting for a report"),
    ("#figures li:nth-child(7) a", {"outcome": "suppressed", "from": WEEK_START}, "Suppressed · from 18 Nov, 18:30"),
    ("#main-failure a", {"category": "dlt_template", "from": WEEK_START}, "Failure: DLT template · from 18 Nov, 18:30"),
    ("#failures tr:nth-child(2) a", {"category": "unreachable", "from": WEEK_START}, "Failure: unreachable"),
    ("#rankings > :nth-child(1) a", {"event": "Order Shipped", "from": WEEK_START}, "Event Order Shipped"),
    ("#rankings > :nth-child(2) a", {"template_id": "64f0c2a1d6fc05", "from": WEEK_START}, "Template 64f0c2a1d6fc05"),
    ("#rankings > :nth-child(3) a", {"sender_id": "SHOPIN", "from": WEEK_START}, "Sender SHOPIN"),
    (
        "#headline a",
        {"outcome": "delivered", "from": "2026-11-23T18:30:00.000Z", "until": "2026-11-24T18:30:00.000Z"},
        "Delivered · from 23 Nov, 18:30 · until 24 Nov, 18:30",
    ),
)
"""Links of the overview, the query that each leads to, and the title of its list."""


def test_figures_and_rows_lead_to_their_messages_and_the_back_button_back(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    console = visit_canned(OVERVIEW)
    console.sees("Estimated from 4,304 of 8,606", "#sample")
    for selector, query, title in BEHIND:
        link = console.page.locator(selector).first
        href = link.get_attribute("href")
        with console.page.expect_response("**/messages?*"):
            link.click()
        assert canned.queries("messages")[-1] == query
        console.sees(title, "#list-title")
        assert console.evaluate("document.activeElement.id") == "list-title"
        console.hides("#overview")
        console.hides("#live")
        console.evaluate("history.back()")
        console.shows("#figures")
        assert console.evaluate("document.activeElement.getAttribute('href')") == href
        console.hides("#messages-view")


def test_a_sample_counts_as_much_as_the_metrics_say(visit_canned: "VisitCanned") -> None:
    console = visit_canned(OVERVIEW)
    console.sees("Estimated from", "#sample")
    complete = {"is_complete": True, "bars": [{"from": "2026-11-24T00:00Z", "groups": [_group("a", 10, 9)]}]}
    partial = {
        "is_complete": False,
        "bars": [
            {"from": "2026-11-25T00:00Z", "groups": [_group("a", 10, 5), _group("b", 10, 10)]},  # of 100
            {"from": "2026-11-25T06:00Z", "groups": [_group("b", 8, 4, waiting=4, failed=0)]},  # of 4 by the metrics
            {"from": "2026-11-25T12:00Z", "groups": []},  # of 50, none of which was read
        ],
    }
    accepted = {"2026-11-24T00:00Z": 7, "2026-11-25T00:00Z": 100, "2026-11-25T06:00Z": 4, "2026-11-25T12:00Z": 50}
    console.evaluate(f"void (window.days = {json.dumps([complete, partial])})")
    entries = f"{json.dumps(accepted)}).map(([at, number]) => [Date.parse(at), number])"
    console.evaluate(f"void (window.known = new Map(Object.entries({entries}))")
    console.evaluate("void (window.rows = ranking(days, known, 'event'))")
    rows = console.evaluate("rows.map(row => [row.value, row.sent, row.delivered, row.failed])")
    assert rows == [["a", 10 + 50, 9 + 25, 1 + 25], ["b", 50 + 8, 50 + 4, 0]]
    assert console.evaluate("rows.map(shareDelivered)") == [34 / 60, 1]
    assert console.evaluate("ranking(days, null, 'event').map(row => row.sent)") == [20, 18]
    assert console.evaluate("sampleWords(days, known)") == "Estimated from 38 of 168 SMS"
    assert console.evaluate("sampleWords(days, null)") == "A sample of 38 SMS"
    assert console.evaluate("sampleWords(days.slice(0, 1), known)") == "All 10 SMS"
    assert console.evaluate("shareDelivered({ delivered: 0, failed: 0, no_report: 0 })") is None


def test_seven_days_are_read_two_at_a_time_the_latest_first(visit_canned: "VisitCanned", canned: Canned) -> None:
    console = visit_canned(OVERVIEW)
    console.sees("Estimated from 4,304 of 8,606 SMS.", "#sample")
    assert [query["day"] for query in canned.queries("breakdown")] == [f"2026-11-{day}" for day in range(25, 18, -1)]
    assert _rows(console, "#rankings > :nth-child(1)")[0] == ["Order Shipped", "2,579", "97.1%"]
    assert _rows(console, "#rankings > :nth-child(3)")[-1] == ["SHOPAD", "602", "60.7%"]


def test_ten_rows_are_shown_and_all_on_request(visit_canned: "VisitCanned", canned: Canned) -> None:
    groups = [_group(f"Event {number:02}", 100 - number, 90 - number) for number in range(12)] + [_group(None, 1, 0)]
    bar = {"from": WEEK_START, "read": 1, "groups": groups}
    canned.routes["breakdown"] = lambda query: {"day": query["day"], "read": 1, "is_complete": True, "bars": [bar]}
    console = visit_canned(OVERVIEW)
    console.sees("All 7,945 SMS", "#sample")
    console.counts("#rankings > :nth-child(1) tbody tr", 10)
    console.click("#rankings > :nth-child(1) button")
    console.counts("#rankings > :nth-child(1) tbody tr", 13)
    console.counts("#rankings > :nth-child(2) tbody tr", 10)
    assert console.evaluate("document.activeElement.innerText") == "Event 10"
    assert _rows(console, "#rankings > :nth-child(1)")[-1] == ["Without a name", "7", "0.0%"]


def test_hostile_names_are_nothing_but_text(visit_canned: "VisitCanned", canned: Canned) -> None:
    bar = {"from": WEEK_START, "read": 5, "groups": [_group(name, 5, 5) for name in HOSTILE]}
    canned.routes["breakdown"] = lambda query: {"day": query["day"], "read": 5, "is_complete": True, "bars": [bar]}
    failure = answers.failure(Category.OTHER, 3, 3) | {"sentence": HOSTILE[1], "advice": HOSTILE[0]}
    notice = {"tone": "bad", "sentence": HOSTILE[0], "advice": HOSTILE[1]}
    canned.routes["overview"] = lambda query: answers.overview(query) | {"failures": [failure], "notices": [notice]}
    console = visit_canned(OVERVIEW, Screen(360, 800, is_mobile=True))
    console.sees("All 175 SMS", "#sample")
    shown = console.evaluate("[...document.querySelectorAll('#rankings bdi')].map(name => name.textContent)")
    assert shown == [*HOSTILE] * 3
    for part in ("#notices", "#main-failure", "#failures"):
        console.sees(HOSTILE[0][1:], part)
    assert console.evaluate("document.documentElement.scrollWidth") == 360
    for number, name in enumerate(HOSTILE):
        console.goes_to(OVERVIEW)
        with console.page.expect_response("**/console/messages?*"):
            console.page.locator("#rankings > :nth-child(1) a").nth(number).click()
        console.sees(name.strip(), "#list-title")
        assert canned.queries("messages")[-1] == {"event": name, "from": WEEK_START}
        assert console.evaluate("document.documentElement.scrollWidth") == 360
    assert console.evaluate("window.pwned") is None
    assert console.evaluate("document.querySelectorAll('main img, main script').length") == 0
