"""The console's page in a real browser, before the local stack."""

import time
from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.chromium import PROGRAM

if TYPE_CHECKING:
    from sandbox.stack import Stack
    from tests.browser.conftest import Deliver, Onlooker

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium: `apt-get install chromium`")

HOSTILE: Final = "<img src=x onerror=window.pwned=1><script>window.pwned=1</script><b>bold</b>"
LOOKS_EVERY: Final = 4.0
"""Seconds, as in console.js."""
# The lowest contrast of any text with what lies behind it, as WCAG 2 reckons it, and that text. Colours that let others
# shine through are laid one over another.
LOWEST_CONTRAST: Final = """(() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const luminance = (colours) => {
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    const linear = [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)]
      .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  let lowest = [21, ""];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script, style, template, option")) continue;
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
    const [dark, light] = [luminance(behind), luminance([...behind, getComputedStyle(element).color])].sort();
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < lowest[0]) lowest = [contrast, element.textContent];
  }
  return lowest;
})()"""


def test_the_browsers_prompt_lets_people_in(onlooker: "Onlooker", stack: "Stack", deliver: "Deliver") -> None:
    deliver()
    onlooker.sign_in(stack.secret["console_token"])
    onlooker.sees("Order Shipped", "#messages")
    assert onlooker.browser.prompts == 1


def test_who_is_not_asked_by_the_browser_signs_in_on_the_page(
    onlooker: "Onlooker", stack: "Stack", deliver: "Deliver"
) -> None:
    deliver()
    browser = onlooker.browser
    browser.open(onlooker.url)
    assert browser.evaluate("document.body.dataset.access") == "refused"
    assert "Order Shipped" not in browser.text()
    browser.type("#token", "wrong")
    browser.press("Enter")
    onlooker.sees("This token is not", "#sign-in-problem")
    browser.type("#token", stack.secret["console_token"])
    browser.press("Enter")
    browser.wait_for("document.body.dataset.access === 'granted'")
    onlooker.sees("Order Shipped", "#messages")
    assert browser.prompts == 1  # the page's own tries raise none
    assert browser.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_a_new_message_appears_and_its_report_comes_in_by_themselves(people: "Onlooker", deliver: "Deliver") -> None:
    people.sees("No SMS in these days")
    deliver("919800000007", "Arrives While Watched")  # whose report comes five seconds late
    people.sees("Accepted", "#messages")
    people.sees("Arrives While Watched", "#messages")
    people.sees("Delivered", "#messages")


def test_nobody_is_asked_while_nobody_looks(people: "Onlooker") -> None:
    browser = people.browser
    people.sees("No SMS in these days")
    browser.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    asked = browser.evaluate("performance.getEntriesByType('resource').length")
    time.sleep(LOOKS_EVERY * 1.5)
    assert browser.evaluate("performance.getEntriesByType('resource').length") == asked


def test_a_message_is_told_as_a_timeline_with_its_reason_and_what_to_do(people: "Onlooker", deliver: "Deliver") -> None:
    people.opens(deliver("919800000002"))
    people.sees("India's DLT registry has no active template that fits this text.", "#message")
    text = people.browser.text("#message")
    assert "What to do" in text
    steps = people.browser.evaluate("[...document.querySelectorAll('#timeline .title')].map(step => step.innerText)")
    assert steps == ["Event from Segment", "Accepted by MSG91", "Report: failed"]
    for words in ("Template Inactive on DLT", "MSGIND", "Credits", "GSM-7", "91••••••••02"):
        assert words in text


def test_a_message_is_opened_and_left_by_the_keyboard(people: "Onlooker", deliver: "Deliver") -> None:
    browser = people.browser
    crqid = deliver()
    people.sees("Order Shipped", "#messages")
    browser.evaluate("document.getElementById('live').focus()")
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.hash") == f"#/{crqid}"
    browser.press("Enter")
    people.sees("Accepted by MSG91", "#message")
    assert browser.evaluate("document.activeElement.className") == "message"
    browser.evaluate("history.back()")
    browser.wait_for("document.getElementById('message').hidden")
    assert browser.evaluate("document.activeElement.hash") == f"#/{crqid}"


@pytest.mark.parametrize("by", ["phone", "message_id", "user_id", "request_id"])
def test_people_search_by_whatever_they_have(people: "Onlooker", stack: "Stack", deliver: "Deliver", by: str) -> None:
    crqid = deliver(messageId="ajs-next-1", userId="user-1")
    deliver("919800000009", "Another", messageId="ajs-next-2", userId="user-2")
    value = str(stack.messages.get_item(Key={"crqid": crqid})["Item"][by])
    people.sees("Another", "#messages")
    people.looks_for(by, f" {value} ")
    people.browser.wait_for("document.querySelectorAll('#messages li').length === 1")
    people.sees("Order Shipped", "#messages")
    people.browser.click("#clear")
    people.sees("Another", "#messages")


