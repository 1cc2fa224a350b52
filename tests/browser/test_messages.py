"""The list of messages beside one message, in a real browser, on answers made up here."""

from typing import TYPE_CHECKING, Final

import pytest

from tests.browser import answers
from tests.browser.answers import Canned, Json, Query
from tests.browser.console_page import MESSAGES, OVERVIEW, PROGRAM, Screen

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.conftest import VisitCanned

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")

POLL_INTERVAL: Final = 4_000
"""Milliseconds, as in messages.js."""


def test_a_filtered_list_says_how_far_it_has_looked_and_goes_on(visit_canned: "VisitCanned", canned: Canned) -> None:
    def messages(query: Query) -> Json:
        position = int(query.get("after", 0))
        found = [answers.message(position)] if position in {2, 3} else []
        back_to = f"2026-11-2{5 - position}T08:32:00Z"
        return {
            "messages": found,
            "after": str(position + 1) if position < 4 else None,
            "read": 200,
            "back_to": back_to,
        }

    canned.routes["messages"] = messages
    console = visit_canned("#/messages?outcome=failed&category=dnd&strange=1")
    console.counts("#messages li", 1)  # the third request is the first to find one
    console.sees("Failed · Failure: DND", "#list-title")
    assert console.text("#looked") == "Looked at 600 messages, back to 23 Nov, 08:32."
    console.click("#older")
    console.counts("#messages li", 2)
    assert console.text("#looked") == "Looked at 800 messages, back to 22 Nov, 08:32."
    console.click("#older")
    console.sees("Looked at 1,000 messages, which are all.", "#looked")
    console.hides("#older")
    asked = [{**query, "after": ""} for query in canned.queries("messages")]
    assert asked == [{"outcome": "failed", "category": "dnd", "after": ""}] * 5


def test_a_filter_that_finds_nothing_stops_reading_after_a_while(visit_canned: "VisitCanned", canned: Canned) -> None:
    canned.routes["messages"] = lambda query: {"messages": [], "after": "x", "read": 200, "back_to": query.get("x")}
    console = visit_canned("#/messages?outcome=failed")
    console.sees("No such SMS in what was looked at.", "#nothing")
    console.sees("Looked at 2,000 messages", "#looked")
    assert len(canned.queries("messages")) == 10
    console.shows("#older")


def test_a_message_is_open_beside_the_filtered_list_and_is_left_to_it(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    console = visit_canned("#/messages?outcome=delivered")
    console.click('#messages a[href="#/crqid0001"]')
    console.sees("no active template", "#message")
    console.sees("Delivered", "#list-title")
    console.evaluate("history.back()")
    console.hides("#message")
    console.is_at("#/messages?outcome=delivered")
    assert len(canned.queries("messages")) == 1
    with console.page.expect_response("**/console/messages"):
        console.click("#clear")
    console.sees("Most recent", "#list-title")
    console.is_at(MESSAGES)
    assert canned.queries("messages")[-1] == {}


def test_a_search_is_not_in_the_url_and_ends_with_a_filter(visit_canned: "VisitCanned", canned: Canned) -> None:
    console = visit_canned(OVERVIEW)
    with console.page.expect_response("**/console/messages?phone=*"):
        console.looks_for("phone", "919800000001")
    console.sees("By phone", "#list-title")
    assert "9198" not in console.page.url
    assert canned.queries("messages") == [{"phone": "919800000001"}]
    with console.page.expect_response("**/console/messages?outcome=failed"):
        console.goes_to("#/messages?outcome=failed")
    console.sees("Failed", "#list-title")
    assert canned.queries("messages")[-1] == {"outcome": "failed"}
    console.lists_again()
    console.sees("Most recent", "#list-title")


def test_an_old_address_of_a_message_still_opens_it(visit_canned: "VisitCanned") -> None:
    console = visit_canned("#/crqid0001")
    console.sees("no active template", "#message")
    console.counts("#messages li", 25)


def test_the_list_is_read_again_every_four_seconds_while_it_is_seen(
    visit_canned: "VisitCanned", canned: Canned
) -> None:
    console = visit_canned(MESSAGES, has_clock=True)
    console.counts("#messages li", 25)
    canned.asked.clear()
    with console.page.expect_response("**/messages"):
        console.page.clock.run_for(POLL_INTERVAL)
    assert canned.asked == [("messages", {})]
    console.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    console.page.clock.run_for(10 * POLL_INTERVAL)
    console.evaluate("fetch('/console/end').then(() => true)")
    assert canned.asked[1:] == [("end", {})]


def test_a_long_list_is_read_page_by_page(visit_canned: "VisitCanned", canned: Canned) -> None:
    def messages(query: Query) -> Json:
        numbers = range(25, 30) if "after" in query else range(25)
        return {"messages": [answers.message(number) for number in numbers], "after": None if "after" in query else "x"}

    canned.routes["messages"] = messages
    console = visit_canned(MESSAGES)
    console.looks_for("user_id", "user-1")
    console.counts("#messages li", 25)
    assert console.text("#older") == "More messages"
    console.click("#older")
    console.counts("#messages li", 30)
    console.hides("#older")
    assert canned.queries("messages")[-1] == {"user_id": "user-1", "after": "x"}


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_list_or_a_message_and_never_scrolls_sideways(
    visit_canned: "VisitCanned", canned: Canned, width: int
) -> None:
    event = "AnEventWhoseNameIsOneVeryLongWord" * 3
    canned.routes["messages"] = lambda query: answers.messages(query) | {"messages": [answers.message(1, event=event)]}
    canned.routes["messages/crqid0001"] = lambda query: answers.opened(query) | {"event": event}
    console = visit_canned("#/messages?outcome=failed", Screen(width, 800, is_mobile=True))
    console.click("#messages a")
    console.sees(event, "#message")
    assert not console.evaluate("document.getElementById('messages').checkVisibility()")
    assert console.evaluate("document.documentElement.scrollWidth") == width
    console.click(".back")
    console.shows("#messages")
    console.is_at("#/messages?outcome=failed")
    assert not console.evaluate("document.getElementById('message').checkVisibility()")
    assert console.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("late", [200, 503])
def test_an_answer_that_a_later_search_has_overtaken_changes_nothing(
    visit_canned: "VisitCanned", canned: Canned, late: int
) -> None:
    held: list[Route] = []

    def hold(route: "Route") -> None:
        held.append(route)

    canned.routes["messages"] = answers.refused_phone
    console = visit_canned(MESSAGES)
    console.counts("#messages li", 25)
    console.page.route("**/messages?user_id=slow", hold)
    for phone, problem, rows in (("12", "no phone number", 0), ("919800000001", "", 25)):
        with console.page.expect_request("**/messages?user_id=slow"):
            console.looks_for("user_id", "slow")
        console.looks_for("phone", phone)
        console.sees(problem, "#problem")
        console.counts("#messages li", rows)
        held.pop().fulfill(status=late, content_type="application/json", body='{"messages": [], "after": null}')
        console.evaluate("new Promise((done) => setTimeout(done, 100))")
        assert (problem in console.text("#problem"), console.text("#problem") == "") == (True, problem == "")
        console.counts("#messages li", rows)


def test_a_message_that_is_gone_says_so_where_it_would_be(visit_canned: "VisitCanned") -> None:
    console = visit_canned("#/crqid0404")
    console.sees("No answer (HTTP 404)", "#message-problem")
    assert console.text("#problem") == ""
