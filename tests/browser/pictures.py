"""`python -m tests.browser.pictures` takes the pictures in docs/console.md.

Those of the overview show a week that is made up; those of messages are taken in front of the local stack. With the
font Inter installed (fonts-inter) they look as in docs/console.md; pngquant then makes them small.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from sandbox.samples import authorization, track
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import PATH
from tests.browser.answers import Canned, visiting_canned
from tests.browser.console_page import OVERVIEW, Screen, running_browser, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES: Final = PATH.parent / "docs" / "images"
SCREENS: Final = {
    "console.png": Screen(1240, 780),
    "console-phone.png": Screen(390, 844, scheme="dark", scale=1.5, is_mobile=True),
}
OVERVIEW_SCREENS: Final = {
    "overview.png": Screen(1240, 860, scale=1.5),
    "overview-phone.png": Screen(390, 844, scheme="dark", scale=1.5, is_mobile=True),
}
# Their numbers choose the outcomes that the picture shows. The last one is opened.
EVENTS: Final = (
    ("Order Shipped", "919800000061"),
    ("Payment Received", "919800000009"),
    ("Appointment Reminder", "919800000012"),
    ("Weekend Sale", "919800000003"),
    ("Order Shipped", "919800000064"),
    ("Payment Received", "919800000041"),
    ("Table Ready", "919800000065"),
    ("Cart Abandoned", "919800000024"),
    ("Appointment Reminder", "919800000066"),
    ("Table Ready", "919800000013"),
    ("Order Delivered", "919800000067"),
    ("Order Shipped", "919800000002"),
)


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        options = Options(log=home / "stack.log", parameters={"Console": "on"})
        with running_stack(options) as stack, running_browser(home) as browser:
            _deliver(stack)
            _take(stack, browser)
            _take_overview(browser)


def _deliver(stack: Stack) -> None:
    for number, (name, phone) in enumerate(EVENTS, start=1):
        event = track(phone, "Hello from the sandbox", senderID="MSGIND")
        event |= {"event": name, "messageId": f"ajs-next-17640{number:03}-5be1", "userId": f"user-{1000 + number}"}
        httpx.post(stack.segment_url, json=event, headers={"authorization": authorization(stack.secret)}, timeout=60)


def _take(stack: Stack, browser: "Browser") -> None:
    for name, screen in SCREENS.items():
        with visiting(browser, stack.console_url, stack.secret["console_token"], screen) as console:
            console.sign_in()
            console.counts("#messages li", len(EVENTS))
            console.page.locator("#messages li a").first.click()
            console.sees("Report", "#message")
            console.evaluate("document.activeElement.blur()")
            console.page.screenshot(path=PICTURES / name)


def _take_overview(browser: "Browser") -> None:
    for name, screen in OVERVIEW_SCREENS.items():
        with visiting_canned(browser, Canned(), screen) as console:
            console.open(OVERVIEW)
            console.sees("Estimated from", "#sample")
            console.page.screenshot(path=PICTURES / name)


if __name__ == "__main__":
    main()
