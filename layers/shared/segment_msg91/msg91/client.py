"""The HTTP client of MSG91: an `Sms`, or some that can share a request, in; a typed outcome out."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from segment_msg91.fields import MalformedJsonError, identifier_of, read_json, text_of
from segment_msg91.mapping import Sms
from segment_msg91.msg91 import failures
from segment_msg91.msg91.codes import API_ERRORS, WITHOUT_REPORT, ErrorClass, SendState, error_class
from segment_msg91.msg91.failures import Category
from segment_msg91.msg91.requests import request_of

READ_TIMEOUT_SECONDS: Final = 10.0
CONNECT_TIMEOUT_SECONDS: Final = 3.0
# The longest that a call takes, unless its answer trickles in byte by byte. The lease must leave as much.
CALL_SECONDS: Final = 2 * CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
# Lambda freezes a function between events, and a connection may die in that time without a sign. A request that is
# written into a dead connection has an unknown outcome and is not repeated; a new connection costs two round trips.
_IDLE_SECONDS: Final = 1.0
_TIMEOUTS: Final = {
    "timeout": httpx.Timeout(
        READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS, pool=CONNECT_TIMEOUT_SECONDS
    ).as_dict()
}
_HEADERS: Final = {"accept": "application/json", "user-agent": "segment-msg91"}
_MAX_ERROR_LENGTH: Final = 500
_MAX_CODE_LENGTH: Final = 32
_BARE_CODE: Final = re.compile(r"\d{1,4}", re.ASCII)  # a longer one may be a phone number

_AUTH_ERRORS: Final = frozenset({"106", "201", "204", "207", "401", "HTTP 401"})
_ADDRESS_OR_KEY_ERRORS: Final = frozenset({401, 404, 405})
# Of a firewall that dislikes a text, or of a body that is too large: a smaller request may pass.
_ERRORS_OF_A_BODY: Final = frozenset({"HTTP 400", "HTTP 403", "HTTP 413", "HTTP 414"})
# A gateway passed the request on and got no (readable) answer. MSG91 may have sent the SMS all the same. Of the other
# 5xx, 500 and 503 are MSG91's own, and at 521 to 523 the gateway did not reach MSG91.
_GATEWAY_ERRORS: Final = frozenset({502, 504, 520, 524})
_STATE_OF: Final = {
    ErrorClass.EVENT: SendState.REJECTED,
    ErrorClass.ACCOUNT: SendState.HELD,
    ErrorClass.TEMPLATE: SendState.HELD,
    ErrorClass.TRANSIENT: SendState.RETRYABLE,
    ErrorClass.DUPLICATE: SendState.ACCEPTED,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request: accepted, rejected, held, retryable or unknown.

    `is_unanswered`: MSG91 was not reached, or did not answer in time. `quotes_msg91`: `error` has MSG91's words.
    """

    state: SendState
    request_id: str | None = None
    error_code: str | None = None
    error: str | None = field(default=None, repr=False)
    is_throttled: bool = False
    is_unanswered: bool = False
    quotes_msg91: bool = False

    @property
    def is_auth_error(self) -> bool:
        """Whether another authkey might have been accepted."""
        return self.state is SendState.HELD and self.error_code in _AUTH_ERRORS

    @property
    def concerns_every_message(self) -> bool:
        """Whether the next message will meet the same error: MSG91 refuses the account, or does not answer."""
        return self.is_unanswered or (
            self.state is SendState.HELD and error_class(self.error_code, self.error or "") is not ErrorClass.TEMPLATE
        )

    @property
    def reason(self) -> str | None:
        """Return the error for a person: MSG91's words or ours, and the code."""
        if not self.error:
            return None
        if self.state is SendState.ACCEPTED:
            return f"MSG91 took the same text to this number seconds before, and may drop this one ({self.error_code})"
        reason = self.error if "MSG91" in self.error or "msg91" in self.error else f"MSG91: {self.error}"
        if self.error_code and self.error_code not in reason:
            reason += f" ({self.error_code})"
        return f"{reason}; no delivery report follows" if self.error_code in WITHOUT_REPORT else reason

    @property
    def failure_category(self) -> Category | None:
        """Why MSG91 refused it; None if it did not, or if the request is retried: then nothing has failed."""
        if self.state in (SendState.REJECTED, SendState.HELD):
            return failures.of_refusal(self.error_code, self.error)
        return None

    @property
    def should_split(self) -> bool:
        """Whether one message of a request for several may alone be the cause, so that each is sent by itself."""
        return (
            self.state is SendState.REJECTED
            or (self.state is SendState.ACCEPTED and self.error_code is not None)
            or (self.state is SendState.HELD and self.error_code in _ERRORS_OF_A_BODY)
        )


_WRONG_ADDRESS: Final = Outcome(SendState.HELD, error="the parameter Msg91BaseUrl is no address; check it")


