"""Check of the authkey by a call to MSG91. No SMS is sent."""

import json
import re
from collections.abc import Mapping
from typing import Final

import httpx

from scripts.verify.results import Result, Status, failed, ok, warning
from scripts.verify.target import Target

_PATH: Final = "/api/validate.php"
_VALID: Final = "valid"
_NOT_WHITELISTED: Final = ("208", "418")
_MISSING: Final = ("101", "104", "105", "106")
"""MSG91 saw no key in the header, so its answer says nothing about the key."""
_REFUSALS: Final[Mapping[str, str]] = {
    "201": "MSG91 does not know this authkey",
    "207": "MSG91 does not know this authkey",
    "204": "the authkey has no permission to send SMS",
    "301": "the account's balance is used up",
    "302": "the account has expired",
    "303": "the account is banned",
}
_BY_SMS: Final = "TO=<your number> sends one real SMS, which proves it."


def authkey_is_valid(target: Target) -> Result:
    """Ask MSG91 about the secret's authkey, which goes in the header and never into a URL."""
    authkey = target.credential("msg91_authkey")
    url = target.parameter("Msg91BaseUrl").rstrip("/") + _PATH
    try:
        response = target.http.get(url, headers={"authkey": authkey})
    except httpx.InvalidURL:
        return failed(
            "The parameter Msg91BaseUrl is no valid address, so every message is held.",
            "Deploy with a host of MSG91's, such as Msg91BaseUrl=https://control.msg91.com.",
        )
    except httpx.HTTPError as error:
        return warning(
            f"MSG91 could not be asked from here ({type(error).__name__}).",
            f"Check Msg91BaseUrl and this machine's network. {_BY_SMS}",
        )
    is_in_vpc = bool(target.parameter("VpcSubnetIds"))
    result = _read_answer(response, is_in_vpc=is_in_vpc)
    if result.status is Status.OK and is_in_vpc and not target.sms:
        return warning(
            f"{result.meaning} It was asked from this machine, but the functions must reach it from their VPC.",
            f"Only a real SMS proves the way out of the VPC: {_BY_SMS}",
        )
    return result


def _read_answer(response: httpx.Response, *, is_in_vpc: bool) -> Result:
    """Read MSG91's answer: `Valid` or a code as text, as seen; or JSON."""
    words = _words(response.text)
    if response.is_success and words == [_VALID]:
        return ok("MSG91 says that the secret's authkey is valid.")
    codes = [word for word in words if word.isdigit()]
    if any(code in _NOT_WHITELISTED for code in codes):
        return _not_whitelisted(is_in_vpc=is_in_vpc)
    if refusal := next((_REFUSALS[code] for code in codes if code in _REFUSALS), None):
        return failed(
            f"MSG91 refuses the secret's msg91_authkey: {refusal} (code {', '.join(codes)}).",
            "Compare it with the authkey in MSG91's panel, repair the account or the secret "
            "(docs/operations.md#rotate-a-credential), and run this again.",
        )
    return warning(
        f"MSG91's answer says neither valid nor invalid (HTTP {response.status_code}"
        f"{', code ' + ', '.join(codes) if codes and not set(codes) & set(_MISSING) else ''}).",
        f"Check the key in MSG91's panel. {_BY_SMS}",
    )


def _not_whitelisted(*, is_in_vpc: bool) -> Result:
    if is_in_vpc:
        return warning(
            "MSG91 refuses this machine's address (418): the key's IP security is on. The functions have another "
            "address, in their VPC.",
            f"See that the NAT gateway's address is on the key's whitelist. {_BY_SMS}",
        )
    return failed(
        "MSG91 refuses the address (418): the key's IP security is on, and the functions have no fixed address.",
        "Switch IP security off for this key, or put the functions into a VPC with a NAT gateway and whitelist its "
        "address (README, Configure MSG91). Until then every message is held.",
    )


def _words(text: str) -> list[str]:
    """Return an answer's values in lower case: the text, or all strings and numbers of JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return [word for leaf in _leaves(value) if (word := re.sub(r"[^a-z0-9]+", " ", str(leaf).lower()).strip())]


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in _leaves(member)]
    if isinstance(value, list):
        return [leaf for member in value for leaf in _leaves(member)]
    return [value]
