"""The console's page in a real browser, in front of the local stack."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.console_page import OVERVIEW, PROGRAM

if TYPE_CHECKING:
    from sandbox.stack import Stack
    from tests.browser.conftest import Deliver, Visit
    from tests.browser.console_page import ConsolePage

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")

HOSTILE: Final = "<img src=x onerror=window.pwned=1><script>window.pwned=1</script><b>bold</b>"


def test_the_browsers_prompt_lets_people_in(visit: "Visit", stack: "Stack", deliver: "Deliver") -> None:
    deliver()
    console = visit(stack.secret["console_token"])
    console.sign_in()
    console.sees("Order Shipped", "#messages")
    assert console.prompts == 1


def test_without_the_browsers_prompt_people_sign_in_on_the_page(
    visit: "Visit", stack: "Stack", deliver: "Deliver"
) -> None:
    deliver()
    console = visit()
    console.open()
    assert console.evaluate("document.body.dataset.access") == "refused"
    assert "Order Shipped" not in console.text()
    console.type("#token", "wrong")
    console.press("Enter")
    console.sees("This token is not", "#sign-in-problem")
    console.type("#token", stack.secret["console_token"])
    console.press("Enter")
    console.waits_for_access()
    console.sees("Order Shipped", "#messages")
    assert console.prompts == 1  # the page's own tries raise none
    assert console.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_a_new_message_appears_and_its_report_comes_in_by_themselves(
    signed_in: "ConsolePage", deliver: "Deliver"
) -> None:
    signed_in.sees("No SMS in these days")
    deliver("919800000007", "Arrives While Watched")  # whose report comes five seconds late
    signed_in.sees("Accepted", "#messages")
    signed_in.sees("Arrives While Watched", "#messages")
    signed_in.sees("Delivered", "#messages")


def test_the_overview_leads_to_messages_of_the_stack_and_saves_its_day(
    visit: "Visit", stack: "Stack", deliver: "Deliver", tmp_path: Path
) -> None:
    crqid = deliver("919800000002", HOSTILE)
    deliver()
    console = visit(stack.secret["console_token"])
    console.sign_in(OVERVIEW)
    console.sees("As of", "#as-of")
    console.sees("All 2 SMS.", "#sample")
    console.page.get_by_role("link", name=HOSTILE).click()
    console.counts("#messages li", 1)
    assert console.evaluate("document.querySelector('#messages a').hash") == f"#/{crqid}"
    console.sees("Looked at 2 messages", "#looked")
    console.goes_to(OVERVIEW)
    console.type("#day", console.page.locator("#day").get_attribute("max") or "")
    with console.page.expect_download() as download:
        console.press("Enter")
    download.value.save_as(tmp_path / "day.csv")
    header, *rows = csv.reader((tmp_path / "day.csv").read_text(encoding="utf-8-sig").splitlines())
    assert [row[header.index("event")] for row in rows] == ["Order Shipped", HOSTILE]


def test_a_message_has_a_timeline_its_reason_and_what_to_do(signed_in: "ConsolePage", deliver: "Deliver") -> None:
    signed_in.opens(deliver("919800000002"))
    signed_in.sees("India's DLT registry has no active template that fits this text.", "#message")
    text = signed_in.text("#message")
    assert "What to do" in text
    steps = signed_in.evaluate("[...document.querySelectorAll('#timeline .title')].map(step => step.innerText)")
    assert steps == ["Event from Segment", "Accepted by MSG91", "Report: failed"]
    for words in ("Template Inactive on DLT", "MSGIND", "Credits", "GSM-7", "91••••••••02"):
        assert words in text


def test_a_message_is_opened_and_left_by_the_keyboard(signed_in: "ConsolePage", deliver: "Deliver") -> None:
    crqid = deliver()
    signed_in.lists_again()
    signed_in.sees("Order Shipped", "#messages")
    signed_in.evaluate("document.getElementById('live').focus()")
    signed_in.press("Tab")
    assert signed_in.evaluate("document.activeElement.hash") == f"#/{crqid}"
    signed_in.press("Enter")
    signed_in.sees("Accepted by MSG91", "#message")
    assert signed_in.evaluate("document.activeElement.className") == "message"
    signed_in.evaluate("history.back()")
    signed_in.hides("#message")
    assert signed_in.evaluate("document.activeElement.hash") == f"#/{crqid}"


@pytest.mark.parametrize("by", ["phone", "message_id", "user_id", "request_id"])
def test_a_message_is_found_by_its_number_and_by_each_id(
    signed_in: "ConsolePage", stack: "Stack", deliver: "Deliver", by: str
) -> None:
    crqid = deliver(messageId="ajs-next-1", userId="user-1")
    deliver("919800000009", "Another", messageId="ajs-next-2", userId="user-2")
    value = str(stack.messages.get_item(Key={"crqid": crqid})["Item"][by])
    signed_in.lists_again()
    signed_in.sees("Another", "#messages")
    signed_in.looks_for(by, f" {value} ")
    signed_in.counts("#messages li", 1)
    signed_in.sees("Order Shipped", "#messages")
    signed_in.click("#clear")
    signed_in.sees("Another", "#messages")


def test_a_search_that_finds_nothing_says_what_that_may_mean(signed_in: "ConsolePage") -> None:
    signed_in.looks_for("phone", "919800000099")
    signed_in.sees("the event was skipped", "#nothing")
    signed_in.looks_for("phone", "12")
    signed_in.sees("7 to 15 digits with the country code", "#problem")
    assert signed_in.text("#messages") == ""


def test_a_number_is_shown_on_request_and_hidden_again(signed_in: "ConsolePage", deliver: "Deliver") -> None:
    signed_in.opens(deliver())
    assert "919800000001" not in signed_in.evaluate("document.documentElement.outerHTML")
    signed_in.click("#reveal")
    signed_in.sees("919800000001", "#message")
    signed_in.click("#reveal")
    signed_in.sees("91••••••••01", "#message")
    assert "919800000001" not in signed_in.evaluate("document.documentElement.outerHTML")


def test_hostile_names_and_texts_are_nothing_but_text(
    signed_in: "ConsolePage", stack: "Stack", deliver: "Deliver"
) -> None:
    crqid = deliver("919800000013", HOSTILE, userId=HOSTILE, messageId=HOSTILE, anonymousId=HOSTILE)
    stack.messages.update_item(
        Key={"crqid": crqid},
        UpdateExpression="SET #error = :text, sender_id = :text, template_id = :text, error_code = :text",
        ExpressionAttributeNames={"#error": "error"},
        ExpressionAttributeValues={":text": HOSTILE},
    )
    signed_in.lists_again()
    signed_in.sees(HOSTILE, "#messages")
    signed_in.opens(crqid)
    for field in ("event", "user_id", "message_id", "anonymous_id", "sender_id", "template_id"):
        signed_in.sees(HOSTILE, f"[data-field={field}]")
    signed_in.sees(HOSTILE, "#timeline")
    signed_in.looks_for("user_id", HOSTILE)
    signed_in.sees(HOSTILE, "#messages")
    assert signed_in.evaluate("window.pwned") is None
    assert signed_in.evaluate("document.querySelectorAll('main img, main script, main b').length") == 0


def test_the_policy_refuses_what_a_mistake_would_let_in(signed_in: "ConsolePage") -> None:
    refused = signed_in.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } })()"
    )
    assert refused == "TypeError"
    assert signed_in.evaluate("fetch('https://example.org/').catch(error => error.name)") == "TypeError"
    signed_in.console_errors.clear()  # those are what was asked for
