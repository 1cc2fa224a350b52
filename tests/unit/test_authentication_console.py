import base64

import pytest

from segment_msg91.authentication import UnauthorizedError, authenticate_console
from segment_msg91.http import Request
from segment_msg91.settings import Secrets

SECRETS = Secrets(
    "authkey-1", ("shared-1",), ("token-1",), ("report-1",), console_tokens=("console-new", "console-old")
)


def request(authorization: str | None = None) -> Request:
    headers = {} if authorization is None else {"authorization": authorization}
    return Request(b"", headers, {}, {})


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("password", ["console-new", "console-old"])
@pytest.mark.parametrize("user", ["support", "", "console-new"])
def test_the_token_is_the_password_of_any_user(user: str, password: str) -> None:
    authenticate_console(request(basic(f"{user}:{password}")), SECRETS)


def test_a_token_may_hold_a_colon_and_letters_of_any_script() -> None:
    authenticate_console(request(basic("support:a:b ü")), Secrets(console_tokens=("a:b ü",)))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !",
        "Basic /w==",
        basic("console-new"),
        basic("console-new:"),
        basic("support:console"),
        basic("support:console-newer"),
        basic("support:authkey-1"),
        basic("support:token-1"),
        basic("support:report-1"),
        "Bearer console-new",
    ],
)
def test_anything_else_is_refused(authorization: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="console_token"):
        authenticate_console(request(authorization), SECRETS)


@pytest.mark.parametrize("secrets", [Secrets(), Secrets(console_tokens=("",))])
@pytest.mark.parametrize("password", ["", "None", "null"])
def test_without_a_token_in_the_secret_every_request_is_refused(secrets: Secrets, password: str) -> None:
    with pytest.raises(UnauthorizedError):
        authenticate_console(request(basic(f"support:{password}")), secrets)
