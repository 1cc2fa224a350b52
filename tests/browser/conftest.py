"""The console as people see it: chromium on one side, the local stack on the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.samples import authorization, track
from sandbox.stack import Options, Stack, running_stack
from tests.browser.chromium import Browser, running_browser

type Deliver = Callable[..., str]

PHONE: Final = "919800000001"


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Somebody at a browser."""

    browser: Browser
    url: str

    def sign_in(self, password: str) -> None:
        """Answer the browser's prompt, and wait for the page."""
        self.browser.credentials = ("support", password)
        self.browser.open(self.url)
        self.browser.wait_for("document.body.dataset.access === 'granted'")

    def sees(self, words: str, selector: str = "body") -> None:
        """Wait until the words stand there. Raises BrowserError when they never do."""
        self.browser.wait_for(f"document.querySelector({selector!r}).innerText.includes({words!r})")

    def looks_for(self, by: str, value: str) -> None:
        self.browser.evaluate(f"(by => {{ by.value = {by!r}; by.dispatchEvent(new Event('change')) }})(by)")
        self.browser.type("#value", value)
        self.browser.press("Enter")

    def opens(self, crqid: str) -> None:
        self.browser.wait_for(f"document.querySelector('a[href=\"#/{crqid}\"]') !== null")
        self.browser.click(f'a[href="#/{crqid}"]')
        self.browser.wait_for(f"document.querySelector('[data-field=crqid]').textContent === {crqid!r}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("log") / "stack.log"
    with running_stack(Options(log=log, report_delay=0.05, parameters={"Console": "on"})) as running:
        yield running


@pytest.fixture
def onlooker(stack: Stack, tmp_path: Path) -> Iterator[Onlooker]:
    stack.reset()
    with running_browser(tmp_path / "profile") as browser:
        yield Onlooker(browser, stack.console_url)
        assert browser.complaints == []
        assert [url for url in browser.requested if not url.startswith((stack.console_url, "data:", "about:"))] == []


@pytest.fixture
def people(onlooker: Onlooker, stack: Stack) -> Onlooker:
    """Signed in."""
    onlooker.sign_in(stack.secret["console_token"])
    return onlooker


@pytest.fixture
def deliver(stack: Stack) -> Deliver:
    """Deliver a track event to Segment's endpoint; return the key of its message."""

    def send(phone: str = PHONE, name: str = "Order Shipped", **event: Any) -> str:  # noqa: ANN401 - any JSON
        body = track(phone, "Your order is on its way", senderID="MSGIND") | {"event": name} | event
        headers = {"authorization": authorization(stack.secret)}
        answer = httpx.post(stack.segment_url, json=body, headers=headers, timeout=60)
        return str(answer.json()["results"][0]["crqid"])

    return send
