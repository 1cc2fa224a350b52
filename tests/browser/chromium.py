"""Debian's chromium without a window, driven over a pipe by the Chrome DevTools Protocol: no package is needed."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any, Final

PROGRAM: Final = shutil.which("chromium")
PATIENCE: Final = 30.0
"""Seconds; the machine may be busy."""
_LOOK_EVERY: Final = 0.05
# Chromium reads and writes the protocol at these descriptors.
_AT_3_AND_4: Final = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)

type Event = dict[str, Any]


class BrowserError(Exception):
    """Chromium did not do what it was asked, or a page's script failed."""


class Browser:
    """One tab. Its console's errors and what its policies refused are gathered in `complaints`."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._read = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requested: list[str] = []
        """The URLs that the page has asked for."""
        self.credentials: tuple[str, str] | None = None
        """What is typed into the Basic prompt. None: it is cancelled."""
        self.prompts = 0

    def start(self) -> None:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        self.command("Fetch.enable", handleAuthRequests=True)

    def command(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - whatever the protocol answers
        """Raises BrowserError when it fails."""
        number = self._send(method, parameters)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for answer in self._answers(deadline - time.monotonic()):
                if answer["id"] == number:
                    if "error" in answer:
                        raise BrowserError(f"{method}: {answer['error']['message']}")
                    return answer["result"]
        raise BrowserError(f"{method}: no answer in {PATIENCE} s")

    def open(self, url: str) -> None:
        self.command("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - any JSON
        """Evaluate a script's expression in the page."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true. Raises BrowserError when that takes too long."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self.evaluate(expression) is True:
                    return
            except BrowserError as error:
                if "context" not in str(error):  # of the document that is being left
                    raise
            time.sleep(_LOOK_EVERY)
        raise BrowserError(f"{expression}: still not true; the page says {self.text()!r}; {self.complaints}")

    def text(self, selector: str = "body") -> str:
        """Return what a person reads there."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str) -> None:
        """Press the mouse where the element is."""
        x, y = self.evaluate(f"""(element => {{
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})(document.querySelector({json.dumps(selector)}))""")
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        self.evaluate(f"(field => {{ field.focus(); field.select() }})(document.querySelector({json.dumps(selector)}))")
        self.command("Input.insertText", text=text)

    def press(self, key: str) -> None:
        code = {"Enter": 13, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def look_like(self, width: int, height: int, *, scheme: str, scale: float = 1, mobile: bool = False) -> None:
        """Be a screen of this size, whose owner prefers `light` or `dark`, and that nothing moves."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )
        preferences = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in preferences.items()]
        self.command("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def _send(self, method: str, parameters: Mapping[str, object]) -> int:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        return self._number

    def _answers(self, within: float) -> list[Event]:
        """Return the answers that have come, and see to the events between them."""
        if not select([self._reader], [], [], max(0.0, within))[0]:
            return []
        received = os.read(self._reader, 1 << 20)
        if not received:
            raise BrowserError("chromium has ended")
        *whole, self._read = (self._read + received).split(b"\0")
        messages = [json.loads(text) for text in whole]
        for event in messages:
            if "method" in event:
                self._see_to(event["method"], event["params"])
        return [message for message in messages if "id" in message]

    def _see_to(self, method: str, event: Event) -> None:
        match method:
            case "Fetch.requestPaused":
                self._send("Fetch.continueRequest", {"requestId": event["requestId"]})
            case "Fetch.authRequired":
                self._send("Fetch.continueWithAuth", {"requestId": event["requestId"]} | self._answer_to_prompt())
            case "Network.requestWillBeSent":
                self.requested.append(event["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(event["exceptionDetails"]))
            case "Log.entryAdded" if event["entry"]["level"] == "error" and event["entry"]["source"] != "network":
                self.complaints.append(str(event["entry"]))

    def _answer_to_prompt(self) -> dict[str, object]:
        self.prompts += 1
        if self.credentials is None or self.prompts > 1:  # who is refused once does not insist
            return {"authChallengeResponse": {"response": "CancelAuth"}}
        username, password = self.credentials
        answer = {"response": "ProvideCredentials", "username": username, "password": password}
        return {"authChallengeResponse": answer}


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Start chromium with a profile of its own, and end it with the block. Raises BrowserError when there is none."""
    if PROGRAM is None:
        raise BrowserError("there is no chromium")
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [
        *(sys.executable, "-c", _AT_3_AND_4, str(theirs_in), str(theirs_out), PROGRAM),
        *("--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--lang=en-GB"),
        *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--no-proxy-server"),
    ]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(profile), "TZ": "UTC", "LANG": "en_GB.UTF-8"},
    )
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Browser(ours_in, ours_out)
    try:
        browser.start()
        yield browser
    finally:
        process.kill()
        process.wait()
        os.close(ours_in)
        os.close(ours_out)
