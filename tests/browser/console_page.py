"""The console's page in the system's chromium, driven by Playwright: a page object for tests and pictures."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, expect, sync_playwright

MESSAGES: Final = "#/messages"
OVERVIEW: Final = "#/"
"""Views, as the URL's fragment names them."""
PROGRAM: Final = shutil.which("chromium")
TIMEOUT: Final = 30_000.0
"""Milliseconds; the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen whose owner prefers `light` or `dark`, and that nothing moves on."""

    width: int = 1280
    height: int = 900
    scheme: Literal["light", "dark"] = "light"
    scale: float = 1
    is_mobile: bool = False


DESKTOP: Final = Screen()


@dataclass  # without slots: Playwright adds attributes to the object whose methods it calls
class ConsolePage:
    """One tab on the console. Raises Playwright's errors when what it waits for never comes."""

    page: Page
    url: str
    devtools: CDPSession
    console_errors: list[str] = field(default_factory=list)
    """Failed scripts, what the page's policies refused, and errors on the browser's console."""
    requested: list[str] = field(default_factory=list)
    """The URLs that the page has asked for."""
    password: str | None = None
    """What is typed into the browser's prompt. None: it is cancelled."""
    prompts: int = 0

    def open(self, view: str = MESSAGES) -> None:
        """Open a view by its URL's fragment."""
        self.page.goto(self.url + view)

    def sign_in(self, view: str = MESSAGES) -> None:
        """Open the page, answer the browser's prompt, and wait for the page."""
        self.open(view)
        self.waits_for_access()

    def goes_to(self, view: str) -> None:
        """Change the fragment of the open page's URL."""
        self.evaluate(f"void (location.hash = {json.dumps(view)})")

    def is_at(self, view: str) -> None:
        """Wait until the URL has this fragment."""
        expect(self.page).to_have_url(self.url + view, timeout=TIMEOUT)

    def waits_for_access(self) -> None:
        expect(self.page.locator("body")).to_have_attribute("data-access", "granted", timeout=TIMEOUT)

    def sees(self, words: str, selector: str = "body") -> None:
        """Wait until the words are there."""
        expect(self.page.locator(selector).first).to_contain_text(words, use_inner_text=True, timeout=TIMEOUT)

    def counts(self, selector: str, number: int) -> None:
        """Wait until so many elements are there."""
        expect(self.page.locator(selector)).to_have_count(number, timeout=TIMEOUT)

    def shows(self, selector: str) -> None:
        expect(self.page.locator(selector)).to_be_visible(timeout=TIMEOUT)

    def hides(self, selector: str) -> None:
        expect(self.page.locator(selector)).to_be_hidden(timeout=TIMEOUT)

    def text(self, selector: str = "body") -> str:
        """Return what a person reads there."""
        return self.page.locator(selector).first.inner_text()

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Evaluate a script's expression. Playwright's own `evaluate` needs `eval`, which the page's policy refuses."""
        result = self.devtools.send(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True}
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def click(self, selector: str) -> None:
        self.page.locator(selector).click()

    def type(self, selector: str, text: str) -> None:
        self.page.locator(selector).fill(text)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def looks_for(self, by: str, value: str) -> None:
        self.page.locator("#by").select_option(by)
        self.type("#value", value)
        self.press("Enter")

    def opens(self, crqid: str) -> None:
        self.goes_to(f"#/{crqid}")
        expect(self.page.locator("[data-field=crqid]")).to_have_text(crqid, timeout=TIMEOUT)

    def lists_again(self) -> None:
        """Read the list of messages now, and not when the page reads it by itself."""
        self.click("#views [data-view=messages]")

    def watch(self) -> None:
        """Note from now on what the page does."""
        self.page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", lambda request: self.requested.append(request.url))

    def answer_prompts(self) -> None:
        """Answer the browser's prompt from now on."""
        # Not Playwright's `http_credentials`: they answer the prompt without a trace, and can't cancel it.
        self.devtools.on("Fetch.requestPaused", self._continue)
        self.devtools.on("Fetch.authRequired", self._answer_prompt)
        self.devtools.send("Fetch.enable", {"handleAuthRequests": True})

    def _note(self, message: ConsoleMessage) -> None:
        # Answers such as 401 are errors to the browser as well. Tests check how the page handles those.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.console_errors.append(message.text)

    def _continue(self, event: dict[str, Any]) -> None:
        self.devtools.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    def _answer_prompt(self, event: dict[str, Any]) -> None:
        self.prompts += 1
        answer = {"response": "CancelAuth"}
        if self.password is not None and self.prompts == 1:  # a password that is refused once is not tried again
            answer = {"response": "ProvideCredentials", "username": "support", "password": self.password}
        self.devtools.send("Fetch.continueWithAuth", {"requestId": event["requestId"], "authChallengeResponse": answer})


@contextmanager
def running_browser(home: Path) -> Iterator[Browser]:
    """Start chromium without a window and with files of its own, and end it with the block."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TZ": "UTC", "LANG": "en_GB.UTF-8"}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM,
            env={**environment},
            args=["--no-proxy-server", "--lang=en-GB"],
            timeout=TIMEOUT,
        )
        with browser:
            yield browser


@contextmanager
def visiting(
    browser: Browser, url: str, password: str | None = None, screen: Screen = DESKTOP
) -> Iterator[ConsolePage]:
    """Give a tab with cookies and a cache of its own, which has opened nothing yet.

    The password is typed into the browser's prompt; without one, the prompt is cancelled.
    """
    with tab(browser, url, screen) as console:
        console.password = password
        console.answer_prompts()
        yield console


@contextmanager
def tab(browser: Browser, url: str, screen: Screen, **options: Any) -> Iterator[ConsolePage]:  # noqa: ANN401 - Playwright's
    """Give a tab that notes what the page does. The options are those of Playwright's new contexts."""
    with browser.new_context(
        viewport={"width": screen.width, "height": screen.height},
        device_scale_factor=screen.scale,
        is_mobile=screen.is_mobile,
        color_scheme=screen.scheme,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="UTC",
        **options,
    ) as context:
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        console = ConsolePage(page, url, context.new_cdp_session(page))
        console.watch()
        yield console
