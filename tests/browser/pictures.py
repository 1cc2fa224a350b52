"""`python -m tests.browser.pictures` takes the README's pictures of the console, before the local stack.

With the font Inter installed (fonts-inter) they look as in the README; pngquant then makes them small.
"""

import tempfile
from pathlib import Path
from typing import Final

import httpx

from sandbox.samples import authorization, track
from sandbox.stack import Options, Stack, running_stack
from sandbox.template import PATH
from tests.browser.chromium import Browser, running_browser

PICTURES: Final = PATH.parent / "docs" / "images"
# Their numbers make MSG91 do what the picture is to show. The last one is opened.
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


def _deliver(stack: Stack) -> None:
    for number, (name, phone) in enumerate(EVENTS, start=1):
        event = track(phone, "Hello from the sandbox", senderID="MSGIND")
        event |= {"event": name, "messageId": f"ajs-next-17640{number:03}-5be1", "userId": f"user-{1000 + number}"}
        httpx.post(stack.segment_url, json=event, headers={"authorization": authorization(stack.secret)}, timeout=60)


def _take(stack: Stack, browser: Browser) -> None:
    browser.command("Emulation.setLocaleOverride", locale="en-GB")
    browser.credentials = ("support", stack.secret["console_token"])
    browser.look_like(1240, 780, scheme="light")
    browser.open(stack.console_url)
    browser.wait_for(f"document.querySelectorAll('#messages li').length === {len(EVENTS)}")
    browser.click("#messages li:first-child a")
    browser.wait_for("document.getElementById('message').innerText.includes('Report')")
    browser.evaluate("document.activeElement.blur()")
    browser.screenshot(PICTURES / "console.png")
    browser.look_like(390, 844, scheme="dark", scale=1.5, mobile=True)
    browser.screenshot(PICTURES / "console-phone.png")


if __name__ == "__main__":
    main()
