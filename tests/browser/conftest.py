"""The console's page in chromium, in front of the local stack or of answers made up here."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from sandbox.samples import authorization, track
from sandbox.stack import Options, Stack, running_stack
from tests.browser.answers import Canned, visiting_canned
from tests.browser.console_page import DESKTOP, ConsolePage, Screen, running_browser, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

type Deliver = Callable[..., str]
type Visit = Callable[..., ConsolePage]
"""Takes a password, or None for a cancelled prompt, and a Screen. The tab has opened nothing yet."""
type VisitCanned = Callable[..., ConsolePage]
"""Takes a view and a Screen, and opens that view on the answers of `canned`. See visiting_canned."""

PHONE: Final = "919800000001"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("log") / "stack.log"
    with running_stack(Options(log=log, report_delay=0.05, parameters={"Console": "on"})) as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    with running_browser(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def visit(browser: "Browser", stack: Stack) -> Iterator[Visit]:
    """Open tabs on an empty console. No tab may have errors or ask another host when the test ends."""
    stack.reset()
    with ExitStack() as tabs:
        visited: list[ConsolePage] = []

        def new(*arguments: Any) -> ConsolePage:  # noqa: ANN401 - see Visit
            visited.append(tabs.enter_context(visiting(browser, stack.console_url, *arguments)))
            return visited[-1]

        yield new
        _assert_no_errors(visited)


def _assert_no_errors(visited: list[ConsolePage]) -> None:
    assert [console.console_errors for console in visited] == [[] for _ in visited]
    for console in visited:
        local = (console.url, "data:", "about:", "blob:")
        assert [url for url in console.requested if not url.startswith(local)] == []


@pytest.fixture
def canned() -> Canned:
    return Canned()


@pytest.fixture
def visit_canned(browser: "Browser", canned: Canned) -> Iterator[VisitCanned]:
    """Open tabs on a console whose answers are made up. The same is asserted as by `visit`."""
    with ExitStack() as tabs:
        visited: list[ConsolePage] = []

        def new(view: str, screen: Screen = DESKTOP, **options: bool) -> ConsolePage:
            visited.append(tabs.enter_context(visiting_canned(browser, canned, screen, **options)))
            visited[-1].open(view)
            return visited[-1]

        yield new
        _assert_no_errors(visited)


@pytest.fixture
def signed_in(visit: Visit, stack: Stack) -> ConsolePage:
    console = visit(stack.secret["console_token"])
    console.sign_in()
    return console


@pytest.fixture
def deliver(stack: Stack) -> Deliver:
    """Deliver a track event to Segment's endpoint; return the key of its message."""

    def send(phone: str = PHONE, name: str = "Order Shipped", **event: Any) -> str:  # noqa: ANN401 - any JSON
        body = track(phone, "Your order is on its way", senderID="MSGIND") | {"event": name} | event
        headers = {"authorization": authorization(stack.secret)}
        answer = httpx.post(stack.segment_url, json=body, headers=headers, timeout=60)
        return str(answer.json()["results"][0]["crqid"])

    return send
