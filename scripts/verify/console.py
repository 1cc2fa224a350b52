"""Checks of the console: it opens only with its token, or it is off."""

from typing import Final

import httpx

from scripts.verify.results import Result, failed, ok
from scripts.verify.target import Target, words_of

_OPENED: Final = 200
_LOCKED: Final = 401
_ABSENT: Final = 404


def console_is_locked(target: Target) -> Result:
    """Check that the console refuses requests without the token and with a wrong one."""
    if target.parameter("Console") != "on":
        return _is_absent(target)
    page = target.output("ConsoleUrl")
    for what, url in (("page", page), ("list of messages", f"{page}/messages")):
        for without, auth in (("a token", None), ("the right token", ("verify", target.marker))):
            response = target.http.get(url, auth=auth or httpx.USE_CLIENT_DEFAULT)
            if response.is_success:
                return failed(
                    f"The console's {what} opens without {without}.",
                    "Anyone who knows the URL can read messages. Deploy with Console=off, and check what is between "
                    "the URL and the function.",
                )
            if response.status_code != _LOCKED:
                return failed(
                    f"The console's {what} without {without} should be answered 401, and was: {words_of(response)}.",
                    "Look at the log of ConsoleFunction.",
                )
    return ok("Page and messages are answered 401 without the token, and with a wrong one.")


def console_opens(target: Target) -> Result:
    """Check that the token opens the page, and that the tables can be read."""
    if target.parameter("Console") != "on":
        return _is_absent(target)
    page, token = target.output("ConsoleUrl"), target.credential("console_token")
    for what, url in (("page", page), ("list of messages", f"{page}/messages")):
        response = target.http.get(url, auth=("verify", token))
        if response.status_code == _LOCKED:
            return failed(
                "The secret's console_token is refused.",
                "If the secret was changed in the last five minutes, wait and run this again.",
            )
        if response.status_code != _OPENED:
            return failed(
                f"The console's {what} should open, and was answered: {words_of(response)}.",
                "Look at the log of ConsoleFunction. 503 means that the secret or a table can't be read.",
            )
    return ok("Page and messages open with the secret's console_token.")


def _is_absent(target: Target) -> Result:
    url = target.output("SegmentUrl").removesuffix("/segment") + "/console"
    status = target.http.get(url).status_code
    if status == _ABSENT:
        return ok("The console is off, and its address is answered 404.")
    return failed(
        f"The console is off, but its address is answered {status} instead of 404.",
        "Something else answers under this address, or the last deploy did not finish.",
    )