def test_a_search_that_finds_nothing_says_what_that_may_mean(people: "Onlooker") -> None:
    people.looks_for("phone", "919800000099")
    people.sees("the event was skipped", "#nothing")
    people.looks_for("phone", "12")
    people.sees("7 to 15 digits with the country code", "#problem")
    assert people.browser.text("#messages") == ""


def test_a_number_is_seen_by_whoever_asks_for_it_until_they_hide_it(people: "Onlooker", deliver: "Deliver") -> None:
    people.opens(deliver())
    assert "919800000001" not in people.browser.evaluate("document.documentElement.outerHTML")
    people.browser.click("#reveal")
    people.sees("919800000001", "#message")
    people.browser.click("#reveal")
    people.sees("91••••••••01", "#message")
    assert "919800000001" not in people.browser.evaluate("document.documentElement.outerHTML")


def test_hostile_names_and_texts_are_nothing_but_text(people: "Onlooker", stack: "Stack", deliver: "Deliver") -> None:
    crqid = deliver("919800000013", HOSTILE, userId=HOSTILE, messageId=HOSTILE, anonymousId=HOSTILE)
    stack.messages.update_item(
        Key={"crqid": crqid},
        UpdateExpression="SET #error = :text, sender_id = :text, template_id = :text, error_code = :text",
        ExpressionAttributeNames={"#error": "error"},
        ExpressionAttributeValues={":text": HOSTILE},
    )
    people.opens(crqid)
    people.sees(HOSTILE, "#messages")
    for field in ("event", "user_id", "message_id", "anonymous_id", "sender_id", "template_id"):
        people.sees(HOSTILE, f"[data-field={field}]")
    people.sees(HOSTILE, "#timeline")
    people.looks_for("user_id", HOSTILE)
    people.sees(HOSTILE, "#messages")
    assert people.browser.evaluate("window.pwned") is None
    assert people.browser.evaluate("document.querySelectorAll('main img, main script, main b').length") == 0


def test_the_policy_refuses_what_a_mistake_would_let_in(people: "Onlooker") -> None:
    refused = people.browser.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } })()"
    )
    assert refused == "TypeError"
    assert people.browser.evaluate("fetch('https://example.org/').catch(error => error.name)") == "TypeError"
    people.browser.complaints.clear()  # those are what was asked for


def test_a_long_list_is_read_page_by_page(people: "Onlooker", deliver: "Deliver") -> None:
    for number in range(30):
        deliver(userId="user-1", messageId=f"message-{number}")
    people.looks_for("user_id", "user-1")
    people.browser.wait_for("document.querySelectorAll('#messages li').length === 25")
    people.browser.click("#older")
    people.browser.wait_for("document.querySelectorAll('#messages li').length === 30")
    people.browser.wait_for("document.getElementById('older').hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(people: "Onlooker", deliver: "Deliver", scheme: str) -> None:
    people.browser.look_like(1280, 900, scheme=scheme)
    for number in ("919800000001", "919800000013", "919800000047", "12"):
        deliver(number)
    people.opens(deliver("919800000002"))
    people.sees("Outcome unknown", "#messages")
    contrast, text = people.browser.evaluate(LOWEST_CONTRAST)
    assert contrast >= 4.5, text


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_list_or_a_message_and_never_scrolls_sideways(
    people: "Onlooker", deliver: "Deliver", width: int
) -> None:
    browser = people.browser
    browser.look_like(width, 800, scheme="light", mobile=True)
    crqid = deliver("919800000002", "AnEventWhoseNameIsOneVeryLongWord" * 3)
    people.opens(crqid)
    assert not browser.evaluate("document.getElementById('messages').checkVisibility()")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    browser.click(".back")
    browser.wait_for("document.getElementById('messages').checkVisibility()")
    assert not browser.evaluate("document.getElementById('message').checkVisibility()")
    assert browser.evaluate("document.documentElement.scrollWidth") == width


def test_whatever_takes_the_keyboard_has_a_name(people: "Onlooker", deliver: "Deliver") -> None:
    people.opens(deliver())
    nodes = people.browser.command("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "searchbox", "link", "textbox", "heading"}
    named = [(node["role"]["value"], node["name"]["value"]) for node in nodes if node["role"]["value"] in roles]
    assert {"button", "combobox", "searchbox", "link", "heading"} <= {role for role, _ in named}
    assert [role for role, name in named if not name.strip()] == []
    assert {"banner", "search", "main"} <= {node["role"]["value"] for node in nodes}