class Msg91:
    """MSG91's API. Connections are reused; safe to call from several threads."""

    def __init__(
        self, base_url: str, transport: httpx.BaseTransport | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._base_url = base_url
        self._clock = clock
        self._tls = httpx.create_ssl_context(trust_env=False)  # once, because reading the certificates is slow
        self._given = transport
        self._transport = transport or self._new_transport()
        self._used_at = clock()

    def drop_idle_connections(self) -> None:
        """Close connections that may have died in a freeze. Call it before a delivery, while no request is running.

        By the wall clock: the monotonic clock of a frozen machine may stop.
        """
        if self._clock() - self._used_at > _IDLE_SECONDS:
            self.close()
            self._transport = self._given or self._new_transport()

    def send(self, group: Sequence[Sms], authkey: str) -> Outcome:
        """Send messages in one request. Never raises: without a readable answer the outcome is `unknown`."""
        try:
            return self._send(group, authkey)
        finally:
            self._used_at = self._clock()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _new_transport(self) -> httpx.HTTPTransport:
        """A transport instead of a client: cookies, redirects, proxies and .netrc are not needed and take time."""
        return httpx.HTTPTransport(
            verify=self._tls, trust_env=False, limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS)
        )

    def _send(self, group: Sequence[Sms], authkey: str) -> Outcome:
        if not authkey:
            return Outcome(SendState.HELD, error="msg91_authkey is missing in the secret; add it there")
        path, body = request_of(group)
        try:
            headers = {**_HEADERS, "authkey": authkey}
            request = httpx.Request("POST", self._base_url + path, headers=headers, json=body, extensions=_TIMEOUTS)
        except httpx.InvalidURL:
            return _WRONG_ADDRESS
        except (ValueError, TypeError):
            return Outcome(SendState.HELD, error="msg91_authkey holds characters that no header can carry")
        try:
            response = self._transport.handle_request(request)
            try:
                content = response.read()
            finally:
                response.close()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            return Outcome(
                SendState.RETRYABLE, error=f"MSG91 could not be reached ({type(error).__name__})", is_unanswered=True
            )
        except UnicodeError:  # of the host's name; before anything is sent
            return _WRONG_ADDRESS
        except httpx.LocalProtocolError:
            return Outcome(SendState.HELD, error="msg91_authkey holds characters that no header can carry")
        except (httpx.HTTPError, httpx.StreamError) as error:
            return Outcome(
                SendState.UNKNOWN,
                error=f"MSG91 gave no readable answer ({type(error).__name__})",
                is_unanswered=True,
            )
        return outcome_of(response.status_code, content)


def outcome_of(status: int, content: bytes) -> Outcome:
    """Classify an answer of MSG91's API. HTTP 200 is not success: the body decides.

    The first row that matches decides:

    | answer | outcome |
    |---|---|
    | success, at 2xx | accepted |
    | success, at another status | unknown |
    | 2xx that is neither success nor error | unknown |
    | a known error code, not at 429 | by the code's class |
    | 502, 504, 520, 524 of a gateway | unknown |
    | 429, other 5xx | retryable |
    | 401, 404, 405, or no error in the body | held: wrong address or key, or a firewall |
    | any other error | by its words; else rejected |
    """
    answer = _object(content)
    message = _message(answer)
    outcome = _classified(status, answer, message)
    return replace(outcome, quotes_msg91=True) if message and message in (outcome.error or "") else outcome


def _classified(status: int, answer: dict[str, Any] | None, message: str) -> Outcome:
    if _is_success(answer):
        if httpx.codes.is_success(status):
            return Outcome(SendState.ACCEPTED, request_id=message or None)
        error = "MSG91 answered success, with a status of failure"
        return Outcome(SendState.UNKNOWN, error_code=f"HTTP {status}", error=error)
    if httpx.codes.is_success(status) and not _is_error(answer):
        return Outcome(SendState.UNKNOWN, error="MSG91's answer says neither success nor error")
    code = _code(answer, message)
    error = _error(status, code, message)
    is_throttled = status == httpx.codes.TOO_MANY_REQUESTS
    if code in API_ERRORS and not is_throttled:
        return Outcome(_STATE_OF[error_class(code, message)], error_code=code, error=error)
    if status in _GATEWAY_ERRORS:
        return Outcome(SendState.UNKNOWN, error_code=f"HTTP {status}", error=error, is_unanswered=True)
    if is_throttled or httpx.codes.is_server_error(status):
        error_code = code or f"HTTP {status}"
        return Outcome(SendState.RETRYABLE, error_code=error_code, error=error, is_throttled=is_throttled)
    if status in _ADDRESS_OR_KEY_ERRORS or not _is_error(answer):
        # Refused before it reached MSG91's API: by a firewall, or because the address is wrong. That can be repaired.
        advice = "check the authkey, its IP whitelist and the parameter Msg91BaseUrl"
        return Outcome(SendState.HELD, error_code=code or f"HTTP {status}", error=f"{error}; {advice}")
    return Outcome(_STATE_OF[error_class(code, message)], error_code=code, error=error)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = read_json(content.decode())
    except (UnicodeDecodeError, MalformedJsonError):
        return None
    return answer if isinstance(answer, dict) else None


def _is_success(answer: dict[str, Any] | None) -> bool:
    return answer is not None and str(answer.get("type")).lower() == "success"


def _is_error(answer: dict[str, Any] | None) -> bool:
    words = {str((answer or {}).get(name)).lower() for name in ("type", "msgType", "status")}
    return bool(words & {"error", "fail"}) or (answer or {}).get("hasError") is True


def _message(answer: dict[str, Any] | None) -> str:
    for name in ("message", "msg"):
        text = (text_of((answer or {}).get(name)) or "").strip()
        if text:
            return text[:_MAX_ERROR_LENGTH]
    return ""


def _error(status: int, code: str | None, message: str) -> str:
    """Return MSG91's words; of a bare code its meaning."""
    if code in API_ERRORS and (not message or message.isdigit()):
        message = API_ERRORS[code][1]
    return message or f"MSG91 answered HTTP {status}"


def _code(answer: dict[str, Any] | None, message: str) -> str | None:
    """Return the error code, under `apiError`, `code`, or as a message of digits only; in three digits at least."""
    code = identifier_of((answer or {}).get("apiError")) or identifier_of((answer or {}).get("code"))
    if code is None and _BARE_CODE.fullmatch(message):
        code = message
    return code.zfill(3)[:_MAX_CODE_LENGTH] if code else None
